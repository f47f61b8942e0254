"""What is usual at an hour of the week."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core import times
from delta_server.core.alerts.usual import HOUR_MS, usual_range, usual_ranges, widened

WEEK_MS = 7 * times.DAY_MS
MONDAY_MS = times.parse("2026-03-02", field="")


@pytest.mark.parametrize(
    ("samples", "wanted"),
    [
        ([100.0, 100.0], None),
        ([100.0, 100.0, 100.0, 100.0], (85.0, 115.0)),
        ([90.0, 100.0, 110.0, 5000.0], (105 - 3 * 1.4826 * 10, 105 + 3 * 1.4826 * 10)),
        ([0.0, 0.0, 0.0, 0.0], (0.0, 0.0)),
        ([-100.0, -100.0, -100.0], (-115.0, -85.0)),
    ],
)
def test_a_range_is_that_of_the_median(samples: list[float], wanted: tuple[float, float] | None) -> None:
    assert usual_range(samples, 3.0) == (None if wanted is None else pytest.approx(wanted))


@given(st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=4), st.floats(0.1, 10), st.floats(0.1, 10))
def test_a_range_can_be_that_of_other_deviations(samples: list[float], deviations: float, others: float) -> None:
    found = usual_range(samples, deviations)
    assert found is not None
    assert widened(found, others / deviations) == pytest.approx(usual_range(samples, others), abs=1e-3)


@given(st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=4), st.floats(0.1, 10))
def test_the_median_is_usual(samples: list[float], deviations: float) -> None:
    found = usual_range(samples, deviations)
    assert found is not None
    low, high = found
    assert low <= sorted(samples)[len(samples) // 2] <= high or len(samples) == 4
    assert low <= high


def test_each_hour_is_compared_with_those_of_the_weeks_before() -> None:
    """Of the first week nothing is known, of hours before the first event neither."""
    hours = [(MONDAY_MS + n * HOUR_MS, float(n % 168) if n >= 24 else 0.0) for n in range(6 * 168)]
    ranges = usual_ranges(hours, 3.0, "UTC")
    assert ranges[: 3 * 168] == [None] * (3 * 168)
    assert ranges[3 * 168 + 10] is None, "three weeks before, nothing had begun"
    assert ranges[3 * 168 + 100] == pytest.approx((85, 115))
    assert ranges[5 * 168 + 100] == pytest.approx((85, 115))


def test_hours_are_those_of_the_clock_where_it_changes() -> None:
    """At nine in Paris, which is eight in UTC before the change at the end of March, and seven after it."""
    nines = {n for n in range(35 * 24) if n % 24 == (8 if n < 27 * 24 + 1 else 7)}
    hours = [(MONDAY_MS + n * HOUR_MS, 100.0 if n in nines else 1.0) for n in range(35 * 24)]
    ranges = dict(zip([at for at, _ in hours], usual_ranges(hours, 3.0, "Europe/Paris"), strict=True))
    at_nine = times.parse("2026-03-30T07:00:00Z", field="")
    assert ranges[at_nine] == pytest.approx((85, 115))
    assert ranges[at_nine + HOUR_MS] == pytest.approx((0.85, 1.15))
