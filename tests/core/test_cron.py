from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core import cron, times
from delta_server.core.errors import Invalid

BERLIN = "Europe/Berlin"


def _ms(text: str) -> int:
    return times.parse(text, field="")


def _due(fields: str, zone: str, start: str, end: str) -> list[str]:
    """In UTC, without the seconds."""
    schedule = cron.parse(fields, zone)
    found, at = [], _ms(start)
    while (at := schedule.next_after(at)) <= _ms(end):
        found.append(times.format(at)[:16])
    return found


@pytest.mark.parametrize(
    ("fields", "start", "expected"),
    [
        ("*/15 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:15"),
        ("*/15 * * * *", "2026-01-01T00:14:59.999Z", "2026-01-01T00:15"),
        ("0 9-17 * * mon-fri", "2026-01-02T17:00:00Z", "2026-01-05T09:00"),
        ("0 0 1,15 * 1", "2026-01-05T00:00:00Z", "2026-01-12T00:00"),
        ("0 0 */2 * 1", "2026-01-05T00:00:00Z", "2026-01-19T00:00"),
        ("0 0 L * *", "2026-02-01T00:00:00Z", "2026-02-28T00:00"),
        ("0 0 * * 5L", "2026-02-01T00:00:00Z", "2026-02-27T00:00"),
        ("0 0 * * 1#2", "2026-02-01T00:00:00Z", "2026-02-09T00:00"),
        ("0 0 29 2 *", "2026-02-01T00:00:00Z", "2028-02-29T00:00"),
        ("30 6 1 jan *", "2026-01-01T06:30:00Z", "2027-01-01T06:30"),
        ("0 0 * * 7", "2026-01-01T00:00:00Z", "2026-01-04T00:00"),
        ("@daily", "2026-01-01T00:00:00Z", "2026-01-02T00:00"),
        (" @Hourly ", "2026-01-01T00:00:00Z", "2026-01-01T01:00"),
        ("  0   12 * *  * ", "2026-01-01T00:00:00Z", "2026-01-01T12:00"),
    ],
)
def test_the_next_time_is_strictly_later(fields: str, start: str, expected: str) -> None:
    assert times.format(cron.parse(fields).next_after(_ms(start)))[:16] == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("30 2 * * *", ["01:00"]),  # 03:00 in summer time: the missing hour has ended
        ("0 2 * * *", ["01:00"]),
        ("15,45 2 * * *", ["01:00"]),
        ("0 3 * * *", ["01:00"]),
        ("*/20 2 * * *", []),
        ("0 */2 * * *", ["02:00"]),
        ("*/30 * * * *", ["00:00", "00:30", "01:00", "01:30", "02:00"]),
    ],
)
def test_in_the_hour_that_is_missing(fields: str, expected: list[str]) -> None:
    found = _due(fields, BERLIN, "2026-03-28T23:59:00Z", "2026-03-29T02:00:00Z")
    assert [at[11:] for at in found] == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("30 2 * * *", ["00:30"]),  # the first pass is in summer time
        ("15,45 2 * * *", ["00:15", "00:45"]),
        ("0 3 * * *", ["02:00"]),
        ("*/20 2 * * *", ["00:00", "00:20", "00:40", "01:00", "01:20", "01:40"]),
        ("30 * * * *", ["00:30", "01:30"]),
    ],
)
def test_in_the_hour_that_comes_twice(fields: str, expected: list[str]) -> None:
    found = _due(fields, BERLIN, "2026-10-24T23:59:00Z", "2026-10-25T02:00:00Z")
    assert [at[11:] for at in found] == expected


@pytest.mark.parametrize("minute", [0, 10, 30, 59])
def test_from_within_the_second_pass_nothing_comes_earlier(minute: int) -> None:
    now_ms = _ms(f"2026-10-25T01:{minute:02}:00Z")
    assert times.format(cron.parse("30 2 * * *", BERLIN).next_after(now_ms)) == "2026-10-26T01:30:00.000Z"


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "Australia/Lord_Howe", "Pacific/Apia", "America/New_York"])
@pytest.mark.parametrize("fields", ["30 2 * * *", "*/20 1-3 * * *", "0 0 * * *"])
def test_times_only_rise_and_days_are_not_left_out(zone: str, fields: str) -> None:
    schedule = cron.parse(fields, zone)
    found = [_ms("2011-12-20T00:00:00Z")]
    while found[-1] < _ms("2012-12-20T00:00:00Z"):
        found.append(schedule.next_after(found[-1]))
    steps = [later - earlier for earlier, later in pairwise(found)]
    assert min(steps) > 0
    assert max(steps[1:]) <= 49 * 3_600_000  # Apia had no 30 December 2011


@pytest.mark.parametrize(
    ("fields", "zone", "wrong"),
    [
        ("", "UTC", "five fields"),
        ("* * * *", "UTC", "five fields"),
        ("0 * * * * *", "UTC", "five fields"),
        ("@often", "UTC", "five fields"),
        ("60 * * * *", "UTC", "wrong minute"),
        ("* 24 * * *", "UTC", "wrong hour"),
        ("* * 0 * *", "UTC", "wrong day-of-month"),
        ("* * * 13 *", "UTC", "wrong month"),
        ("* * * * 8", "UTC", "wrong day-of-week"),
        ("10-5 * * * *", "UTC", "wrong minute"),
        ("*/0 * * * *", "UTC", "wrong minute"),
        ("* * ? * *", "UTC", "wrong day-of-month"),
        ("0 0 31 2 *", "UTC", "wrong day-of-month"),
        ("0 0 */29 2 1#5", "UTC", "never comes"),
        ("0 0 * * *", "Europe/Berlim", r"not a known time zone.*Europe/Berlin\?"),
        ("0 0 * * *", "../../etc/passwd", "not a known time zone"),
        ("0," * 200 + "0 * * * *", "UTC", "five fields"),
    ],
)
def test_what_is_not_cron_is_refused(fields: str, zone: str, wrong: str) -> None:
    with pytest.raises(Invalid, match=wrong):
        cron.parse(fields, zone)


@given(st.lists(st.text("0123456789*,-/#LWlMONu", max_size=6), min_size=5, max_size=5).map(" ".join))
def test_any_text_is_cron_or_refused(fields: str) -> None:
    with suppress(Invalid):
        assert cron.parse(fields).next_after(0) > 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5m", 300_000), ("90s", 90_000), ("1d", 86_400_000), ("30s", 30_000), ("366d", 31_622_400_000)],
)
def test_intervals(text: str, expected: int) -> None:
    assert cron.interval_ms(text, field="interval", least_ms=30_000) == expected


@pytest.mark.parametrize("text", ["", "5", "m", "0m", "29s", "367d", "-5m", "5 m", "1.5h", "99999999999d"])
def test_intervals_are_bounded(text: str) -> None:
    with pytest.raises(Invalid, match="interval must be"):
        cron.interval_ms(text, field="interval", least_ms=30_000)


def test_far_times_have_a_next_one() -> None:
    far = int(datetime(9000, 1, 1, tzinfo=UTC).timestamp() * 1000)
    assert cron.parse("0 0 29 2 *", BERLIN).next_after(far) > far
