"""What funnels, retention and paths are, told in plain loops over plain events."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from itertools import pairwise
from statistics import median
from typing import Any

import msgspec

from delta_server.core.query import time_buckets
from delta_server.core.query.plan import Interval


class Happened(msgspec.Struct, frozen=True):
    at: int
    seq: int
    type: str
    user: str | None = None
    anonymous: str | None = None
    source: str | None = None

    @property
    def person(self) -> str | None:
        return self.user if self.user is not None else self.anonymous


Is = Callable[[Happened], bool]


def by_person(events: list[Happened]) -> dict[str, list[Happened]]:
    found: dict[str, list[Happened]] = defaultdict(list)
    for event in sorted(events, key=lambda event: (event.at, event.seq)):
        if event.person is not None:
            found[event.person].append(event)
    return found


def funnel(events: list[Happened], steps: list[Is], window_ms: int, by: Callable[[Happened], Any]) -> set[Any]:
    """(value, step, persons, median ms) of all values."""
    best = [attempt for mine in by_person(events).values() if (attempt := _best(mine, steps, window_ms))]
    rows = set()
    for value in {by(attempt[0]) for attempt in best}:
        for step in range(len(steps)):
            there = [attempt for attempt in best if by(attempt[0]) == value and len(attempt) > step]
            between = [attempt[step].at - attempt[step - 1].at for attempt in there] if step else []
            rows.add((value, step, len(there), median(between) if between else None))
    return rows


def _best(mine: list[Happened], steps: list[Is], window_ms: int) -> list[Happened]:
    """The furthest attempt, the first to get there, of those that end with one event the one begun last."""
    attempts = [_attempt(mine, n, steps, window_ms) for n, event in enumerate(mine) if steps[0](event)]
    return max(attempts, key=lambda a: (len(a), -a[-1].at, -a[-1].seq, a[0].at, a[0].seq), default=[])


def _attempt(mine: list[Happened], begin: int, steps: list[Is], window_ms: int) -> list[Happened]:
    done, at = [mine[begin]], begin
    for step in steps[1:]:
        at = next((n for n in range(at + 1, len(mine)) if step(mine[n])), -1)
        if at < 0 or mine[at].at - done[0].at > window_ms:
            break
        done.append(mine[at])
    return done


def retention(
    events: list[Happened], every: Interval, periods: int, start: Is, again: Is, since: int | None = None
) -> set[tuple[int, int, int]]:
    """`since`: those who had done it before are left out."""
    counts: Counter[tuple[int, int]] = Counter()
    for mine in by_person(events).values():
        first = next((event for event in mine if start(event)), None)
        if first is None or (since is not None and first.at < since):
            continue
        cohort = time_buckets.key(every, first.at)
        counts[cohort, 0] += 1
        later = {(time_buckets.key(every, event.at) - cohort) // every.stride for event in mine if again(event)}
        counts.update((cohort, number) for number in later if 1 <= number <= periods)
    return {(*key, persons) for key, persons in counts.items()}


def paths(
    events: list[Happened],
    start: Is | None,
    by: Callable[[Happened], Hashable],
    depth: int,
    gap_ms: int,
    backwards: bool,
) -> set[Any]:
    times: Counter[Any] = Counter()
    persons: dict[Any, set[str]] = defaultdict(set)
    for person, mine in by_person(events).items():
        mine = mine[::-1] if backwards else mine
        near = [abs(b.at - a.at) <= gap_ms for a, b in pairwise(mine)]
        for n, event in enumerate(mine):
            if start(event) if start else (n == 0 or not near[n - 1]):
                for step in range(1, depth + 1):
                    if n + step >= len(mine) or not near[n + step - 1]:
                        break
                    move = (step, by(mine[n + step - 1]), by(mine[n + step]))
                    times[move] += 1
                    persons[move].add(person)
    return {(*move, len(persons[move]), count) for move, count in times.items()}
