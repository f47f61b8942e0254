"""Judging anomalies by a rule: each is raised once, and cleared when it has ended. Its series is the record.

How far off an anomaly is only grows while it lasts. So those that a rule raises are the same that are chosen from what
is recorded afterwards.
"""

from collections.abc import Sequence

import msgspec

from delta_server.core.alerts.judging import Memory, Standing, Verdict
from delta_server.core.alerts.rules import Rule

MOST_BEGUN = 200
"""Series of a rule whose last anomaly is remembered, the newest: there are 75 at a time at most."""


class Seen(msgspec.Struct, frozen=True):
    """An anomaly as it is now. `deviations` is how far off it is at most, None of a new value; `value` is JSON."""

    record: str
    began_ms: int
    ended_ms: int | None
    deviations: float | None
    value: str


class Moved(msgspec.Struct, frozen=True):
    verdict: Verdict
    at_ms: int


def holds(rule: Rule, seen: Seen) -> bool:
    """Whether the rule is about it. A new value is off by no number."""
    return rule.value is None or (seen.deviations is not None and abs(seen.deviations) >= rule.value)


def step(rule: Rule, memory: Memory, seen: Seen) -> list[Moved]:
    """What an anomaly does that is new or has changed. Goes on from a memory, which it changes."""
    if not holds(rule, seen):
        return []
    record, moved = seen.record, list[Moved]()
    standing = memory.standings.get(record)
    if memory.begun.get(record) != seen.began_ms:
        if standing is not None:  # its end was never found
            moved.append(_cleared(memory, seen, seen.began_ms))
        memory.begun.pop(record, None)
        memory.begun[record] = seen.began_ms
        while len(memory.begun) > MOST_BEGUN:
            del memory.begun[next(iter(memory.begun))]
        memory.standings[record] = Standing(raised=True, most=seen.value)
        moved.append(Moved(Verdict(record, "raised", seen.value, seen.value), seen.began_ms))
    elif standing is None:  # it was cleared
        return []
    elif standing.most != seen.value:
        standing.most = seen.value
        moved.append(Moved(Verdict(record, "grew", seen.value, seen.value), seen.began_ms))
    if seen.ended_ms is not None:
        moved.append(_cleared(memory, seen, seen.ended_ms))
    return moved


def _cleared(memory: Memory, seen: Seen, at_ms: int) -> Moved:
    standing = memory.standings.pop(seen.record)
    return Moved(Verdict(seen.record, "cleared", seen.value, standing.most), at_ms)


def share(seen: Sequence[Seen], from_ms: int, to_ms: int) -> float:
    """Of a stretch of time, that in which any of some lasted, which are in the order of their begin."""
    lasted, reached = 0, from_ms
    for each in seen:
        end = to_ms if each.ended_ms is None else min(each.ended_ms, to_ms)
        lasted += max(0, end - max(each.began_ms, reached))
        reached = max(reached, end)
    return lasted / (to_ms - from_ms) if to_ms > from_ms else 0.0
