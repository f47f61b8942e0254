"""When something that repeats is due: every so often (`5m`), or by the five fields of cron in a time zone.

    minute hour day-of-month month day-of-week        */15 9-17 * * MON-FRI

cronsim reads them as Debian's cron does (crontab(5)): names of months and days, `L` for a month's last day, `5L` for
its last Friday, `1#2` for its second Monday. Where both days are given, one of them is enough unless one begins with a
star.

Where clocks change, as for Debian's cron: fixed times (no star in minute and hour) run once each. What falls into the
hour that is missing runs when it ends; what falls into the hour that comes twice runs in its first pass. With a star in
minute or hour the clock is followed as it goes: not at all in the missing hour, in both passes of the other.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec
from cronsim import CronSim, CronSimError

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.nearest import quoted
from delta_server.core.query.time_buckets import time_zone

MAX_CHARS = 200
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FIVE = "five fields: minute hour day-of-month month day-of-week, such as 30 6 * * MON-FRI"


class Cron(msgspec.Struct, frozen=True):
    fields: str
    zone: str

    def next_after(self, time_ms: int) -> int:
        """The first time later than this one."""
        now = (_EPOCH + time_ms * _MILLISECOND).astimezone(time_zone(self.zone))
        schedule = CronSim(self.fields, now)
        due = next(schedule)
        # From within the second pass of an hour that comes twice, it begins with what was due in the first one
        while due.astimezone(UTC) <= now.astimezone(UTC):
            due = next(schedule)
        return (due.astimezone(UTC) - _EPOCH) // _MILLISECOND


def parse(text: str, zone: str = "UTC", *, field: str = "cron") -> Cron:
    """Raises Invalid for what is not cron, or never comes."""
    time_zone(zone)
    fields = NICKNAMES.get(text.strip().lower(), text)
    if len(text) > MAX_CHARS or len(fields.split()) != 5:
        raise Invalid(f"{field} must be {_FIVE}", field=field)
    try:
        _check(fields)
    except CronSimError as error:
        wrong = str(error).removeprefix("Bad ")
        raise Invalid(f"{field} has a wrong {wrong} in {quoted(text)}: it must be {_FIVE}", field=field) from None
    except StopIteration:
        raise Invalid(f"{field} never comes: {quoted(text)}", field=field) from None
    return Cron(fields=" ".join(fields.split()), zone=zone)


@lru_cache(256)
def _check(fields: str) -> None:
    """A week day comes to every date within 28 years, 40 where a century has no leap year: cronsim looks at 50."""
    next(CronSim(fields, datetime(2000, 1, 1, tzinfo=UTC)))


def interval_ms(text: str, *, field: str, least_ms: int, most_ms: int = 366 * times.DAY_MS) -> int:
    """Of `5m`, `90s`, `1d`. Raises Invalid."""
    length_ms = times.parse_length(text, field=field)
    if not least_ms <= length_ms <= most_ms:
        raise Invalid(f"{field} must be from {_written(least_ms)} to {_written(most_ms)}", field=field)
    return length_ms


def _written(length_ms: int) -> str:
    units = (("d", times.DAY_MS), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
    return next(f"{length_ms // size}{unit}" for unit, size in units if length_ms % size == 0)
