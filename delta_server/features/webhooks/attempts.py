"""Attempts to deliver: what became of one, and what that makes of the delivery."""

import random
from collections.abc import Mapping, Sequence

import msgspec

from delta_server.core.webhooks import schedule
from delta_server.core.webhooks.schedule import FailureClass
from delta_server.features.webhooks.store import Delivery, Progress

MOST_LISTED = 30
"""Of one delivery: the newest."""


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """`at` is when it began, in ms, `took_ms` how long it took. `failure` None: it arrived."""

    at: int
    took_ms: int
    status: int | None = None
    failure: FailureClass | None = None
    excerpt: str = ""
    retry_after_s: int | None = None

    @property
    def holds_up(self) -> bool:
        """Whether what comes behind it waits for the next attempt."""
        return self.failure not in (None, "template") and schedule.holds_up(self.status)


class Sent(msgspec.Struct, frozen=True):
    """A delivery, its latest attempt, and what it is now."""

    delivery: Delivery
    attempt: Attempt
    progress: Progress


_decode = msgspec.json.Decoder(list[Attempt]).decode


def of(delivery: Delivery) -> list[Attempt]:
    return _decode(delivery.attempts)


def classified(status: int, headers: Mapping[str, str], excerpt: str, *, began_ms: int, took_ms: int) -> Attempt:
    """Of an answer: 2xx alone is success, and no redirect is followed."""
    failure: FailureClass | None = None
    if not schedule.is_success(status):
        failure = "gone" if status == 410 else "redirect" if 300 <= status < 400 else "status"
    return Attempt(
        at=began_ms,
        took_ms=took_ms,
        status=status,
        failure=failure,
        excerpt=excerpt,
        retry_after_s=schedule.retry_after_s(status, headers.get("retry-after"), now_s=began_ms // 1000),
    )


def after(delivery: Delivery, attempt: Attempt, retries_s: Sequence[int], now_ms: int) -> Sent:
    attempts = msgspec.json.encode([*of(delivery), attempt][-MOST_LISTED:]).decode()
    if attempt.failure is None:
        return Sent(delivery, attempt, Progress(delivery.id, "delivered", delivery.failures, now_ms, attempts))
    failures = delivery.failures + 1
    chance = random.random()  # noqa: S311 - a delay that is spread, no secret
    delay_ms = schedule.delay_ms(retries_s, failures, chance, retry_after_s=attempt.retry_after_s)
    if delay_ms is None or delivery.is_test:
        return Sent(delivery, attempt, Progress(delivery.id, "dead", failures, now_ms, attempts))
    return Sent(delivery, attempt, Progress(delivery.id, "failed", failures, now_ms + delay_ms, attempts))
