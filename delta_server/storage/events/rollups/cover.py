"""Aggregates answered from rollups, as far as these hold what is asked for: keys and filters of type and source.

Whole buckets of the span come from the files of the coarsest interval that fits its keys. Added to them is what is not
in the rollups: events that wait or are not rolled up yet, and all events of the ragged ends, unless those were deleted
of: then finer intervals serve there. rollups/merge_query.py has the statement.
Where few events are concerned and all of them are there, they are counted themselves: that is exact.
"""

from collections.abc import Sequence

import msgspec

from delta_server.core.event_storage import rollup_plan
from delta_server.core.event_storage.rollup_plan import RollupState, Width
from delta_server.core.query.plan import Aggregate, Span
from delta_server.core.times import DAY_MS
from delta_server.storage.events.query import answers, compile, person_joins, relation
from delta_server.storage.events.query.answers import Compiled
from delta_server.storage.events.query.read_view import Block, ReadView, Segment
from delta_server.storage.events.query.relation import Params, Relation
from delta_server.storage.events.rollups import expired_ranges, merge_query

MIN_ROLLUP_EVENTS = 100_000
"""So many are counted themselves: 10 ms."""
MIN_GAP_EVENTS = 50_000
"""For fewer events of an end no other interval's file is opened."""


class _Coverage(msgspec.Struct, frozen=True):
    """What there is of a plan's span, and the span with room for whole buckets where no events would be added."""

    plan: Aggregate
    rolled: tuple[Segment, ...]
    unrolled: tuple[Segment, ...]
    blocks: tuple[Block, ...]
    known: RollupState
    whole_from: int
    wide: Span

    @property
    def events(self) -> int:
        segments, blocks = (*self.rolled, *self.unrolled), self.blocks
        return sum(each.events_count for each in segments) + sum(each.events_count for each in blocks)


def compile_from_rollups(read_view: ReadView, plan: Aggregate) -> Compiled:
    """See reading.Cover."""
    known = expired_ranges.rollup_state(read_view)
    whole_from = known.whole_from(rollup_plan.types(plan.where))
    if not rollup_plan.fits(plan):
        return _compile_from_events(
            read_view, plan, expired_ranges.expired_parts(read_view, known, [plan.span], whole_from)
        )
    there = _coverage_of(read_view, plan, known, whole_from)
    if there.events < MIN_ROLLUP_EVENTS and plan.span.start_ms >= there.whole_from:
        return answers.compile_aggregate(read_view, plan)
    pieces, gaps = _split_span(there)
    lost = expired_ranges.expired_parts(read_view, known, gaps, whole_from)
    cells, scanned = _cell_relations(read_view, plan, pieces)
    if not cells:
        return _compile_from_events(read_view, plan, lost)
    events = _event_relation(read_view, there, gaps)
    users = person_joins.counts_persons(plan)
    params = Params()
    added = person_joins.events(read_view, events.sql) if users else events.sql
    rows = merge_query.merged_rows(plan, there.wide, cells, added if events.scanned else None, params)
    return Compiled(
        compile.columns(plan),
        compile.filtered_rows(plan, rows, params),
        params.values,
        source="both" if events.scanned else "rollup",
        scanned=scanned + events.scanned,
        approximate=tuple(metric.name for metric in plan.metrics if merge_query.is_estimate(metric)),
        merging=users and _has_pending_merges(read_view, there),
        whole=rollup_plan.whole(plan.span, lost),
    )


def _compile_from_events(read_view: ReadView, plan: Aggregate, lost: Sequence[Span]) -> Compiled:
    made = answers.compile_aggregate(read_view, plan)
    return msgspec.structs.replace(made, whole=rollup_plan.whole(plan.span, lost))


def _split_span(there: _Coverage) -> tuple[list[tuple[Width, Span]], list[Span]]:
    """See rollup_plan.split."""
    pieces: list[tuple[Width, Span]] = []
    gaps: list[Span] = []
    worth_ms = _min_gap_ms(there)
    for span, fitting in rollup_plan.split_by_clock(there.plan, there.wide):
        found = rollup_plan.cover_span(span, fitting, there.known, whole_from=there.whole_from, worth_ms=worth_ms)
        pieces += found[0]
        gaps += found[1]
    return pieces, gaps


def _has_pending_merges(read_view: ReadView, there: _Coverage) -> bool:
    """Whether some of the span's cells know ids as two persons that are one."""
    days = range(there.wide.start_ms // DAY_MS, -(-there.wide.end_ms // DAY_MS))
    return there.known.persons < person_joins.state(read_view).rev or any(day in days for day in there.known.stale)


def _coverage_of(read_view: ReadView, plan: Aggregate, known: RollupState, whole_from: int) -> _Coverage:
    segments = read_view.segments(plan.span)
    return _Coverage(
        plan,
        tuple(segment for segment in segments if segment.rolled),
        tuple(segment for segment in segments if not segment.rolled),
        tuple(read_view.blocks(plan.span)),
        known,
        whole_from,
        _widen_to_buckets(read_view, plan.span, whole_from),
    )


def _widen_to_buckets(read_view: ReadView, span: Span, whole_from: int) -> Span:
    """Up to whole buckets of the coarsest interval possible, where no event in the rollups lies in between: a range
    that ends now has whole buckets only."""
    start, end = span.start_ms, span.end_ms
    for width in rollup_plan.WIDTHS:
        lower, upper = rollup_plan.down(span.start_ms, width.ms), rollup_plan.up(span.end_ms, width.ms)
        if lower >= whole_from and not _rolled_up_segments(read_view, Span(lower, span.start_ms)):
            start = lower
        if span.end_ms >= whole_from and not _rolled_up_segments(read_view, Span(span.end_ms, upper)):
            end = upper
    return Span(start, end)


def _rolled_up_segments(read_view: ReadView, span: Span) -> bool:
    return span.start_ms < span.end_ms and any(segment.rolled for segment in read_view.segments(span))


def _min_gap_ms(there: _Coverage) -> int:
    """As long as it takes for WORTH_EVENTS to happen, at the pace of what is sealed."""
    if not there.rolled:
        return 0
    first = min(segment.first_at for segment in there.rolled)
    last = max(segment.last_at for segment in there.rolled)
    return (last - first) * MIN_GAP_EVENTS // there.events


def _cell_relations(
    read_view: ReadView, plan: Aggregate, pieces: Sequence[tuple[Width, Span]]
) -> tuple[list[str], int]:
    """Relations of cells, and how many cells their files hold."""
    found, scanned = [], 0
    for width, span in pieces:
        part = merge_query.part(plan) if len(width.parts) > 1 else 0
        if files := read_view.rollups(width.ms, part, span):
            paths = ", ".join(f"'{read_view.rollup_path(file.id)}'" for file in files)
            within = f"time_ms >= {span.start_ms:d} AND time_ms < {span.end_ms:d}"
            found.append(f"(SELECT * FROM read_parquet([{paths}]) WHERE {within})")
            scanned += sum(file.rows_count for file in files)
    return found, scanned


def _event_relation(read_view: ReadView, there: _Coverage, gaps: Sequence[Span]) -> Relation:
    """What is not in those cells."""
    span = there.plan.span
    parts = [relation.of_files(read_view, span, there.unrolled, there.blocks)]
    for gap in gaps:
        inside = Span(max(gap.start_ms, span.start_ms), min(gap.end_ms, span.end_ms))
        rolled = [each for each in there.rolled if each.first_at < inside.end_ms and each.last_at >= inside.start_ms]
        parts.append(relation.of_files(read_view, inside, rolled, ()))
    some = [part for part in parts if part.scanned]
    union = " UNION ALL ".join(f"SELECT * FROM {part.sql}" for part in some)
    return Relation(f"({union})", sum(part.scanned for part in some))
