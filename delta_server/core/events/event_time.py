"""When an event happened: the forms in which clients send times, and the correction of their clocks."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.events.event import ANCIENT, CLAMPED, FUTURE, SKEWED
from delta_server.core.times import DAY_MS, EARLIEST_MS, LATEST_MS, since_1970

LEAST_SKEW_MS = 1000
"""Less than this is the time a request takes on its way."""
MOST_SKEW_MS = DAY_MS
AHEAD_MS = 3_600_000
OLD_MS = 5 * 365 * DAY_MS
FIRST_MS = 365 * DAY_MS
"""Before 1971 lies what clocks that were never set, and zeros, are taken for."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_from_iso = datetime.fromisoformat
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_LEAP_SECOND = re.compile(r"(.{10}[T ]23:59:)60")
_SPACED_ZONE = re.compile(r"(\S{10}[T ]\S+) (?:([+-][0-9]{2}):?([0-9]{2})|UTC|GMT|Z)(?: [A-Z]{3,5})?")
"""As Ruby and Go write times: `2026-05-01 12:00:00 +0200`, `2026-05-01 10:00:00 +0000 UTC`."""
_WRITTEN = re.compile(r"[A-Z][a-z]{2},? ")
_JAVASCRIPT = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([0-9]{2}) ([0-9]{4} [0-9:]{8}) GMT([+-][0-9]{4})( \(.*\))?")
"""What JavaScript's `String(new Date())` gives."""
_COMPACT = re.compile(r"[0-9]{8}[Tt][0-9]{2}")
_LONGEST = 100
_ROUNDED = len("2026-05-01T12:00:00.1234567")
"""From this length on a time may have more digits than microseconds need."""
_EXPECTED = "a time like 2026-05-01T12:00:00.000Z, or seconds or milliseconds since 1970"


class Arrival(msgspec.Struct, frozen=True):
    """What is true of all events of a request: when it came (ms), how large one of them may be, how far behind the
    sender's clock is (ms, 0 when that is not known), and the flags that all of them have."""

    received_at: int
    event_bytes: int
    skew_ms: int = 0
    flags: int = 0

    def sent(self, sent_at: Any) -> "Arrival":
        """With the skew that follows from when the sender says it sent the request."""
        return Arrival(self.received_at, self.event_bytes, skew(self.received_at, sent_at), self.flags)


def skew(received_at: int, sent_at: Any) -> int:
    """How far a clock that showed `sent_at` is behind; 0 for what is no time: it only helps."""
    try:
        behind_ms = 0 if sent_at is None else received_at - read(sent_at, "sentAt")
    except Invalid:
        return 0
    return behind_ms if abs(behind_ms) >= LEAST_SKEW_MS else 0


def resolve(arrival: Arrival, timestamp: Any, original: Any = None, sent_at: Any = None) -> tuple[int, int | None, int]:
    """(when it happened, when its sender said so if that differs, flags), in ms.

    `timestamp` or `original`, its other name, is by the sender's clock and is corrected by its skew. Who sends both
    has corrected `timestamp` already. Without either it happened when it came. Raises Invalid for what is no time.
    """
    received_at = arrival.received_at
    if not timestamp and timestamp == "":
        timestamp = None
    if not original and original == "":
        original = None
    flags = arrival.flags
    if timestamp is None or original is None:
        if timestamp is original:
            return received_at, None, flags
        at = said = read(original, "originalTimestamp") if timestamp is None else read(timestamp, "timestamp")
        behind_ms = arrival.skew_ms if sent_at is None else skew(received_at, sent_at)
        if behind_ms:
            believed = abs(behind_ms) <= MOST_SKEW_MS
            flags |= SKEWED if believed else CLAMPED
            at = min(max(at + behind_ms, EARLIEST_MS), LATEST_MS) if believed else at
    else:
        at, said = read(timestamp, "timestamp"), read(original, "originalTimestamp")
    if at > received_at + AHEAD_MS:
        flags |= FUTURE
    elif at < FIRST_MS or at < received_at - OLD_MS:
        flags |= ANCIENT
    return at, None if said == at else said, flags


def resolve_usual(arrival: Arrival, timestamps: Sequence[Any]) -> list[int] | None:
    """As `resolve` of each by itself, where nothing but its time follows from any of them, as nearly always; None where
    that is not so. At least one."""
    try:
        found = [(timestamp - _EPOCH) // _MILLISECOND for timestamp in timestamps]
    except TypeError:  # no `datetime`, or one without a zone
        return None
    least, most = max(FIRST_MS, arrival.received_at - OLD_MS), arrival.received_at + AHEAD_MS
    return None if arrival.skew_ms or min(found) < least or max(found) > most else found


def read(value: Any, field: str) -> int:
    """Milliseconds of a time as RFC 3339 (a space for the T, no zone for UTC and a date alone are understood), as
    mails and HTTP have it, or as seconds, ms, us or ns since 1970, whichever the number's size makes likely; of a
    `datetime` that msgspec has made of such a text. Raises Invalid."""
    if type(value) is str:
        if value[4:5] != "-" or "\0" in value:  # datetime takes a NUL for the end
            time_ms = _other_text(value, field)
        else:
            try:
                moment = _from_iso(value) if len(value) < _ROUNDED else _rounded(value)
                if moment.tzinfo is UTC:  # nearly all, and no zone takes it past the last year
                    return (moment - _EPOCH) // _MILLISECOND
            except ValueError:
                moment = _odd_moment(value, field)
            time_ms = _since_epoch(moment)
    elif type(value) is datetime:
        time_ms = _since_epoch(value)
    elif type(value) is int or type(value) is float:
        time_ms = since_1970(value)
    else:
        raise Invalid(f"{field} must be {_EXPECTED}", field=field)
    if not EARLIEST_MS <= time_ms <= LATEST_MS:
        raise Invalid(f"{field} must be a time in the years 1 to 9999", field=field)
    return time_ms


def _since_epoch(moment: datetime) -> int:
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND


def _rounded(text: str) -> datetime:
    """As msgspec reads it, to the nearest microsecond, where Python cuts (findings/msgspec-datetime-digits.sh): the
    same text is the same time in a batch and by itself. Raises ValueError."""
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return _from_iso(text)


def _odd_moment(text: str, field: str) -> datetime:
    """RFC 3339 allows small letters, and a leap second, which is taken for the second before it."""
    try:
        if len(text) > _LONGEST:
            raise ValueError
        text = text.strip().upper()
        if spaced := _SPACED_ZONE.fullmatch(text):
            text = f"{spaced[1]}{spaced[2]}:{spaced[3]}" if spaced[2] else f"{spaced[1]}Z"
        return datetime.fromisoformat(_LEAP_SECOND.sub(r"\g<1>59", text, count=1))
    except ValueError:
        raise Invalid(f"{field} must be {_EXPECTED}", field=field) from None


def _other_text(text: str, field: str) -> int:
    """A number, ISO 8601 without hyphens (`20260501T120000Z`), or a date in words."""
    if match := _NUMBER.fullmatch(text):
        return since_1970(float(text) if match[1] else int(text))
    try:
        if len(text) > _LONGEST or not text.isprintable():
            raise ValueError
        if _COMPACT.match(text):
            return _since_epoch(datetime.fromisoformat(text.upper()))
        if written := _JAVASCRIPT.fullmatch(text):
            return _since_epoch(parsedate_to_datetime(f"{written[2]} {written[1]} {written[3]} {written[4]}"))
        if _WRITTEN.match(text):
            return _since_epoch(parsedate_to_datetime(text))
    except (ValueError, OverflowError, IndexError, TypeError):  # the last two are of odd dates in mails
        pass
    raise Invalid(f"{field} must be {_EXPECTED}", field=field)
