"""What is rolled up where, what is known to be gone, and which parts of a span rollups answer."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.event_storage import rollup_plan
from delta_server.core.event_storage.rollup_plan import EVER, LAYERS, WIDTHS, RollupFile, RollupState, Width
from delta_server.core.event_storage.segment_plan import RetentionCutoffs
from delta_server.core.query.plan import (
    Aggregate,
    AllOf,
    AnyOf,
    Condition,
    Field,
    Filter,
    FullText,
    Interval,
    Metric,
    Negation,
    Span,
)
from delta_server.core.times import DAY_MS, LATEST_MS

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
TYPE, SOURCE = Field("eventType", "event_type", "text"), Field("source", "source", "text")
DURATION, USER = Field("duration", "duration", "number"), Field("userId", "user_id", "text")
PLAN = Field("data.plan", "data", "json", ("plan",))
COUNT = Metric("count", "count")
BY_NAME = {width.name: width for width in WIDTHS}


def hourly(offset_ms: int = 0, step_ms: int = HOUR_MS) -> Interval:
    return Interval("time", step_ms, ((LATEST_MS + 1, offset_ms),))


def asked(*keys: Field | Interval, metrics: tuple[Metric, ...] = (COUNT,), where: Filter | None = None) -> Aggregate:
    return Aggregate(Span(0, 100 * DAY_MS), metrics, keys, where)


def test_each_interval_divides_the_next_and_the_ranges_of_its_files() -> None:
    for finer, width in pairwise(WIDTHS):
        assert width.ms % finer.ms == 0
    for width in WIDTHS:
        assert width.unit_ms % width.ms == width.stretch_ms % width.unit_ms == 0
    assert len(LAYERS) == 9


@pytest.mark.parametrize(
    ("plan", "fits"),
    [
        (asked(), True),
        (asked(hourly(), TYPE, SOURCE), True),
        (asked(USER), False),
        (asked(PLAN), False),
        (asked(metrics=(Metric("u", "unique", USER), Metric("s", "unique", SOURCE))), True),
        (asked(metrics=(Metric("u", "unique", PLAN),)), False),
        (asked(metrics=(Metric("m", "mode", TYPE),)), False),
        (asked(metrics=tuple(Metric(name, name, DURATION) for name in ("avg", "min", "max", "sum"))), True),
        (asked(metrics=(Metric("p", "quantile", DURATION, 0.5),)), True),
        (asked(metrics=(Metric("p", "quantile", PLAN, 0.5),)), False),
        (asked(where=AllOf((Condition("contains", TYPE, ("a",)), Negation(Condition("is", SOURCE, ("b",)))))), True),
        (asked(where=AnyOf((Condition("is", TYPE, ("a",)), Condition("is", USER, ("b",))))), False),
        (asked(where=AllOf((FullText(("a",)),))), False),
    ],
)
def test_what_rollups_can_answer(plan: Aggregate, fits: bool) -> None:
    assert rollup_plan.fits(plan) is fits


@pytest.mark.parametrize(
    ("keys", "coarsest"),
    [
        ((), "1d"),
        ((TYPE,), "1d"),
        ((hourly(),), "1h"),
        ((hourly(step_ms=DAY_MS),), "1d"),
        ((hourly(step_ms=7 * DAY_MS),), "1d"),
        ((hourly(2 * HOUR_MS, DAY_MS),), "1h"),
        ((hourly(330 * MINUTE_MS, DAY_MS),), "15m"),
        ((hourly(step_ms=10 * MINUTE_MS),), "5m"),
        ((hourly(step_ms=90 * MINUTE_MS),), "15m"),
        ((hourly(561_000, DAY_MS),), None),
        ((hourly(step_ms=30_000),), None),
        ((Interval("time", 0, ((LATEST_MS + 1, 0),), months=3),), "1d"),
        ((Interval("time", 0, ((LATEST_MS + 1, 45 * MINUTE_MS),), months=1),), "15m"),
        ((Interval("time", 7 * DAY_MS, ((LATEST_MS + 1, 0),), anchor_ms=3 * DAY_MS),), "1d"),
    ],
)
def test_the_coarsest_interval_that_fits_the_keys(keys: tuple[Field | Interval, ...], coarsest: str | None) -> None:
    plan = asked(*keys)
    [(span, found)] = rollup_plan.split_by_clock(plan, plan.span)
    assert span == plan.span
    assert (found[0].name if found else None) == coarsest


@pytest.mark.parametrize(
    ("offsets", "parts"),
    [
        (((50 * DAY_MS + HOUR_MS, 0), (LATEST_MS + 1, HOUR_MS)), [(50 * DAY_MS + HOUR_MS, "1d"), (100 * DAY_MS, "1h")]),
        (((50 * DAY_MS + 1, 0), (LATEST_MS + 1, HOUR_MS)), [(50 * DAY_MS + 1, "1d"), (100 * DAY_MS, "1h")]),
        (((50 * DAY_MS, HOUR_MS), (LATEST_MS + 1, 2 * HOUR_MS)), [(100 * DAY_MS, "1h")]),
        (((50 * DAY_MS + MINUTE_MS, HOUR_MS), (LATEST_MS + 1, 2 * HOUR_MS)),
         [(50 * DAY_MS + MINUTE_MS, "1h"), (100 * DAY_MS, "1h")]),
        (((200 * DAY_MS + 1, 0), (LATEST_MS + 1, 1)), [(100 * DAY_MS, "1d")]),
        (((9 * DAY_MS, -2_670_000), (LATEST_MS + 1, 0)), [(9 * DAY_MS, None), (100 * DAY_MS, "1d")]),  # 44 min 30 s
    ],
)  # fmt: skip
def test_a_span_is_cut_where_clocks_are_changed(
    offsets: tuple[tuple[int, int], ...], parts: list[tuple[int, str | None]]
) -> None:
    plan = asked(Interval("time", DAY_MS, offsets))
    found = rollup_plan.split_by_clock(plan, plan.span)
    assert [(span.end_ms, fit[0].name if fit else None) for span, fit in found] == parts
    assert [span.start_ms for span, _ in found] == [0, *(end for end, _ in parts[:-1])]


DEFAULT = {"1m": 7, "5m": 30, "15m": 90, "1h": 730, "1d": 0}


@pytest.mark.parametrize(
    ("own", "quarters"),
    [({}, 730), ({"15m": 1}, 730), ({"1h": 10}, 90), ({"1h": 0}, 0), ({"15m": 0}, 0), ({"15m": 800}, 800)],
)
def test_quarters_of_hours_are_kept_as_long_as_hours(own: dict[str, int], quarters: int) -> None:
    kept = rollup_plan.retention_days({**DEFAULT, **own})
    assert {width.name: days for width, days in kept.items()} == {**DEFAULT, **own, "15m": quarters}


@pytest.mark.parametrize(
    ("lost", "whole"),
    [
        ([], (None, None)),
        ([(0, 100)], (None, None)),
        ([(90, 110)], (110, None)),
        ([(100, 110), (120, 130)], (130, None)),
        ([(190, 200)], (None, 190)),
        ([(190, 300), (100, 105)], (105, 190)),
        ([(180, 190), (190, 200)], (None, 180)),
        ([(0, 300)], (200, None)),
        ([(100, 150), (150, 200)], (150, 150)),
        ([(150, 150)], (None, None)),
    ],
)
def test_what_of_an_answer_is_whole(lost: list[tuple[int, int]], whole: tuple[int | None, int | None]) -> None:
    assert rollup_plan.whole(Span(100, 200), [Span(*part) for part in lost]) == whole


def test_which_types_can_match() -> None:
    one = Condition("is", TYPE, ("a", "b"))
    assert rollup_plan.types(one) == frozenset({"a", "b"})
    assert rollup_plan.types(AllOf((one, Condition("is", TYPE, ("b", "c"))))) == frozenset({"b"})
    assert rollup_plan.types(AllOf((one, Condition("is", SOURCE, ("x",))))) == frozenset({"a", "b"})
    assert rollup_plan.types(AnyOf((one, one))) is rollup_plan.types(Negation(one)) is rollup_plan.types(None) is None


def test_what_was_let_go_of_is_remembered_by_type() -> None:
    known = rollup_plan.with_expired_events(RollupState(), RetentionCutoffs(100, {"kept": None, "short": 200}))
    assert [known.whole_from([name]) for name in ("kept", "short", "view")] == [EVER, 200, 100]
    assert known.whole_from() == 200
    known = rollup_plan.with_expired_events(known, RetentionCutoffs(50, {}))
    assert [known.whole_from([name]) for name in ("kept", "short", "view")] == [50, 200, 100]
    assert rollup_plan.with_expired_events(RollupState(), RetentionCutoffs(None, {})).whole_from() == EVER


def test_buckets_that_went_are_remembered_and_never_come_back() -> None:
    known = rollup_plan.with_expired_rollups(
        rollup_plan.with_expired_rollups(RollupState(), {60_000: 50}), {60_000: 20, 300_000: 5}
    )
    assert known.since == {60_000: 50, 300_000: 5}


def test_days_to_compute_again() -> None:
    known = rollup_plan.with_stale_days(RollupState(stale=(3,)), [(0, DAY_MS), (5 * DAY_MS, 7 * DAY_MS), (-1, 1)])
    assert known.stale == (-1, 0, 3, 5, 6)
    assert rollup_plan.without_stale_day(known, 3).stale == (-1, 0, 5, 6)


def test_ranges_are_those_of_files_or_new() -> None:
    width = BY_NAME["1h"]
    file = Span(0, 3 * DAY_MS)
    found = rollup_plan.ranges(width, [5, 0, 2, 3, -1], [file])
    assert found == [
        Span(-DAY_MS, 0), file, Span(3 * DAY_MS, 4 * DAY_MS), Span(5 * DAY_MS, 6 * DAY_MS)
    ]  # fmt: skip


def piece(id: int, day: int, *, size: int = 1, created_at: int = 0) -> RollupFile:
    return RollupFile(id, Span(day * DAY_MS, (day + 1) * DAY_MS), size, created_at)


@pytest.mark.parametrize(
    ("pieces", "merged"),
    [
        ([piece(1, 0), piece(2, 1), piece(3, 5)], [[1, 2, 3]]),
        ([piece(1, 0)], []),
        ([piece(1, 28), piece(2, 29), piece(3, 30), piece(4, 31)], [[1, 2], [3, 4]]),
        ([piece(1, 0), piece(2, 1, created_at=400 * DAY_MS), piece(3, 2), piece(4, 3)], [[3, 4]]),
        ([piece(1, 299), piece(2, 300)], []),
        ([piece(1, 0), piece(2, 1, size=rollup_plan.MERGED_BYTES), piece(3, 2), piece(4, 3)], [[3, 4]]),
    ],
)
def test_quiet_neighbours_are_merged(pieces: list[RollupFile], merged: list[list[int]]) -> None:
    runs = rollup_plan.merges(BY_NAME["1h"], pieces, before_ms=300 * DAY_MS)
    assert [[each.id for each in run] for run in runs] == merged


TIMES = st.integers(0, 3 * DAY_MS)


@given(TIMES, TIMES, TIMES, st.dictionaries(st.sampled_from(WIDTHS), TIMES), st.integers(0, DAY_MS))
def test_a_span_is_split_without_gaps_and_twice_nowhere(
    start: int, end: int, whole_from: int, since: dict[Width, int], worth_ms: int
) -> None:
    span = Span(min(start, end), max(start, end) + 1)
    known = RollupState(since={width.ms: at for width, at in since.items()})
    pieces, gaps = rollup_plan.cover_span(span, list(reversed(WIDTHS)), known, whole_from=whole_from, worth_ms=worth_ms)
    every = sorted([*(piece for _, piece in pieces), *gaps], key=lambda each: each.start_ms)
    assert (every[0].start_ms, every[-1].end_ms) == (span.start_ms, span.end_ms)
    assert all(left.end_ms == right.start_ms for left, right in pairwise(every))
    for width, piece in pieces:
        assert piece.start_ms % width.ms == piece.end_ms % width.ms == 0
        assert piece.start_ms >= known.there_from(width)
    for gap in gaps:
        finest = WIDTHS[0]
        lost = Span(gap.start_ms, min(gap.end_ms, whole_from))
        assert lost.end_ms - max(lost.start_ms, known.there_from(finest)) < 2 * finest.ms, (
            "what was let go of comes from rollups, as far as there are any"
        )
