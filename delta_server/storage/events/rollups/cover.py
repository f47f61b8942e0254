"""Aggregates answered from rollups, as far as these hold what is asked for: keys and filters of type and source.

Whole buckets of the span come from the files of the coarsest interval that fits its keys. Added to them is what is not
in the rollups: events that wait or are not rolled up yet, and all events of the ragged ends, unless those were let go
of: then finer intervals serve there. rollups/merge_query.py has the statement.
Where few events are concerned and all of them are there, they are counted themselves: that is exact.
"""

from collections.abc import Sequence

import msgspec

from delta_server.core.event_storage import rollup_plan
from delta_server.core.event_storage.rollup_plan import Known, Width
from delta_server.core.query.plan import Aggregate, Span
from delta_server.core.times import DAY_MS
from delta_server.storage.events.query import answers, compile, person_joins, relation
from delta_server.storage.events.query.answers import Compiled
from delta_server.storage.events.query.read_view import Block, Segment, Snapshot
from delta_server.storage.events.query.relation import Params, Relation
from delta_server.storage.events.rollups import expired_ranges, merge_query

FEW_EVENTS = 100_000
"""So many are counted themselves: 10 ms."""
WORTH_EVENTS = 50_000
"""For fewer events of an end no other interval's file is opened."""


class _Sealed(msgspec.Struct, frozen=True):
    """What there is of a plan's span, and the span with room for whole buckets where no events would be added."""

    plan: Aggregate
    rolled: tuple[Segment, ...]
    unrolled: tuple[Segment, ...]
    blocks: tuple[Block, ...]
    known: Known
    whole_from: int
    wide: Span

    @property
    def events(self) -> int:
        segments, blocks = (*self.rolled, *self.unrolled), self.blocks
        return sum(each.events_count for each in segments) + sum(each.events_count for each in blocks)


def cover(snapshot: Snapshot, plan: Aggregate) -> Compiled:
    """See reading.Cover."""
    known = expired_ranges.known(snapshot)
    whole_from = known.whole_from(rollup_plan.types(plan.where))
    if not rollup_plan.fits(plan):
        return _of_events(snapshot, plan, expired_ranges.of(snapshot, known, [plan.span], whole_from))
    there = _sealed(snapshot, plan, known, whole_from)
    if there.events < FEW_EVENTS and plan.span.start_ms >= there.whole_from:
        return answers.aggregate(snapshot, plan)
    pieces, gaps = _split(there)
    lost = expired_ranges.of(snapshot, known, gaps, whole_from)
    cells, scanned = _cells(snapshot, plan, pieces)
    if not cells:
        return _of_events(snapshot, plan, lost)
    events = _events(snapshot, there, gaps)
    users = person_joins.counts_users(plan)
    params = Params()
    added = person_joins.events(snapshot, events.sql) if users else events.sql
    rows = merge_query.rows(plan, there.wide, cells, added if events.scanned else None, params)
    return Compiled(
        compile.columns(plan),
        compile.shown_rows(plan, rows, params),
        params.values,
        source="both" if events.scanned else "rollup",
        scanned=scanned + events.scanned,
        approximate=tuple(metric.name for metric in plan.metrics if merge_query.is_estimate(metric)),
        merging=users and _is_merging(snapshot, there),
        whole=rollup_plan.whole(plan.span, lost),
    )


def _of_events(snapshot: Snapshot, plan: Aggregate, lost: Sequence[Span]) -> Compiled:
    made = answers.aggregate(snapshot, plan)
    return msgspec.structs.replace(made, whole=rollup_plan.whole(plan.span, lost))


def _split(there: _Sealed) -> tuple[list[tuple[Width, Span]], list[Span]]:
    """See rollup_plan.split."""
    pieces: list[tuple[Width, Span]] = []
    gaps: list[Span] = []
    worth_ms = _worth_ms(there)
    for span, fitting in rollup_plan.eras(there.plan, there.wide):
        found = rollup_plan.split(span, fitting, there.known, whole_from=there.whole_from, worth_ms=worth_ms)
        pieces += found[0]
        gaps += found[1]
    return pieces, gaps


def _is_merging(snapshot: Snapshot, there: _Sealed) -> bool:
    """Whether some of the span's cells know ids as two persons that are one."""
    days = range(there.wide.start_ms // DAY_MS, -(-there.wide.end_ms // DAY_MS))
    return there.known.persons < person_joins.state(snapshot).rev or any(day in days for day in there.known.stale)


def _sealed(snapshot: Snapshot, plan: Aggregate, known: Known, whole_from: int) -> _Sealed:
    segments = snapshot.segments(plan.span)
    return _Sealed(
        plan,
        tuple(segment for segment in segments if segment.rolled),
        tuple(segment for segment in segments if not segment.rolled),
        tuple(snapshot.blocks(plan.span)),
        known,
        whole_from,
        _widened(snapshot, plan.span, whole_from),
    )


def _widened(snapshot: Snapshot, span: Span, whole_from: int) -> Span:
    """Up to whole buckets of the coarsest interval possible, where no event in the rollups lies in between: a range
    that ends now has whole buckets only."""
    start, end = span.start_ms, span.end_ms
    for width in rollup_plan.WIDTHS:
        lower, upper = rollup_plan.down(span.start_ms, width.ms), rollup_plan.up(span.end_ms, width.ms)
        if lower >= whole_from and not _rolled(snapshot, Span(lower, span.start_ms)):
            start = lower
        if span.end_ms >= whole_from and not _rolled(snapshot, Span(span.end_ms, upper)):
            end = upper
    return Span(start, end)


def _rolled(snapshot: Snapshot, span: Span) -> bool:
    return span.start_ms < span.end_ms and any(segment.rolled for segment in snapshot.segments(span))


def _worth_ms(there: _Sealed) -> int:
    """As long as it takes for WORTH_EVENTS to happen, at the pace of what is sealed."""
    if not there.rolled:
        return 0
    first = min(segment.first_at for segment in there.rolled)
    last = max(segment.last_at for segment in there.rolled)
    return (last - first) * WORTH_EVENTS // there.events


def _cells(snapshot: Snapshot, plan: Aggregate, pieces: Sequence[tuple[Width, Span]]) -> tuple[list[str], int]:
    """Relations of cells, and how many cells their files hold."""
    found, scanned = [], 0
    for width, span in pieces:
        part = merge_query.part(plan) if len(width.parts) > 1 else 0
        if files := snapshot.rollups(width.ms, part, span):
            paths = ", ".join(f"'{snapshot.rollup_path(file.id)}'" for file in files)
            within = f"time_ms >= {span.start_ms:d} AND time_ms < {span.end_ms:d}"
            found.append(f"(SELECT * FROM read_parquet([{paths}]) WHERE {within})")
            scanned += sum(file.rows_count for file in files)
    return found, scanned


def _events(snapshot: Snapshot, there: _Sealed, gaps: Sequence[Span]) -> Relation:
    """What is not in those cells."""
    span = there.plan.span
    parts = [relation.of(snapshot, span, there.unrolled, there.blocks)]
    for gap in gaps:
        inside = Span(max(gap.start_ms, span.start_ms), min(gap.end_ms, span.end_ms))
        rolled = [each for each in there.rolled if each.first_at < inside.end_ms and each.last_at >= inside.start_ms]
        parts.append(relation.of(snapshot, inside, rolled, ()))
    some = [part for part in parts if part.scanned]
    union = " UNION ALL ".join(f"SELECT * FROM {part.sql}" for part in some)
    return Relation(f"({union})", sum(part.scanned for part in some))
