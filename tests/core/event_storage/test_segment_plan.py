"""Plans over segments: what they promise, for any segments whatever."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.event_storage import segment_plan
from delta_server.core.event_storage.segment_plan import OTHER_TYPES, SegmentBounds, SegmentInfo
from delta_server.core.times import DAY_MS
from tests.often import FUZZ

BOUNDS = SegmentBounds(events=1000, stored_bytes=100_000)
NOW = 20_000 * DAY_MS

days = st.lists(st.tuples(st.integers(-400, 400), st.integers(1, 500)), min_size=1, unique_by=lambda day: day[0])


def segment(
    number: int, events: int, *, at: int = 0, last: int = 0, rolled: bool = True, types: dict[str, int] | None = None
) -> SegmentInfo:
    return SegmentInfo(number, events, at, max(at, last), events * 300, events * 30, rolled, types or {"a": events})


@st.composite
def segments(draw: st.DrawFn) -> list[SegmentInfo]:
    found = []
    for number in range(draw(st.integers(0, 12 if FUZZ == 1 else 40))):
        types = draw(st.dictionaries(st.sampled_from(["a", "b", "c", OTHER_TYPES]), st.integers(1, 400), min_size=1))
        at = draw(st.integers(NOW - 100 * DAY_MS, NOW))
        events, last = sum(types.values()), at + draw(st.integers(0, 40 * DAY_MS))
        found.append(
            SegmentInfo(number, events, at, last, 0, events * draw(st.integers(1, 90)), draw(st.booleans()), types)
        )
    return found


def test_long_events_are_not_merged_into_more_than_can_be_sorted() -> None:
    def long(number: int, megabytes: int) -> SegmentInfo:
        return SegmentInfo(number, 100, number, number, megabytes << 20, 1000, True, {"a": 100})

    assert segment_plan.all_merges([long(n, 20) for n in range(7)], BOUNDS) == [[0, 1, 2], [3, 4, 5]]
    assert segment_plan.merges([long(n, 40) for n in range(8)], BOUNDS) == []


@pytest.mark.parametrize(("event_bytes", "merged"), [(segment_plan.LONG_BYTES, 4), (590, 1)])
def test_a_million_events_are_one_segment_where_they_are_short(event_bytes: int, merged: int) -> None:
    """Of 590 bytes 131,072 are 64 MiB of JSON, as many as one is to hold."""
    events = 131_072
    found = [SegmentInfo(n, events, n, n, event_bytes * events, 1 << 20, True, {"a": events}) for n in range(4)]
    bounds = SegmentBounds(1_048_576, 64 << 20)
    assert segment_plan.merges(found, bounds) == ([list(range(4))] if merged > 1 else [])


# Where sealing cuts


@given(days)
def test_few_segments_and_large_days_for_themselves(found: list[tuple[int, int]]) -> None:
    found = sorted(found)
    cutoffs = segment_plan.cuts(found, own=200)
    assert cutoffs == sorted(set(cutoffs))
    assert len(cutoffs) <= segment_plan.MOST_CUTS
    assert set(cutoffs) <= {day * DAY_MS for day, _ in found}
    if len(cutoffs) < segment_plan.MOST_CUTS:
        for day, events in found:
            if events >= 200 and day != found[0][0]:
                assert day * DAY_MS in cutoffs


def test_cuts() -> None:
    assert segment_plan.cuts([], own=10) == []
    assert segment_plan.cuts([(3, 1)], own=10) == []
    assert segment_plan.cuts([(-9000, 1), (5, 50), (6, 2), (8, 3)], own=10) == [5 * DAY_MS, 6 * DAY_MS]
    assert segment_plan.cuts([(1, 6), (2, 6), (3, 6), (4, 6)], own=10) == [3 * DAY_MS]


# What compaction merges


@given(segments())
def test_merges_fit_and_mix_nothing(found: list[SegmentInfo]) -> None:
    by_id = {each.id: each for each in found}
    for plan in (segment_plan.merges(found, BOUNDS), segment_plan.all_merges(found, BOUNDS)):
        merged = [by_id[number] for run in plan for number in run]
        assert len({each.id for each in merged}) == len(merged)
        for run in plan:
            assert len(run) > 1
            assert len({by_id[number].rolled for number in run}) == 1
            assert sum(by_id[number].events for number in run) <= BOUNDS.events
            assert sum(by_id[number].stored_bytes for number in run) <= BOUNDS.stored_bytes


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 50)), min_size=1, max_size=300))
def test_an_event_is_written_again_a_few_times_and_few_segments_stay(sealed: list[tuple[int, int]]) -> None:
    """Segments come one after the other and are compacted each time, as a server does for months."""
    living: dict[int, SegmentInfo] = {}
    written: Counter[int] = Counter()  # by segment: how often the most moved of its events was written
    for number, (events, at) in enumerate(sealed):
        living[number] = segment(number, events, at=at)
        while plan := segment_plan.merges(list(living.values()), BOUNDS):
            for run in plan:
                inputs = [living.pop(each) for each in run]
                merged = 1000 * (number + 1) + run[0]
                first = min(each.first_at for each in inputs)
                living[merged] = segment(merged, sum(each.events for each in inputs), at=first)
                written[merged] = 1 + max(written[each] for each in run)
    tiers = segment_plan.tier(BOUNDS.events) + 1
    assert max(written.values(), default=0) <= tiers + 1
    small = [each for each in living.values() if 2 * each.events <= BOUNDS.events]
    assert len(small) <= 3 * tiers


def test_segments_of_other_sizes_wait() -> None:
    four = [segment(number, 20 + number, at=10 - number) for number in range(4)]
    assert segment_plan.merges(four, BOUNDS) == [[3, 2, 1, 0]]
    assert segment_plan.merges(four[:3], BOUNDS) == []
    assert segment_plan.merges([*four[:3], segment(9, 300)], BOUNDS) == []
    assert segment_plan.merges([*four[:3], segment(9, 20, rolled=False)], BOUNDS) == []
    assert segment_plan.merges([segment(1, 400), segment(2, 400)], BOUNDS) == [[1, 2]]
    assert segment_plan.merges([segment(1, 600), segment(2, 300)], BOUNDS) == []
    assert segment_plan.all_merges([*four[:3], segment(9, 300, at=99)], BOUNDS) == [[2, 1, 0, 9]]


# What retention does

kept = st.one_of(st.none(), st.integers(0, 60))


@given(segments(), kept, st.dictionaries(st.sampled_from(["a", "b", "z"]), kept))
def test_retention_drops_nothing_that_is_kept(
    found: list[SegmentInfo], others: int | None, types: dict[str, int]
) -> None:
    cutoffs = segment_plan.retention_cutoffs(NOW, others, types)
    for each in found:
        said = segment_plan.retention_action(each, cutoffs)
        names = [name for name in each.types if name != OTHER_TYPES]
        if OTHER_TYPES in each.types:
            names += ["another", *(name for name in types if name not in each.types)]
        days_of = [types.get(name, others) for name in names]
        ends = [NOW - days * DAY_MS if days else None for days in days_of]
        all_past = all(end is not None and each.last_at < end for end in ends)
        some_past = any(end is not None and each.first_at < end for end in ends)
        assert (said == "drop") == all_past
        assert some_past or said == "keep"


def test_sentences() -> None:
    def said(each: SegmentInfo, others: int | None = None, **types: int | None) -> str:
        return segment_plan.retention_action(each, segment_plan.retention_cutoffs(NOW, others, types))

    old, older = NOW - 10 * DAY_MS, NOW - 20 * DAY_MS
    mixed = segment(1, 100, at=older, last=old, types={"debug": 2, "view": 98})
    assert said(mixed) == "keep"
    assert said(mixed, 9) == "drop"
    assert said(mixed, 10) == "look"  # to the day: the last one is not yet past its time
    assert said(mixed, 9, view=None) == "rewrite"
    assert said(mixed, 9, view=0) == "rewrite"
    assert said(mixed, None, debug=7) == "rewrite"
    assert said(mixed, None, debug=15) == "keep"  # 2 of 100 at most
    assert said(mixed, 15) == "look"
    assert said(mixed, 30) == "keep"
    many = segment(2, 100, at=older, last=old, types={"view": 50, OTHER_TYPES: 50})
    assert said(many, None, debug=7) == "look"
    assert said(many, 7, debug=None) == "rewrite"
    assert said(many, 7, debug=8) == "drop"


def test_a_fifth_is_worth_it() -> None:
    assert segment_plan.is_worth_rewriting(20, 100)
    assert not segment_plan.is_worth_rewriting(19, 100)
    assert not segment_plan.is_worth_rewriting(0, 0)
