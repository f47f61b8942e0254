"""What an event log must know, as plain lists: the other side of test_model.py."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from delta_server.core.event_storage import rollup_plan
from delta_server.core.event_storage.rollup_plan import WIDTHS
from delta_server.core.event_storage.segment_plan import EventRetention
from delta_server.core.events.event import Event
from delta_server.core.events.persons import identifies
from delta_server.core.query.plan import Aggregate, Funnel, Interval, Listing, Paths, Span
from delta_server.core.query.plan import Retention as RetentionPlan
from delta_server.core.times import DAY_MS
from delta_server.storage.eventlog import QueryResult
from delta_server.storage.events.query import person_joins
from delta_server.storage.events.schema import COLUMNS
from tests.storage.events import behaviour_reference, evaluate
from tests.storage.events.behaviour_reference import Happened
from tests.storage.events.evaluate import matches
from tests.storage.events.people import People

DEDUP_MS = 7 * DAY_MS
NEVER = -(2**62)
ROLLUP_DAYS = {"1m": 7, "5m": 30, "15m": 730, "1h": 730, "1d": 0}
"""The server's defaults."""


class Model:
    """One project. `events` are there, by seq; `gone` were let go of and only the rollups know them.

    `ghosts` were erased on a day of which some of their type had been let go, and may be counted in the rollups still;
    `haunting` were, but rollups have not been computed again."""

    def __init__(self) -> None:
        self.events: dict[int, Event] = {}
        self.gone: dict[int, Event] = {}
        self.ghosts: dict[int, Event] = {}
        self.haunting: dict[int, Event] = {}
        self.people = People()
        self.merging = False
        """Ids were joined, or erasures cut off, that rollups may not know of yet."""
        self.arrived: dict[str, int] = {}
        """Of message ids: when the event that has it came in."""
        self.retention = EventRetention()
        self.lost: dict[str, int] = {}
        """By type, "" for those never named: events before may have been let go of."""
        self.rolled_since = dict.fromkeys((width.ms for width in WIDTHS), NEVER)
        """By interval: buckets before may have been let go of."""

    def stored(self, calls: Sequence[Sequence[Event]], duplicates: Sequence[frozenset[int]], now_ms: int) -> None:
        """These calls, made at once, were answered with these duplicates."""
        accepted: Counter[str] = Counter()
        for events, without in zip(calls, duplicates, strict=True):
            seen: set[str] = set()
            for index, event in enumerate(events):
                id = event.message_id
                if id is None or index not in without:
                    assert index not in without, "no message id, no duplicate"
                    assert event.seq not in self.events, (event, self.events[event.seq], duplicates)
                    self.events[event.seq] = event
                    accepted.update([] if id is None else [id])
                assert id is None or id not in seen or index in without, "the first of a call counts"
                seen.update([] if id is None else [id])
        for id in {event.message_id for events in calls for event in events} - {None}:
            assert id is not None
            arrived = self.arrived.get(id)
            if arrived is None or accepted[id]:
                assert accepted[id] == 1, f"{id} counts {accepted[id]} times"
                assert arrived is None or now_ms - arrived > DEDUP_MS, f"{id} counts again too soon"
                self.arrived[id] = now_ms

    def tended(self, now_ms: int) -> None:
        """Retention is about to be applied."""
        kept = self.retention
        for name in {*self.lost, *kept.types, ""}:
            days = kept.types.get(name, kept.days)
            border = now_ms - days * DAY_MS if days else NEVER
            self.lost[name] = max(self.lost.get(name, self.lost.get("", NEVER)), border)
        for width, days in rollup_plan.retention_days({**ROLLUP_DAYS, **kept.rollups}).items():
            if days:
                self.rolled_since[width.ms] = max(self.rolled_since[width.ms], now_ms - days * DAY_MS)

    def is_evictable(self) -> bool:
        return bool(self.retention.days or any(self.retention.types.values()))

    def observed(self, seqs: Iterable[int]) -> None:
        """These are there: all but what may have been let go of."""
        there = set(seqs)
        assert there <= self.events.keys(), "nothing comes back"
        for seq in self.events.keys() - there:
            event = self.events.pop(seq)
            assert event.at < self._lost(event.type), f"{event} is missing"
            self.gone[seq] = event

    def erased(self, names: Sequence[str], there: Iterable[int] = ()) -> int:
        """All of these persons is gone, but for what is still `there`, by seq, when it was cut off; how many."""
        persons, kept = set(names), set(there)
        found = [event for event in self.events.values() if _is_one_of(event, persons)]
        gone = [event for event in found if event.seq not in kept]
        for event in gone:
            del self.events[event.seq]
            self.haunting[event.seq] = event
        return len(gone)

    def settled(self) -> None:
        """Rollups were computed again."""
        self.ghosts |= {
            seq: event for seq, event in self.haunting.items() if self._lost(event.type) > event.at - event.at % DAY_MS
        }
        self.haunting.clear()

    def known(self) -> list[Event]:
        """What rollups tell of."""
        return [*self.events.values(), *self.gone.values()]

    def answer(self, plan: Any) -> Any:
        """A listing's seqs, an aggregate's rows, a set of the others' rows."""
        events, plan = list(self.events.values()), self.people.resolved(plan)
        match plan:
            case Listing():
                return evaluate.listing(events, plan)
            case Aggregate():
                known = self.known() if rollup_plan.fits(plan) else events
                return evaluate.aggregate(sorted(known, key=lambda event: event.seq), plan, self.people.whose)
        first_ever = isinstance(plan, RetentionPlan) and plan.first_ever
        span = Span(NEVER, plan.span.end_ms) if first_ever else plan.span
        there = [e for e in events if _within(span, e) and evaluate.matches(e, plan.where)]
        return _behaviour(there, plan, self.people)

    def is_exact(self, plan: Aggregate) -> bool:
        """Whether rollups and events together have the whole answer to a plan that rollups can answer."""
        if self.is_haunted(plan):
            return False
        return not self._concerns(plan, self.gone) or any(self._serves(width.ms, plan) for width in WIDTHS)

    def is_haunted(self, plan: Aggregate) -> bool:
        """Whether rollups may know what is not so any more."""
        if self.people.links and person_joins.counts_persons(plan) and self._concerns(plan, self.gone):
            return True  # whose they were when they went is what rollups know
        return self._concerns(plan, {**self.ghosts, **self.haunting})

    def has_lost(self, plan: Any) -> bool:
        """Whether events that the plan is about were let go of."""
        return any(_within(plan.span, event) and matches(event, plan.where) for event in self.gone.values())

    def _concerns(self, plan: Aggregate, events: Mapping[int, Event]) -> bool:
        span = plan.span
        near = Span(span.start_ms - span.start_ms % DAY_MS, span.end_ms + -span.end_ms % DAY_MS)
        return any(_within(near, event) and matches(event, plan.where) for event in events.values())

    def _serves(self, width_ms: int, plan: Aggregate) -> bool:
        steps = [number for key in plan.keys if isinstance(key, Interval) for number in _steps(key)]
        buckets = {event.at - event.at % width_ms for event in self.gone.values()}
        cut = {at - at % width_ms for at in (plan.span.start_ms, plan.span.end_ms) if at % width_ms} & buckets
        asked = [at for at in buckets if plan.span.start_ms <= at < plan.span.end_ms]
        there = all(at >= self.rolled_since[width_ms] for at in asked)
        return there and not cut and all(step % width_ms == 0 for step in steps)

    def _lost(self, type: str) -> int:
        return self.lost.get(type, self.lost.get("", NEVER))


def _is_one_of(event: Event, names: set[str]) -> bool:
    if event.user_id in names:
        return True
    return event.anonymous_id in names and not (event.user_id and identifies(event.user_id))


def _steps(key: Interval) -> list[int]:
    return [key.step_ms or DAY_MS, *(offset for _, offset in key.offsets)]


def row(event: Event) -> tuple[Any, ...]:
    """As a listing shows it."""
    values = msgspec.structs.asdict(event)
    values |= {"time_ms": event.at, "event_type": event.type, "flags": event.flags or None}
    values["message_id"] = event.message_id or f"e-{event.seq:x}"
    for name in ("data", "metadata"):
        values[name] = None if values[name] is None else bytes(values[name]).decode()
    return tuple(values[column.name] for column in COLUMNS)


def _within(span: Span, event: Event) -> bool:
    return span.start_ms <= event.at < span.end_ms


def _behaviour(events: list[Event], plan: Any, people: People) -> set[Any]:
    by_seq = {event.seq: event for event in events}
    happened = [Happened(e.at, e.seq, e.type, people.whose(e), None, e.source) for e in events]

    def holds(where: Any) -> Any:
        return lambda event: evaluate.matches(by_seq[event.seq], where)

    def by(event: Happened) -> Any:
        return plan.by and evaluate.value(by_seq[event.seq], plan.by)

    match plan:
        case Funnel():
            return behaviour_reference.funnel(happened, [holds(s.where) for s in plan.steps], plan.window_ms, by)
        case RetentionPlan():
            since = plan.span.start_ms if plan.first_ever else None
            return behaviour_reference.retention(
                happened, plan.every, plan.periods, holds(plan.start), holds(plan.again), since
            )
        case Paths():
            start = holds(plan.start) if plan.start else None
            return behaviour_reference.paths(happened, start, by, plan.depth, plan.gap_ms, plan.backwards)
    raise TypeError(plan)


def same(answer: QueryResult, wanted: list[tuple[Any, ...]], plan: Aggregate) -> bool:
    """Estimates within the error they are promised with: 1 % of percentiles, 5 times 1.6 % of distinct counts."""
    keys = len(plan.keys)
    functions = [None] * keys + [m.function if m.name in answer.approximate else None for m in plan.metrics]
    return len(answer.rows) == len(wanted) and all(
        _close(*cells)
        for found, right in zip(answer.rows, wanted, strict=True)
        for cells in zip(functions, found, right, strict=True)
    )


def _close(function: str | None, cell: Any, right: Any) -> bool:
    if not isinstance(cell, int | float) or not isinstance(right, int | float):
        return bool(cell == right)
    if function == "unique":
        return abs(cell - right) <= max(1, 5 * 0.016 * right)
    if function == "quantile":
        return cell == pytest.approx(right, rel=0.0101, abs=2e-6)
    return cell == pytest.approx(right)
