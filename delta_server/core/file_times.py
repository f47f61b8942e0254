"""The moment in a file's name: `2026-05-01.json`, `prices-20260501T120000Z.json`, `1777636800.json`."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from delta_server.core.times import EARLIEST_MS, LATEST_MS

_DATE = re.compile(
    r"(?<!\d)(?P<year>\d{4})(?P<gap>[-_./]?)(?P<month>\d\d)(?P=gap)(?P<day>\d\d)"
    r"(?:(?:[Tt_ /-]|(?<=\d))"
    r"(?P<hour>\d\d)[-:_.h]?(?P<minute>\d\d)(?:[-:_.m]?(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?P<zone>Z|z|UTC|[+-]\d\d:?\d\d)?|[Tt](?P<lone_hour>\d\d)(?P<lone_zone>Z|z)?)?(?!\d|[-_.]\d)"
)
_DAY = re.compile(r"(?<!\d)(?=(?:19|20)\d\d([-_./]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01]))")
_EPOCH = re.compile(r"(?<!\d)(?P<seconds>\d{10})(?P<ms>\d{3})?(?!\d)")


def parse(path: str) -> int | None:
    """The time in ms that the last part of `path` tells, else the whole of it (`2026/05/01.json`); None for none, or
    for several. UTC without a zone; midnight without a time; ten digits are seconds since 1970, thirteen milliseconds.
    """
    for text in (path.rpartition("/")[2], path):
        if len(_DAY.findall(text)) > 1:
            return None
        found = {time for match in _DATE.finditer(text) if (time := _of_date(match)) is not None}
        found = found or {_of_epoch(match) for match in _EPOCH.finditer(text)}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _of_date(match: re.Match[str]) -> int | None:
    part = match.groupdict()
    fraction = (part["fraction"] or "").ljust(6, "0")[:6]
    numbers = (part["year"], part["month"], part["day"], part["hour"] or part["lone_hour"], part["minute"])
    try:
        year, month, day, hour, minute = (int(number or 0) for number in numbers)
        moment = datetime(year, month, day, hour, minute, int(part["second"] or 0), int(fraction), _zone(match))
    except ValueError:
        return None
    ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return ms if EARLIEST_MS <= ms <= LATEST_MS else None


def _zone(match: re.Match[str]) -> tzinfo:
    zone = match["zone"] or ""
    if not zone.startswith(("+", "-")):
        return UTC
    ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return timezone(-ahead if zone[0] == "-" else ahead)


def _of_epoch(match: re.Match[str]) -> int:
    return int(match["seconds"]) * 1000 + int(match["ms"] or 0)
