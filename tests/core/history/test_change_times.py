"""Chunks of times: what goes in comes out in order, appended or sealed, whatever lies between."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.history import change_times

GAPS = st.lists(st.integers(1, 1 << 40) | st.integers(1, 5000).map(lambda n: n * 1000), min_size=1, max_size=300)


@given(st.integers(-(1 << 45), 1 << 45), GAPS)
def test_sealed_times_come_back(first: int, gaps: list[int]) -> None:
    times = list(accumulate(gaps, initial=first))
    assert change_times.decoded(first, change_times.sealed(times)) == times


@given(st.integers(-(1 << 45), 1 << 45), st.lists(st.integers(1, (1 << 32) - 1), min_size=1, max_size=100, unique=True))
def test_times_are_appended_in_any_order(first: int, offsets: list[int]) -> None:
    later = None
    for offset in offsets:
        later = change_times.appended(first, later, [first + offset])
        assert later is not None
    assert change_times.is_open(later)
    assert change_times.length_of_open(later) == 1 + len(offsets)
    assert change_times.decoded(first, later) == sorted([first, *(first + offset for offset in offsets)])


def test_one_time_is_a_chunk_without_later_ones() -> None:
    assert change_times.sealed([5]) is None
    assert change_times.is_open(None)
    assert change_times.decoded(5, None) == [5]


def test_what_an_open_chunk_has_no_place_for() -> None:
    assert change_times.appended(0, None, [1 << 32]) is None
    assert change_times.appended(0, None, list(range(1, change_times.MOST_OPEN + 1))) is None
    full = change_times.appended(0, None, list(range(1, change_times.MOST_OPEN)))
    assert full is not None
    assert len(full) <= change_times.MOST_BYTES
    assert change_times.appended(0, full, [1000]) is None


@pytest.mark.parametrize(
    ("what", "gaps", "most"),
    [
        ("each minute", [60_000] * 100, 0.5),
        ("each hour, some left out", [3_600_000, 7_200_000, 3_600_000, 10_800_000] * 25, 0.8),
        ("each hour or so, to the second", [3_600_000 + n * 7_919_000 % 900_000 for n in range(100)], 2.4),
        ("whenever, to the millisecond", [3_600_000 + n * 7_919_357 % 900_000 for n in range(100)], 3.4),
    ],
)
def test_bytes_a_sealed_time_takes(what: str, gaps: list[int], most: float) -> None:
    later = change_times.sealed(list(accumulate(gaps, initial=1_700_000_000_000)))
    assert later is not None
    assert len(later) <= most * len(gaps), what
