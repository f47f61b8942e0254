from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core import times
from delta_server.core.query import months
from delta_server.core.times import DAY_MS, EARLIEST_MS, LATEST_MS


def at(text: str) -> int:
    return times.parse(text, field="at")


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 30)))
def test_numbers_are_the_calendars(moment: datetime) -> None:
    local_ms = (moment - datetime(1970, 1, 1)) // (datetime(1970, 1, 1, 0, 0, 0, 1000) - datetime(1970, 1, 1))
    assert months.number(local_ms) == moment.year * 12 + moment.month - 1
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    assert times.format(months.begin(months.number(local_ms))) == first.isoformat(timespec="milliseconds")[:-6] + "Z"


@given(st.integers(EARLIEST_MS - DAY_MS, LATEST_MS + DAY_MS))
def test_months_follow_each_other(local_ms: int) -> None:
    number = months.number(local_ms)
    assert months.begin(number) <= local_ms < months.begin(number + 1)
    assert months.moved(local_ms, 0) == local_ms


@pytest.mark.parametrize(
    ("first", "count", "then"),
    [
        ("2026-01-31T10:00:00Z", 1, "2026-02-28T10:00:00Z"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2026-03-31", -1, "2026-02-28"),
        ("2026-01-15", -1, "2025-12-15"),
        ("2024-02-29", 12, "2025-02-28"),
    ],
)
def test_so_many_months_later(first: str, count: int, then: str) -> None:
    assert months.moved(at(first), count) == at(then)


@pytest.mark.parametrize(
    ("first", "end", "count"),
    [
        ("2026-01-01", "2026-02-01", 1),
        ("2026-01-15T12:00:00Z", "2027-01-15T12:00:00Z", 12),
        ("2026-01-15T12:00:00Z", "2026-02-15", None),
        ("2026-01-01", "2026-01-31", None),
        ("2026-01-01", "2026-01-01", None),
        ("2026-01-31", "2026-02-28", 1),
    ],
)
def test_whole_months(first: str, end: str, count: int | None) -> None:
    assert months.whole(at(first), at(end)) == count
