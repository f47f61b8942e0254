"""Quiet hours and digests, where clocks change too: in 2026 Paris skips 02:00 to 03:00 on 29 March (01:00 UTC), and
shows that hour twice on 25 October."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core import times
from delta_server.core.alerts.quiet_hours import Digest, Quiet, digest_at, is_quiet, quiet_until, telling

PARIS = "Europe/Paris"
CASES = [
    ("before", ("22:00", "07:00"), "2026-01-10T20:59:59Z", None),
    ("at the begin", ("22:00", "07:00"), "2026-01-10T21:00:00Z", "2026-01-11T06:00:00Z"),
    ("past midnight", ("22:00", "07:00"), "2026-01-11T05:59:59.999Z", "2026-01-11T06:00:00Z"),
    ("at the end", ("22:00", "07:00"), "2026-01-11T06:00:00Z", None),
    ("within a day", ("12:00", "13:30"), "2026-01-11T11:10:30Z", "2026-01-11T12:30:00Z"),
    ("a night that is an hour shorter", ("22:00", "07:00"), "2026-03-28T21:30:00Z", "2026-03-29T05:00:00Z"),
    ("an end that is skipped", ("22:00", "02:30"), "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"),
    ("a begin that is skipped", ("02:30", "04:00"), "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"),
    ("all of it skipped", ("02:10", "02:50"), "2026-03-29T01:05:00Z", None),
    ("a night that is an hour longer", ("22:00", "07:00"), "2026-10-24T21:00:00Z", "2026-10-25T06:00:00Z"),
    ("an end in the first pass", ("22:00", "02:30"), "2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z"),
    ("between the passes", ("22:00", "02:30"), "2026-10-25T00:40:00Z", None),
    ("in the second pass", ("22:00", "02:30"), "2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z"),
]


@pytest.mark.parametrize(("hours", "at", "until"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_quiet_is_what_the_clock_on_the_wall_says(hours: tuple[str, str], at: str, until: str | None) -> None:
    quiet, at_ms = Quiet(*hours, timezone=PARIS), times.parse(at, field="")
    assert is_quiet(quiet, at_ms) == (until is not None)
    if until is not None:
        assert times.format(quiet_until(quiet, at_ms)) == times.format(times.parse(until, field=""))


clock = st.builds(lambda hour, minute: f"{hour:02}:{minute:02}", st.integers(0, 23), st.integers(0, 59))


@given(clock, clock, st.integers(0, 400 * 86_400_000), st.sampled_from([PARIS, "UTC", "America/New_York"]))
def test_quiet_hours_end_with_the_first_minute_that_is_not_quiet(begin: str, end: str, offset: int, zone: str) -> None:
    quiet, at_ms = Quiet(begin, end, timezone=zone), 1_767_225_600_000 + offset
    if begin == end or not is_quiet(quiet, at_ms):
        return
    until_ms = quiet_until(quiet, at_ms)
    assert not is_quiet(quiet, until_ms)
    assert at_ms < until_ms <= at_ms + 26 * 3_600_000
    assert all(is_quiet(quiet, between) for between in range(at_ms, until_ms, 7 * 60_000))


DIGESTS = [
    (Digest("daily", "08:00", PARIS), "2026-03-28T07:00:00Z", "2026-03-29T06:00:00Z"),
    (Digest("daily", "02:30", PARIS), "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
    (Digest("daily", "02:30", PARIS), "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
    (Digest("hourly", timezone=PARIS), "2026-10-25T00:15:00Z", "2026-10-25T01:00:00Z"),
    (Digest("hourly", timezone="Asia/Kolkata"), "2026-10-25T00:15:00Z", "2026-10-25T00:30:00Z"),
]


@pytest.mark.parametrize(("digest", "at", "due"), DIGESTS)
def test_digests_are_due(digest: Digest, at: str, due: str) -> None:
    assert times.format(digest_at(digest, times.parse(at, field=""))) == times.format(times.parse(due, field=""))


def test_who_is_named_hears_of_it_beside_the_digest() -> None:
    night, daily = Quiet("22:00", "07:00", timezone=PARIS), Digest("daily", "08:00", PARIS)
    at_ms = times.parse("2026-01-10T23:00:00Z", field="")
    cases = [
        (None, None, True, "now", "2026-01-10T23:00:00.000Z"),
        (night, None, False, "held", "2026-01-11T06:00:00.000Z"),
        (night, daily, False, "held", "2026-01-11T07:00:00.000Z"),
        (night, daily, True, "held", "2026-01-11T06:00:00.000Z"),
        (None, daily, False, "digest", "2026-01-11T07:00:00.000Z"),
        (None, daily, True, "now", "2026-01-10T23:00:00.000Z"),
    ]
    for quiet, digest, at_once, sent, due in cases:
        found = telling(quiet, digest, at_ms, at_once=at_once)
        assert (found.sent, found.at_ms is not None and times.format(found.at_ms)) == (sent, due)
    assert telling(Quiet("22:00", "07:00", PARIS, "drop"), daily, at_ms, at_once=True).at_ms is None
