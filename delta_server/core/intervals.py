"""Stretches of time as a key of rows, in a time zone.

A compiler's key for a time `at` is a number of ms:

- below a day, `at - (at + offset) % step`: the zone's midnights and what divides the day evenly begin a stretch. Where
  the clock is changed by what is no multiple of the step, a stretch is cut in two there.
- whole days, the local time (`at + offset`) at which the stretch begins, as if it were UTC; weeks begin on Mondays.

`begins` turns such a key into the instant at which the stretch begins. Every time has exactly one stretch, stretches
follow each other without gaps, and `key` is what a compiler must give.
"""

import re
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.nearest import meant, shown
from delta_server.core.plan import Interval, Span
from delta_server.core.times import DAY_MS, EARLIEST_MS, LATEST_MS

MOST = 10_000
"""Stretches of one query."""

NAME = "time"
"""What rows call it."""

_WEEK_MS = 7 * DAY_MS
_MONDAY_MS = 4 * DAY_MS  # the first Monday after the epoch, which was a Thursday
_SHORTEST_MS = 1_000
_LONGEST_MS = 520 * _WEEK_MS
_COMMON = ("1s", "1m", "5m", "15m", "1h", "6h", "1d", "1w", "4w", "52w", "520w")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SEARCHED = times.parse("1900-01-01", field=""), times.parse("2100-01-01", field="")
"""Clock changes are looked for between these: before, zones have their cities' mean time; after, nobody knows."""
_SEARCH_MS = 7 * DAY_MS
"""No two changes of a clock are nearer to each other than twice that, but for a few during the World Wars."""
_ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,64}")


@lru_cache(64)
def zone(name: str, *, at: str = "timezone") -> tzinfo:
    """A time zone by its name in the IANA database, such as Europe/Paris. Raises Invalid."""
    if name == "UTC":
        return UTC
    if _ZONE.fullmatch(name) and name in _names():
        return zoneinfo.ZoneInfo(name)
    raise Invalid(
        f"{at} is no time zone known here: {shown(name)}{meant(name, ('UTC', *_names()))}; write one like Europe/Paris",
        field=at,
    )


@lru_cache(1)
def _names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def parse(text: str, of: tzinfo, span: Span, *, at: str) -> Interval:
    """The interval `15m`, `1h`, `90m`, `1d`, `1w` ... in a time zone along `span`. Raises Invalid, too many stretches
    being a reason."""
    step_ms = times.parse_length(text, field=at)
    if not _SHORTEST_MS <= step_ms <= _LONGEST_MS:
        raise Invalid(f"{at} must be from 1s to 520w long, not {text}", field=at)
    if step_ms > DAY_MS and step_ms % DAY_MS:
        raise Invalid(f"{at} is longer than a day and must be whole days: {shown(text)}", field=at)
    if _count(span, step_ms) > MOST:
        raise Invalid(
            f"{at}: {text} makes {_count(span, step_ms)} stretches, at most {MOST} are counted: "
            f"take {_longer(span)} or a shorter range",
            field=at,
        )
    return made(step_ms, of, span)


def made(step_ms: int, of: tzinfo, span: Span) -> Interval:
    """For times of `span`: a stretch that one of them is in may begin before it."""
    return Interval(NAME, step_ms, offsets(of, Span(span.start_ms - step_ms, span.end_ms + step_ms)))


def _count(span: Span, step_ms: int) -> int:
    return -(-(span.end_ms - span.start_ms) // step_ms) + 1


def _longer(span: Span) -> str:
    return next(text for text in _COMMON if _count(span, times.parse_length(text, field="")) <= MOST)


def offsets(of: tzinfo, span: Span) -> tuple[tuple[int, int], ...]:
    """(until_ms, offset_ms) of a zone along `span`, ascending; the last is until the end of time."""
    found: list[tuple[int, int]] = []
    at, end = _within(span.start_ms), _within(span.end_ms)
    now = _offset(of, at)
    while at < end:
        next = min(at + _SEARCH_MS, end)
        then = _offset(of, next)
        if then != now:
            found.append((_change(of, at, next), now))
        at, now = next, then
    return (*found, (LATEST_MS + 1, now))


def _within(at: int) -> int:
    return max(_SEARCHED[0], min(_SEARCHED[1], at))


def _offset(of: tzinfo, at: int) -> int:
    offset = (_EPOCH + at * _MILLISECOND).astimezone(of).utcoffset()
    assert offset is not None
    return offset // _MILLISECOND


def _change(of: tzinfo, low: int, high: int) -> int:
    """The first ms at which the offset is no longer that at `low`."""
    before = _offset(of, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(of, middle) == before:
            low = middle
        else:
            high = middle
    return high


def key(interval: Interval, at: int) -> int:
    """The compiler's key for a time."""
    local = at + offset_at(interval, at)
    if interval.step_ms % DAY_MS:
        return at - local % interval.step_ms
    return local - (local - _shift(interval)) % interval.step_ms


def begins(interval: Interval, value: int) -> int:
    """The instant at which the stretch with the key `value` begins."""
    return max(EARLIEST_MS, min(LATEST_MS, _begin(interval, value)))


def _begin(interval: Interval, value: int) -> int:
    return _uncut(interval, value) if interval.step_ms % DAY_MS else _instant(interval, value)


def along(interval: Interval, span: Span) -> Iterator[int]:
    """The begins of all stretches that have a time of `span` in them, ascending."""
    at = span.start_ms
    while at < span.end_ms:
        begin = begins(interval, key(interval, at))
        yield begin
        at = max(at + 1, _end(interval, at))


def text(of: tzinfo, at: int) -> str:
    """An instant as the zone's clocks show it: `2026-05-01T00:00:00.000+02:00`, or with Z in UTC."""
    if of is UTC or not _SEARCHED[0] <= at < _SEARCHED[1]:
        return times.format(at)
    return (_EPOCH + at * _MILLISECOND).astimezone(of).isoformat(timespec="milliseconds")


def _end(interval: Interval, at: int) -> int:
    """Where the stretch that `at` lies in ends."""
    own = key(interval, at)
    if interval.step_ms % DAY_MS == 0:
        return _begin(interval, own + interval.step_ms)
    cuts = (until for until, _ in interval.offsets if at < until < own + interval.step_ms)
    return next((cut for cut in cuts if key(interval, cut) != own), own + interval.step_ms)


def _shift(interval: Interval) -> int:
    return _MONDAY_MS if interval.step_ms % _WEEK_MS == 0 else 0


def offset_at(interval: Interval, at: int) -> int:
    return next(offset for until, offset in interval.offsets if at < until or until > LATEST_MS)


def _uncut(interval: Interval, value: int) -> int:
    """A stretch that would have begun before the clock was changed, by the clock after it, begins with that change."""
    if (value + offset_at(interval, value)) % interval.step_ms == 0:
        return value
    cuts = (until for until, _ in interval.offsets if value < until < value + interval.step_ms)
    return next((cut for cut in cuts if key(interval, cut) == value), value)


def _instant(interval: Interval, local: int) -> int:
    """The first instant at which clocks show `local`, or have gone past it."""
    since = EARLIEST_MS - 2 * _LONGEST_MS
    for until, offset in interval.offsets:
        if local - offset < until:
            return max(since, local - offset)
        since = until
    return local - interval.offsets[-1][1]
