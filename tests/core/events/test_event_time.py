"""Times as clients send them, and the correction of their clocks."""

from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.events import event_time
from delta_server.core.events.event import ANCIENT, CLAMPED, FUTURE, SKEWED, with_key
from delta_server.core.events.event_time import Arrival

NOW = times.parse("2026-11-20T12:00:00Z", field="")
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("2026-11-20T12:00:00Z", NOW),
        ("2026-11-20T12:00:00.705+00:00", NOW + 705),
        ("2026-11-20T23:51:40.705881+00:00", NOW + 42_700_705),
        ("2026-11-20T12:00:00.123456789Z", NOW + 123),
        ("2026-11-20T12:00:00.1239999Z", NOW + 124),
        ("2026-11-20T12:00:00.12399949Z", NOW + 123),
        ("2026-11-20T12:00:00.1239999+00:00", NOW + 124),
        ("2026-11-20 12:00:00.1239999 +0000 UTC", NOW + 123),
        ("2026-11-20 13:00:00+01:00", NOW),
        ("2026-11-20 12:00:00", NOW),
        ("2026-11-20t12:00:00z", NOW),
        ("2026-11-20T23:59:60Z", NOW + 12 * HOUR - 1000),
        ("2026-11-20", NOW - 12 * HOUR),
        ("20261120T120000Z", NOW),
        ("20261120T130000+0100", NOW),
        ("20261120t120000.705z", NOW + 705),
        ("Fri, 20 Nov 2026 12:00:00 GMT", NOW),
        ("Fri, 20 Nov 2026 13:00:00 +0100", NOW),
        ("Fri Nov 20 2026 13:00:00 GMT+0100 (Central European Standard Time)", NOW),
        ("2026-11-20 13:00:00 +0100", NOW),
        ("2026-11-20 12:00:00 UTC", NOW),
        ("2026-11-20 12:00:00.705 +0000 UTC", NOW + 705),
        (NOW, NOW),
        (NOW // 1000, NOW),
        (NOW / 1000 + 0.25, NOW + 250),
        (NOW * 1000 + 999, NOW),
        (NOW * 1_000_000 + 999_999, NOW),
        (str(NOW), NOW),
        (str(NOW // 1000), NOW),
        (f"{NOW // 1000}.5", NOW + 500),
        (0, 0),
        (-1, -1000),
        ("0001-01-01T00:00:00Z", times.EARLIEST_MS),
    ],
)
def test_times(value: Any, wanted: int) -> None:
    assert event_time.read(value, "timestamp") == wanted


@pytest.mark.parametrize(
    "value",
    [
        "", "now", "tomorrow", "Fri, 32 Nov 2026 10:00:00 GMT", "Fri, ", "20261127T250000Z", "20261127T", "Mon Tue",
        "2026-13-01", "2026-11-20T25:00:00Z", "2026-11-20T12:00:00Z\0", "2026-11-20T12:00:00Zx",
        "20/11/2026", "NaN", "1e9", "--1", "9" * 5000, "9" * 21, 10**20, 10**400, 1e300, -1e300, True, None, [], {},
        "0001-01-01T00:00:00+14:00", "2026-11-20T12:00:00+99:99", "\U0001f40b", "-" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_time(value: Any) -> None:
    with pytest.raises(Invalid, match="timestamp must be"):
        event_time.read(value, "timestamp")


@given(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.from_regex(r"\d{4}-\d\d-\d\d[T ].*")))
def test_nothing_else_is_raised(value: Any) -> None:
    with suppress(Invalid):
        assert times.EARLIEST_MS <= event_time.read(value, "timestamp") <= times.LATEST_MS


@pytest.mark.parametrize(("timestamp", "original"), [("", None), (None, ""), ("", "")])
def test_an_empty_text_is_no_time_at_all(timestamp: Any, original: Any) -> None:
    assert event_time.resolve(Arrival(NOW, 1), timestamp, original) == (NOW, None, 0)
    assert event_time.resolve(Arrival(NOW, 1), "", NOW - 5) == (NOW - 5, None, 0)
    keyed = Arrival(NOW, 1, flags=with_key(3)).sent(NOW - HOUR)
    assert event_time.resolve(keyed, None)[2] == with_key(3)
    assert event_time.resolve(keyed, NOW)[2] == with_key(3) | SKEWED
    assert (with_key((1 << 23) - 1) < 1 << 31, with_key(1 << 23)) == (True, 0)


_BOUNDS = [
    bound + by
    for bound in (NOW, NOW - event_time.OLD_MS, NOW + event_time.AHEAD_MS, event_time.FIRST_MS, 0)
    for by in (-1, 0, 1)
]
_MOMENTS = st.sampled_from(_BOUNDS) | st.integers(times.EARLIEST_MS, times.LATEST_MS)
_ZONES = st.sampled_from(["Z", "+00:00", "", "+05:30", "-11:00"])
_DIGITS = st.sampled_from(["", "000", "999", "9999", "999999", "4999"])


@given(_MOMENTS, _MOMENTS, st.sampled_from([0, 5000, times.DAY_MS + 1]), _ZONES, _DIGITS)
def test_a_time_that_is_decoded_already_is_that_of_its_text(
    received_at: int, moment: int, skew_ms: int, zone: str, digits: str
) -> None:
    text = times.format(moment).removesuffix("Z") + digits + zone
    try:
        decoded = msgspec.convert(text, datetime)
    except msgspec.ValidationError:  # the last moment there is, rounded up
        return
    arrival = Arrival(received_at, 1, skew_ms, flags=with_key(3))
    for other in (None, moment):
        wanted = _resolved(arrival, text, other)
        assert _resolved(arrival, decoded, other) == wanted
        assert _resolved(arrival, other, decoded) == _resolved(arrival, other, text)


def _resolved(arrival: Arrival, timestamp: Any, original: Any) -> Any:
    try:
        return event_time.resolve(arrival, timestamp, original)
    except Invalid as error:
        return error.message


@given(st.integers(times.EARLIEST_MS, times.LATEST_MS))
def test_every_moment_is_read_back(moment: int) -> None:
    assert event_time.read(times.format(moment), "timestamp") == moment


def arrived(*, sent_ms_ago: int = 0) -> Arrival:
    """A request whose sender's clock is behind, or seems to be."""
    return Arrival(NOW, 1000).sent(NOW - sent_ms_ago)


@pytest.mark.parametrize(
    ("arrival", "timestamp", "original", "sent_at", "wanted"),
    [
        (arrived(), None, None, None, (NOW, None, 0)),
        (arrived(), NOW - HOUR, None, None, (NOW - HOUR, None, 0)),
        (arrived(sent_ms_ago=999), NOW - HOUR, None, None, (NOW - HOUR, None, 0)),
        (arrived(sent_ms_ago=-999), None, NOW - HOUR, None, (NOW - HOUR, None, 0)),
        (arrived(sent_ms_ago=1000), NOW - HOUR, None, None, (NOW - HOUR + 1000, NOW - HOUR, SKEWED)),
        (arrived(sent_ms_ago=-HOUR), NOW, None, None, (NOW - HOUR, NOW, SKEWED)),
        (arrived(sent_ms_ago=24 * HOUR), NOW - 24 * HOUR, None, None, (NOW, NOW - 24 * HOUR, SKEWED)),
        (arrived(sent_ms_ago=24 * HOUR + 1), NOW - 9, None, None, (NOW - 9, None, CLAMPED)),
        (arrived(sent_ms_ago=-25 * HOUR), NOW + 25 * HOUR, None, None, (NOW + 25 * HOUR, None, CLAMPED | FUTURE)),
        (arrived(sent_ms_ago=5000), NOW, None, NOW, (NOW, None, 0)),
        (arrived(), NOW - 9000, None, NOW - 5000, (NOW - 4000, NOW - 9000, SKEWED)),
        (arrived(), None, NOW - 9000, str(NOW - 5000), (NOW - 4000, NOW - 9000, SKEWED)),
        (arrived(), NOW - 9000, None, "what?", (NOW - 9000, None, 0)),
        (arrived(sent_ms_ago=5000), NOW - 7000, NOW - 12_000, None, (NOW - 7000, NOW - 12_000, 0)),
        (arrived(), NOW - 7000, NOW - 7000, None, (NOW - 7000, None, 0)),
        (arrived(sent_ms_ago=5000), None, None, None, (NOW, None, 0)),
        (arrived(), NOW + HOUR, None, None, (NOW + HOUR, None, 0)),
        (arrived(), NOW + HOUR + 1, None, None, (NOW + HOUR + 1, None, FUTURE)),
        (arrived(), "2021-11-22", None, None, (times.parse("2021-11-22", field=""), None, 0)),
        (arrived(), "2021-11-20", None, None, (times.parse("2021-11-20", field=""), None, ANCIENT)),
        (arrived(), 0, None, None, (0, None, ANCIENT)),
    ],
)  # fmt: skip
def test_places(arrival: Arrival, timestamp: Any, original: Any, sent_at: Any, wanted: tuple[Any, ...]) -> None:
    assert event_time.resolve(arrival, timestamp, original, sent_at) == wanted


def test_a_sender_without_a_clock_is_no_reason_to_refuse() -> None:
    odd: list[Any] = ["soon", True, [], 10**30]
    for sent_at in odd:
        assert Arrival(NOW, 1000).sent(sent_at).skew_ms == 0


def test_a_correction_does_not_leave_the_years_there_are() -> None:
    assert event_time.resolve(arrived(sent_ms_ago=HOUR), times.format(times.LATEST_MS))[0] == times.LATEST_MS
