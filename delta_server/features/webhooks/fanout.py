"""From the outbox to deliveries: what happened becomes a row for each webhook that hears of it.

The rows and the consumer's place in the outbox are one commit: a crash loses none, and makes none twice. Rows keep what
is to be said, so that a repeated delivery says the same whatever has been deleted since.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from delta_server.core.webhooks import filters, messages
from delta_server.features.webhooks import describing, expiring, store
from delta_server.features.webhooks.sending import Senders
from delta_server.features.webhooks.store import NewDelivery
from delta_server.features.webhooks.subscriptions import CONSUMER, Subscription, Subscriptions
from delta_server.services import Services
from delta_server.storage import outbox
from delta_server.storage.database import Tx

LOOK_AGAIN_S = 60.0
HAPPENINGS_AT_ONCE = 64
ROWS_AT_ONCE = 500
"""In one write: 10 ms."""
YIELD_FACTOR = 25
"""While callers wait, so many times as long as a part took: with the deliveries that follow, they keep nine tenths of
the server."""
MOST_PAUSE_S, QUIET_S = 2.0, 0.05
TRIMMED_EVERY = 5_000
"""Deliveries to one webhook, after which the oldest beyond its share go."""


class Part(msgspec.Struct, frozen=True):
    """What some happenings come to, the last of which is `seq`. Some of the rows have a condition still to be met."""

    seq: int
    rows: list[NewDelivery]
    conditions: list[str | None]


class _RowCounts(Counter[int]):
    """Rows since the last trim, by webhook."""


async def fan_out(svc: Services) -> None:
    """For ever."""
    happened = svc.topics.signal("happenings")
    while True:
        seen = happened.count
        if not await fan_out_some(svc):
            await happened.wait(LOOK_AGAIN_S, since=seen)


async def fan_out_some(svc: Services) -> bool:
    """False when nothing more is there to read."""
    by_project = await svc.state(Subscriptions).by_project(svc)
    if not by_project:
        return await svc.db.write(_skip) if svc.db.peek(_is_behind) else False
    began_s = time.monotonic()
    part = await svc.db.read(_read_part, by_project)
    if part is None:
        return False
    rows = await svc.spare_cpu(_meeting, part) if any(part.conditions) else part.rows
    await svc.db.write(_write, part.seq, rows)
    if rows:
        svc.state(Senders).wake(row.webhook for row in rows)
        await _trim(svc, rows)
    pause_s = min(MOST_PAUSE_S, YIELD_FACTOR * (time.monotonic() - began_s))
    await svc.foreground.yield_until_quiet(quiet_s=QUIET_S, most_s=pause_s)
    return True


def _is_behind(tx: Tx) -> bool:
    at = outbox.position(tx, CONSUMER)
    return at is not None and at < outbox.newest(tx)


def _skip(tx: Tx) -> bool:
    """All webhooks are off: what happens meanwhile is not kept for them."""
    outbox.advance(tx, CONSUMER, outbox.newest(tx))
    return False


def _read_part(tx: Tx, by_project: Mapping[int, Sequence[Subscription]]) -> Part | None:
    after = outbox.position(tx, CONSUMER)
    if after is None:
        return None
    rows: list[NewDelivery] = []
    conditions: list[str | None] = []
    seq = after
    for happening in outbox.read(tx, after, HAPPENINGS_AT_ONCE):
        subscribed = by_project.get(happening.project, ())
        if len(rows) >= ROWS_AT_ONCE:
            break
        if any(_may_hear(subscription, happening.kind) for subscription in subscribed):
            for message in describing.messages_of(tx, happening):
                lane = _lane(message.subject.endpoint_id)
                for each in subscribed:
                    if each.hears(message.kind, message.subject):
                        data = describing.data_for(message, each.filter).decode()
                        rows.append(NewDelivery(each.webhook, lane, message.kind, message.at_ms, data))
                        conditions.append(each.filter.condition)
        seq = happening.seq
    return None if seq == after else Part(seq, rows, conditions)


def _may_hear(subscription: Subscription, kind: str) -> bool:
    """Of what is in the outbox as `kind` and may be sent as another of its family."""
    family = kind.partition(".")[0]
    if family == "alert":
        return True
    said_by = {family, "field"} if family == "delta" else {family}
    return any(pattern == "*" or pattern.partition(".")[0] in said_by for pattern in subscription.events)


def _lane(endpoint_id: str) -> int:
    """By the random bits of the endpoint's id; 0 for what is about none."""
    return int(endpoint_id.replace("-", "")[17:], 16) if endpoint_id else 0


def _meeting(part: Part) -> list[NewDelivery]:
    """Rows whose condition is true of what will be sent."""
    return [
        row
        for row, condition in zip(part.rows, part.conditions, strict=True)
        if condition is None or filters.holds(condition, messages.body(row.kind, row.at, row.body.encode(), test=False))
    ]


def _write(tx: Tx, seq: int, rows: Sequence[NewDelivery]) -> None:
    store.add(tx, rows)
    outbox.advance(tx, CONSUMER, seq)


async def _trim(svc: Services, rows: Sequence[NewDelivery]) -> None:
    counted = svc.state(_RowCounts)
    counted.update(row.webhook for row in rows)
    for webhook in [webhook for webhook, count in counted.items() if count >= TRIMMED_EVERY]:
        del counted[webhook]
        await expiring.expire_webhook(svc, webhook)
