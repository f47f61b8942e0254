"""Times: integer milliseconds since the epoch inside, RFC 3339 UTC with milliseconds on the wire."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from delta_server.core.errors import Invalid

EARLIEST_MS = -62135596800000  # year 1, the first Python and RFC 3339 can write
LATEST_MS = 253402300799999  # the end of year 9999

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_OF_NO_ZONE = datetime(1970, 1, 1)
"""To write a time out with its zone takes half as long again."""
_MILLISECOND = timedelta(milliseconds=1)
_AGE = re.compile(r"([0-9]{1,9})(ms|s|m|h|d|w)")
DAY_MS = 86_400_000
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS}
_EXPECTED = "a time like 2026-05-01T12:00:00Z, with its zone, or a date like 2026-05-01"
_SINCE_1970 = re.compile(r"[0-9]{9,19}(?:\.[0-9]{1,9})?")
"""Shorter ones are dates, like 20260501."""
_LOST_PLUS = re.compile(r".*[T ][0-9:.]{4,} [0-9]{2}:?[0-9]{2}")


def format(time_ms: int) -> str:
    """`2026-05-01T12:00:00.000Z`."""
    return (_EPOCH_OF_NO_ZONE + time_ms * _MILLISECOND).isoformat(timespec="milliseconds") + "Z"


def parse(text: str, *, field: str) -> int:
    """Milliseconds of an RFC 3339 time, or of seconds, ms, us or ns since 1970. A date alone is its first moment in
    UTC. Raises Invalid."""
    return _parse(text, field, _EXPECTED)


def since_1970(value: float) -> int:
    """Milliseconds of a number: what would be past the year 5138 in seconds is ms, and so on."""
    size = abs(value)
    if size < 1e11:
        return int(value * 1000)
    if size < 1e14:
        return int(value)
    if size < 1e17:
        return int(value // 1000)
    return int(value // 1_000_000) if size < 1e20 else LATEST_MS + 1


def _parse(text: str, field: str, expected: str) -> int:
    if _SINCE_1970.fullmatch(text):
        return since_1970(float(text) if "." in text else int(text))
    try:
        # It takes a NUL for the end; RFC 3339 allows small letters
        moment = datetime.fromisoformat(text.upper() if text.isprintable() else "")
    except ValueError:
        hint = "; in a URL the + of a zone is written %2B" if _LOST_PLUS.fullmatch(text[:50]) else ""
        raise Invalid(f"{field} must be {expected}{hint}", field=field) from None
    if moment.tzinfo is None:
        if len(text) > 10:
            raise Invalid(f"{field} has no time zone: it must be {expected}", field=field)
        moment = moment.replace(tzinfo=UTC)
    time_ms = (moment - _EPOCH) // _MILLISECOND
    if not EARLIEST_MS <= time_ms <= LATEST_MS:  # by its zone: 0001-01-01T00:00:00+14:00
        raise Invalid(f"{field} must be a time in the years 1 to 9999, in UTC", field=field)
    return time_ms


def parse_moment(text: str, *, field: str, now_ms: int) -> int:
    """A time as `parse`, an age before now such as `24h`, `7d`, `30m`, or `now`. Raises Invalid."""
    if text == "now":
        return now_ms
    age_ms = _age_ms(text)
    if age_ms is None:
        return _parse(text, field, f"{_EXPECTED}, or an age like 24h or 7d")
    return max(EARLIEST_MS, now_ms - age_ms)


def parse_length(text: str, *, field: str) -> int:
    """Milliseconds of a length of time such as `15m` or `1d`. Raises Invalid."""
    length_ms = _age_ms(text)
    if not length_ms:
        raise Invalid(f"{field} must be a length of time like 15m, 1h or 1d", field=field)
    return length_ms


@lru_cache(1024)
def _age_ms(text: str) -> int | None:
    match = _AGE.fullmatch(text)
    return int(match[1]) * _UNIT_MS[match[2]] if match else None
