"""Buckets of time as a key of rows, in a time zone: one rule for all lengths.

Buckets begin where the zone's clocks show a multiple of their length: 6h at 00:00, 06:00, 12:00 and 18:00, a day at
midnight, a week on the requested day, months, quarters and years on their first. On the days of a clock change:

- what the clocks skip is in no bucket: one that would have begun there begins with the change, and is shorter;
- an hour that clocks show twice belongs to the same bucket both times, which is longer. Only buckets that the change is
  a multiple of (1h, 30m, 15m where it is an hour) come twice like what they show, each as long as it says.

So 6h are 5 or 7 hours once a year, and no day has a bucket more. A compiler's key for a time `at` is a number:

- below a day, the instant at which the bucket begins;
- days and weeks, the local time (`at + offset`) at which the bucket begins, as if it were UTC;
- months, the number (core/query/months.py) of its first one.

`begins` turns such a key into the instant at which the bucket begins. Every time has exactly one bucket, and `key` is
what a compiler must give: below a day with `joins`, which tells where a change makes one bucket of two.
"""

import re
import zoneinfo
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise

import msgspec

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.nearest import did_you_mean, quoted
from delta_server.core.query import months
from delta_server.core.query.plan import Interval, Span
from delta_server.core.times import DAY_MS, EARLIEST_MS, LATEST_MS

MOST = 10_000
"""Buckets of one query."""

NAME = "time"
"""What rows call it."""

_WEEK_MS = 7 * DAY_MS
_MONDAY_MS = 4 * DAY_MS  # the first Monday after the epoch, which was a Thursday
_SHORTEST_MS = 1_000
_LONGEST_MS = 520 * _WEEK_MS
_MONTH_MS = 28 * DAY_MS
_COMMON = ("1s", "1m", "5m", "15m", "1h", "6h", "1d", "1w", "4w", "52w", "520w")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CALENDAR = re.compile(r"([0-9]{0,4})(minute|hour|day|week|month|mo|quarter|q|year|y)s?")
_LENGTHS = {"minute": "m", "hour": "h", "day": "d", "week": "w"}
_MONTHS = {"month": 1, "mo": 1, "quarter": 3, "q": 3, "year": 12, "y": 12}
_MOST_MONTHS = 1200

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SEARCHED = times.parse("1900-01-01", field=""), times.parse("2100-01-01", field="")
"""Clock changes are looked for between these: before, zones have their cities' mean time; after, nobody knows."""
_SEARCH_S = 7 * 86_400
"""Two changes that undo each other are further apart than that, in every zone."""
_MOSTLY_S = 900
"""Nearly all changes are at a quarter of an hour in UTC."""
_ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,64}")


@lru_cache(64)
def time_zone(name: str, *, at: str = "timezone") -> tzinfo:
    """A time zone by its name in the IANA database, such as Europe/Paris. Raises Invalid."""
    if name == "UTC":
        return UTC
    if _ZONE.fullmatch(name) and name in time_zone_names():
        return zoneinfo.ZoneInfo(name)
    raise Invalid(
        f"{at} is not a known time zone: {quoted(name)}{did_you_mean(name, ('UTC', *time_zone_names()))}; "
        "write one like Europe/Paris",
        field=at,
    )


@lru_cache(1)
def time_zone_names() -> frozenset[str]:
    """The names in the IANA database. The first time takes 20 ms: the server looks when it starts."""
    return frozenset(zoneinfo.available_timezones())


def parse(text: str, of: tzinfo, span: Span, *, at: str, week_start: str = "monday") -> Interval:
    """The interval `15m`, `1h`, `90m`, `1d`, `1w`, `month`, `quarter`, `1y` ... in a time zone along `span`. Raises
    Invalid, too many buckets being a reason."""
    begins = weekday(week_start)
    number, unit = match.groups() if (match := _CALENDAR.fullmatch(text)) else ("", "")
    if unit in _MONTHS:
        found = Interval(NAME, 0, (), months=int(number or 1) * _MONTHS[unit])
        if not 1 <= found.months <= _MOST_MONTHS:
            raise Invalid(f"{at} must be from 1 to {_MOST_MONTHS} months long, not {text}", field=at)
    else:
        found = _of_length(f"{number or 1}{_LENGTHS[unit]}" if unit else text, begins, at)
    if (count := _count(span, _shortest_ms(found))) > MOST:
        raise Invalid(
            f"{at}: {text} makes {count} buckets, at most {MOST} are counted: "
            f"take {_suggested_interval(span)} or a shorter range",
            field=at,
        )
    return extended(found, of, span)


def weekday(text: str) -> int:
    """0 is Monday; `sun` is enough. Raises Invalid."""
    name = text.lower()
    found = [number for number, day in enumerate(WEEKDAYS) if name in (day, day[:3])]
    if not found:
        raise Invalid(f"weekStart must be one of {', '.join(WEEKDAYS)}, not {quoted(text)}", field="weekStart")
    return found[0]


def _of_length(text: str, weekday: int, at: str) -> Interval:
    try:
        step_ms = times.parse_length(text, field=at)
    except Invalid as error:
        raise Invalid(f"{error.message}, or month, quarter or year", field=at) from None
    if not _SHORTEST_MS <= step_ms <= _LONGEST_MS:
        raise Invalid(f"{at} must be from 1s to 520w long, not {text}", field=at)
    if step_ms > DAY_MS and step_ms % DAY_MS:
        raise Invalid(f"{at} is longer than a day and must be whole days: {quoted(text)}", field=at)
    return Interval(NAME, step_ms, (), anchor_ms=0 if step_ms % _WEEK_MS else _MONDAY_MS + weekday * DAY_MS)


def extended(interval: Interval, of: tzinfo, span: Span) -> Interval:
    """The same for times of `span`, in a zone: a bucket that one of them is in may begin before it."""
    reach_ms = interval.step_ms or interval.months * 31 * DAY_MS
    found = offsets(of, Span(span.start_ms - reach_ms, span.end_ms + reach_ms))
    return msgspec.structs.replace(interval, offsets=found)


def _shortest_ms(interval: Interval) -> int:
    return interval.step_ms or interval.months * _MONTH_MS


def _count(span: Span, step_ms: int) -> int:
    return -(-(span.end_ms - span.start_ms) // step_ms) + 1


def _suggested_interval(span: Span) -> str:
    return next(text for text in _COMMON if _count(span, times.parse_length(text, field="")) <= MOST)


def offsets(of: tzinfo, span: Span) -> tuple[tuple[int, int], ...]:
    """(until_ms, offset_ms) of a zone along `span`, ascending; the last is until the end of time."""
    if of is UTC:
        return ((LATEST_MS + 1, 0),)
    at, end = _within(span.start_ms), _within(span.end_ms)
    years = (changes for year in range(_year(at), _year(end) + 1) for changes in _changes(of, year))
    found = tuple(change for change in years if at < change[0] <= end)
    return (*found, (LATEST_MS + 1, _offset(of, end // 1000)))


@lru_cache(16_384)
def _changes(of: tzinfo, year: int) -> tuple[tuple[int, int], ...]:
    """(when, the offset before) of the clock changes after the first second of a year, up to that of the next: 50 us,
    so all two centuries of a zone take 10 ms: whoever reads a question with a zone does it on a thread."""
    begin_s, end_s = (_year_start_s(each) // 1000 for each in (year, year + 1))
    looked_at = [*range(begin_s, end_s, _SEARCH_S), end_s]
    offsets = [_offset(of, at_s) for at_s in looked_at]
    return tuple(
        (_change(of, looked_at[n], looked_at[n + 1]) * 1000, before)
        for n, (before, after) in enumerate(pairwise(offsets))
        if before != after
    )


def _within(at: int) -> int:
    return max(_SEARCHED[0], min(_SEARCHED[1], at))


def _year(at: int) -> int:
    """In UTC."""
    return (_EPOCH + at * _MILLISECOND).year


def _year_start_s(year: int) -> int:
    return (datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND


def _offset(of: tzinfo, at_s: int) -> int:
    """In ms, at a whole second: no clock is changed between two."""
    offset = of.fromutc(datetime(1970, 1, 1, tzinfo=of) + timedelta(0, at_s)).utcoffset()
    assert offset is not None
    return offset // _MILLISECOND


def _change(of: tzinfo, low: int, high: int) -> int:
    """The first second at which the offset is no longer that at `low`."""
    before = _offset(of, low)
    for step in (_MOSTLY_S, 1):
        while high - low > step:
            middle = (low + high) // 2
            middle -= middle % step
            if _offset(of, middle) == before:
                low = middle
            else:
                high = middle
    return high


def key(interval: Interval, at: int) -> int:
    """The compiler's key for a time."""
    local = at + offset_at(interval, at)
    if interval.months:
        number = months.number(local)
        return number - number % interval.months
    if interval.step_ms % DAY_MS:
        begin = at - local % interval.step_ms
        return joins(interval).get(begin, begin)
    return local - (local - interval.anchor_ms) % interval.step_ms


@lru_cache(256)
def joins(interval: Interval) -> Mapping[int, int]:
    """Of buckets below a day: {where one would begin by the clock after a change: where it does}, of those in which the
    clock is changed by no multiple of their length."""
    found: dict[int, int] = {}
    for (until, before), (_, after) in pairwise(interval.offsets):
        if (after - before) % interval.step_ms == 0:
            continue
        local = until + after - (until + after) % interval.step_ms
        while min(local - before, local - after) < until:
            begun = local - before
            found[local - after] = found.get(begun, begun) if begun < until else until
            local += interval.step_ms
    return found


def begins(interval: Interval, value: int) -> int:
    """The instant at which the bucket with the key `value` begins."""
    return max(EARLIEST_MS, min(LATEST_MS, _begin(interval, value)))


def _begin(interval: Interval, value: int) -> int:
    if interval.months:
        return instant(interval, months.begin(value))
    return value if interval.step_ms % DAY_MS else instant(interval, value)


def along(interval: Interval, span: Span) -> Iterator[int]:
    """The begins of all buckets that have a time of `span` in them, ascending."""
    at = span.start_ms
    had: set[int] = set()  # where a clock is set back over midnight, the day before goes on for a while
    while at < span.end_ms:
        begin = begins(interval, key(interval, at))
        if begin not in had:
            had.add(begin)
            yield begin
        at = max(at + 1, _end(interval, at))


def text(of: tzinfo, at: int) -> str:
    """An instant as the zone's clocks show it: `2026-05-01T00:00:00.000+02:00`, or with Z in UTC."""
    if of is UTC or not _SEARCHED[0] <= at < _SEARCHED[1]:
        return times.format(at)
    return (_EPOCH + at * _MILLISECOND).astimezone(of).isoformat(timespec="milliseconds")


def _end(interval: Interval, at: int) -> int:
    """A time after `at` up to which no other bucket begins: its end, or a change of the clock within it."""
    if interval.months or interval.step_ms % DAY_MS == 0:
        return _begin(interval, key(interval, at) + interval.stride)
    end = at + interval.step_ms - (at + offset_at(interval, at)) % interval.step_ms
    return next((until for until, _ in interval.offsets if at < until < end), end)


def offset_at(interval: Interval, at: int) -> int:
    return next(offset for until, offset in interval.offsets if at < until or until > LATEST_MS)


def instant(interval: Interval, local: int) -> int:
    """The first instant at which clocks show `local`, or have gone past it."""
    since = EARLIEST_MS - 2 * _LONGEST_MS
    for until, offset in interval.offsets:
        if local - offset < until:
            return max(since, local - offset)
        since = until
    return local - interval.offsets[-1][1]
