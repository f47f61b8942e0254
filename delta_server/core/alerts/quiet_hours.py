"""When people hear of something: at once, when quiet hours end, or in a digest.

Quiet is what the clock on the wall says: where it skips the end of the quiet hours, they end with the skip; where it
shows an hour twice, what is quiet in it is quiet twice.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeAlias

import msgspec

from delta_server.core.cron import Cron
from delta_server.core.errors import Invalid
from delta_server.core.json_schema import documented
from delta_server.core.query.time_buckets import time_zone

Sent: TypeAlias = Literal["now", "held", "dropped", "digest", "muted", "late"]

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_MINUTE_MS = 60_000
_DAY_MINUTES = 1440
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

TimeOfDay: TypeAlias = Annotated[str, documented(pattern=_CLOCK.pattern, maxLength=5)]
Zone: TypeAlias = Annotated[str, documented(maxLength=64)]


class Quiet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Hours of each day in which nobody is notified: until their end, or with `drop` at all."""

    from_: TimeOfDay
    to: TimeOfDay
    timezone: Zone = "UTC"
    then: Literal["hold", "drop"] = "hold"


class Digest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Gathers what happened into one message, each full hour, or each day `at` a time of day."""

    every: Literal["hourly", "daily"]
    at: TimeOfDay = "08:00"
    timezone: Zone = "UTC"


class Telling(msgspec.Struct, frozen=True):
    """How people hear of what happened, and when; None: never."""

    sent: Sent
    at_ms: int | None


def check(quiet: Quiet) -> None:
    """Raises Invalid."""
    _minute(quiet.from_, "quiet.from")
    if _minute(quiet.to, "quiet.to") == _minute(quiet.from_, "quiet.from"):
        raise Invalid("quiet.from and quiet.to are the same time: leave quiet out, or mute the rule", field="quiet.to")
    time_zone(quiet.timezone, at="quiet.timezone")


def check_digest(digest: Digest) -> None:
    """Raises Invalid."""
    _minute(digest.at, "digest.at")
    time_zone(digest.timezone, at="digest.timezone")


def telling(quiet: Quiet | None, digest: Digest | None, at_ms: int, *, at_once: bool) -> Telling:
    """Of what happens at `at_ms`. `at_once`: webhooks hear of it beside the digest."""
    is_now = quiet is None or not is_quiet(quiet, at_ms)
    if quiet is not None and not is_now and quiet.then == "drop":
        return Telling("dropped", None)
    free_ms = at_ms if quiet is None or is_now else quiet_until(quiet, at_ms)
    if digest is not None and not at_once:
        return Telling("digest" if is_now else "held", digest_at(digest, free_ms))
    return Telling("now" if is_now else "held", free_ms)


def is_quiet(quiet: Quiet, at_ms: int) -> bool:
    begin, end = _minute(quiet.from_, "quiet.from"), _minute(quiet.to, "quiet.to")
    now = _local_minute(quiet, at_ms)
    return begin <= now < end if begin < end else now >= begin or now < end


def quiet_until(quiet: Quiet, at_ms: int) -> int:
    """The first full minute from `at_ms` on that is not quiet."""
    minute_ms = at_ms - at_ms % _MINUTE_MS
    left = (_minute(quiet.to, "quiet.to") - _local_minute(quiet, at_ms)) % _DAY_MINUTES
    guess_ms = minute_ms + left * _MINUTE_MS
    if _offset(quiet, at_ms) == _offset(quiet, guess_ms):
        return guess_ms
    return next(
        at for at in range(minute_ms + _MINUTE_MS, minute_ms + 2 * _DAY_MINUTES * _MINUTE_MS, _MINUTE_MS)
        if not is_quiet(quiet, at)
    )  # fmt: skip


def digest_at(digest: Digest, at_ms: int) -> int:
    """When the digest is due that what happens now belongs to."""
    hour, minute = divmod(_minute(digest.at, "digest.at"), 60)
    fields = "0 * * * *" if digest.every == "hourly" else f"{minute} {hour} * * *"
    return Cron(fields, digest.timezone).next_after(at_ms)


def _local_minute(quiet: Quiet, at_ms: int) -> int:
    local = _local(quiet, at_ms)
    return local.hour * 60 + local.minute


def _offset(quiet: Quiet, at_ms: int) -> timedelta | None:
    return _local(quiet, at_ms).utcoffset()


def _local(quiet: Quiet, at_ms: int) -> datetime:
    return (_EPOCH + at_ms * _MILLISECOND).astimezone(time_zone(quiet.timezone))


def _minute(text: str, field: str) -> int:
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise Invalid(f"{field} must be a time of day like 22:00", field=field)
    return int(match[1]) * 60 + int(match[2])
