"""When backups are due, what they are called, and which of them are kept."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.times import DAY_MS

_INTERVAL = re.compile(r"([1-9][0-9]{0,3}) ?(m|h|d)")
_DAILY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": DAY_MS}
_SHORTEST_MS = 900_000
_NAME = re.compile(r"delta-([0-9]{8}T[0-9]{6}Z)\.db\.zst")
_STAMP = "%Y%m%dT%H%M%SZ"
NAME_CHARS = len("delta-20260501T030000Z.db.zst")


class Schedule(msgspec.Struct, frozen=True):
    """Every so often, or once a day at a minute of it in UTC."""

    every_ms: int
    minute: int | None = None

    def next_after(self, newest_ms: int | None, now_ms: int) -> int:
        """When the next one is due; that may have been some time ago. The first is due at once."""
        if newest_ms is None or newest_ms > now_ms:  # by a clock that has been set back since
            return now_ms
        if self.minute is None:
            return newest_ms + self.every_ms
        first = newest_ms - newest_ms % DAY_MS + self.minute * 60_000
        return first if first > newest_ms else first + DAY_MS


class Kept(msgspec.Struct, frozen=True):
    """Of how many days, weeks and months the newest backup is kept."""

    daily: int
    weekly: int
    monthly: int


def parse(text: str) -> Schedule | None:
    """`off`, `6h`, or `03:30`. Raises Invalid."""
    text = text.strip().lower()
    if text in ("off", ""):
        return None
    if daily := _DAILY.fullmatch(text):
        return Schedule(DAY_MS, int(daily[1]) * 60 + int(daily[2]))
    interval = _INTERVAL.fullmatch(text)
    every_ms = int(interval[1]) * _UNITS_MS[interval[2]] if interval else 0
    if every_ms < _SHORTEST_MS:
        raise Invalid('expected "off", a time of day in UTC such as "03:30", or "6h" ("15m" at least)')
    return Schedule(every_ms)


def name_of(time_ms: int) -> str:
    """To the second."""
    return f"delta-{datetime.fromtimestamp(time_ms // 1000, UTC).strftime(_STAMP)}.db.zst"


def time_of(name: str) -> int | None:
    """None for what is not the name of a backup."""
    match = _NAME.fullmatch(name)
    try:
        return match and int(datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        return None


def superfluous(times_ms: Iterable[int], kept: Kept) -> set[int]:
    """Those that may go: all but the newest of each day, week and month that has one, and of so many of them. The
    newest of all stays, with those of the 24 hours before it."""
    newest_first = sorted(times_ms, reverse=True)
    stays = {time_ms for time_ms in newest_first if time_ms > newest_first[0] - DAY_MS}
    for bucket, count in ((_day, kept.daily), (_week, kept.weekly), (_month, kept.monthly)):
        stays |= _newest_of_each(newest_first, bucket, count)
    return set(newest_first) - stays


def _newest_of_each(newest_first: list[int], bucket: Callable[[date], object], count: int) -> set[int]:
    found: dict[object, int] = {}
    for time_ms in newest_first:
        found.setdefault(bucket(datetime.fromtimestamp(time_ms // 1000, UTC).date()), time_ms)
    return set(list(found.values())[:count])


def _day(day: date) -> object:
    return day


def _week(day: date) -> object:
    return day.isocalendar()[:2]


def _month(day: date) -> object:
    return day.year, day.month
