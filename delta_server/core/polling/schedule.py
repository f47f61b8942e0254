"""When an endpoint is polled next, and what an outcome means for that.

Start times are spread: an endpoint's own moment within its interval follows from its id, so those that are polled every
minute are not all polled in the same second, and a restart changes nothing. What was missed while the server was down
is not made up for: it is polled once, and goes on as ever.

A poll that failed is tried again after seconds, as often as `retries` says. Then it counts as failing, and pauses
double, up to an hour or the interval. After a day of that it is paused until somebody looks.
"""

from typing import Literal

import msgspec

from delta_server.core import cron, times
from delta_server.core.polling.settings import PollingSettings

RETRY_MS = 5_000
LONGEST_PAUSE_MS = 3_600_000
GIVES_UP_AFTER_MS = times.DAY_MS
GIVES_UP_AFTER = 5
"""Failures: what is polled once a day is not given up for the second."""
LONGEST_RETRY_AFTER_MS = times.DAY_MS
HELD_APART_MS = 60_000
"""Those that were asked to wait go one after the other, a millisecond apart, so far behind the first at most."""

State = Literal["on", "waiting", "backing_off", "paused", "off"]


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of the outcomes so far: failures in a row, since when, and how long the source wants to be left
    alone. `is_reported`: others heard of failures before the settings were changed, and not yet that they ended."""

    failures: int = 0
    failing_since: int | None = None
    waits_until: int | None = None
    paused_at: int | None = None
    is_reported: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """`due_at` None is never. `says` is what others are to hear of."""

    standing: Standing
    due_at: int | None
    says: Literal["failed", "paused", "recovered"] | None = None


def regular(settings: PollingSettings, after_ms: int, seed: int) -> int:
    """The first moment after `after_ms` that the schedule names. `seed` is the endpoint's own number."""
    if settings.cron is not None:
        return cron.parse(settings.cron, settings.timezone).next_after(after_ms)
    every_ms = interval_ms(settings)
    phase = seed % every_ms
    return after_ms + every_ms - (after_ms - phase) % every_ms


def interval_ms(settings: PollingSettings) -> int:
    """Of a cron the shortest there may be."""
    return times.parse_length(settings.interval or "1m", field="interval")


def after_success(settings: PollingSettings, before: Standing, now_ms: int, seed: int) -> Verdict:
    says: Literal["recovered"] | None = "recovered" if _is_reported(settings, before) else None
    return Verdict(Standing(), _next(settings, now_ms, seed), says)


def after_change(settings: PollingSettings, before: Standing) -> Standing:
    """With other `settings` than these it begins anew; who heard that it fails hears when it does no more."""
    return Standing(is_reported=_is_reported(settings, before))


def _is_reported(settings: PollingSettings, standing: Standing) -> bool:
    return standing.is_reported or standing.failures > settings.retries or standing.paused_at is not None


def after_failure(
    settings: PollingSettings, before: Standing, now_ms: int, seed: int, *, retry_after_ms: int | None = None
) -> Verdict:
    """`retry_after_ms` is how long the source wants to be left alone."""
    failures, since = before.failures + 1, before.failing_since if before.failing_since is not None else now_ms
    waits_until = None if retry_after_ms is None else now_ms + min(retry_after_ms, LONGEST_RETRY_AFTER_MS)
    standing = Standing(failures, since, waits_until, before.paused_at, before.is_reported)
    if before.paused_at is not None:
        return Verdict(standing, None)
    is_news = failures == settings.retries + 1
    if failures >= GIVES_UP_AFTER and failures > settings.retries and now_ms - since >= GIVES_UP_AFTER_MS:
        return Verdict(msgspec.structs.replace(standing, paused_at=now_ms), None, "paused")
    due_at = _next(settings, now_ms + _pause_ms(settings, failures), seed)
    if failures <= settings.retries:
        due_at = min(due_at, now_ms + RETRY_MS * 2 ** (failures - 1))
    return Verdict(standing, max(due_at, waits_until or due_at), "failed" if is_news else None)


def _next(settings: PollingSettings, now_ms: int, seed: int) -> int:
    """Half an interval from now at the least: a poll that began late is not followed by the next at once."""
    return regular(settings, now_ms if settings.cron is not None else now_ms + interval_ms(settings) // 2, seed)


def _pause_ms(settings: PollingSettings, failures: int) -> int:
    """What is added to the interval: it and its double, and so on."""
    every_ms = interval_ms(settings)
    doublings = min(max(0, failures - settings.retries - 1), 20)
    return max(every_ms, min(every_ms << doublings, LONGEST_PAUSE_MS)) - every_ms


def after_jump(settings: PollingSettings, standing: Standing, due_at: int, now_ms: int, seed: int) -> int:
    """When it is due after the clock was set back: no later than a clock that was right would have it."""
    latest = now_ms + LONGEST_PAUSE_MS if standing.failures else regular(settings, now_ms, seed)
    waits_until = standing.waits_until or 0
    if waits_until <= now_ms + LONGEST_RETRY_AFTER_MS:
        latest = max(latest, waits_until + HELD_APART_MS)
    return min(due_at, latest)


def state_of(settings: PollingSettings, standing: Standing, now_ms: int) -> State:
    if standing.paused_at is not None:
        return "paused"
    if not settings.enabled:
        return "off"
    if standing.waits_until is not None and standing.waits_until > now_ms:
        return "waiting"
    return "backing_off" if standing.failures > settings.retries else "on"
