"""`event.created`: events as they come in, many in a message, to those webhooks that name it.

Events have a log of their own, so there is no row in the outbox for them: a webhook keeps the seq of the last event
that became part of a delivery, and it is moved in the transaction that writes the delivery. It reads the log as streams
do.
"""

import asyncio
from collections.abc import Iterator, Sequence

import structlog

from delta_server.core.errors import Conflict, DeltaError
from delta_server.core.webhooks import filters, messages
from delta_server.core.webhooks.filters import Subject
from delta_server.features.stream import service as stream
from delta_server.features.stream.service import EventFrame, Events, WantedEvents
from delta_server.features.webhooks import store
from delta_server.features.webhooks.sending import Senders
from delta_server.features.webhooks.store import NewDelivery
from delta_server.features.webhooks.subscriptions import Subscription, Subscriptions
from delta_server.services import Services
from delta_server.storage.database import Tx

CREATED = "event.created"
MOST_EVENTS, MOST_BYTES = 100, 64 << 10
"""In one message."""
GATHERED_S = 1.0
"""Where events come one by one, those of so long go together."""
LOOK_AGAIN_S = 60.0
AGAIN_S = 5.0
LANE = 1
_GAP = b'{"events":[],"count":0,"gap":true}'

log = structlog.get_logger("delta.webhooks")


async def follow(svc: Services) -> None:
    """A task for each webhook that hears of events; for ever."""
    subscriptions = svc.state(Subscriptions)
    tasks: dict[int, asyncio.Task[None]] = {}
    try:
        while True:
            seen = subscriptions.changed.count
            wanted = {
                each.webhook: (project, each)
                for project, of_project in (await subscriptions.by_project(svc)).items()
                for each in of_project
                if CREATED in each.events and filters.takes(each.filter, Subject())
            }
            for task in tasks.values():  # a changed one has another filter
                task.cancel()
            if tasks:
                await asyncio.wait(tasks.values())
            tasks = {
                webhook: asyncio.create_task(_follow_on(svc, project, each))
                for webhook, (project, each) in wanted.items()
            }
            while not await subscriptions.changed.wait(LOOK_AGAIN_S, since=seen):
                pass
    finally:
        for task in tasks.values():
            task.cancel()
        if tasks:
            await asyncio.wait(tasks.values())


async def _follow_on(svc: Services, project: int, subscription: Subscription) -> None:
    """What fails is tried again from where it was."""
    while True:
        try:
            await _follow_one(svc, project, subscription)
        except DeltaError as error:
            log.warning("events are not followed", webhook=subscription.webhook, reason=error.message)
        except Exception:
            log.exception("events are not followed", webhook=subscription.webhook)
        await asyncio.sleep(AGAIN_S)


async def _follow_one(svc: Services, project: int, subscription: Subscription) -> None:
    webhook = subscription.webhook
    last = svc.db.peek(store.event_seq, webhook)
    source = Events(svc, project, WantedEvents(), last)
    seq = source.last
    await svc.db.write(_write, webhook, [], last, seq)
    async for step in source.frames(lambda: True, LOOK_AGAIN_S):
        if isinstance(step, bytes):
            if step:  # more was missed than is read again
                await _write_parts(svc, subscription, [_GAP], seq, seq)
            continue
        frames = [frame for frame in step if isinstance(frame, EventFrame)] if isinstance(step, Sequence) else []
        if not frames:  # whole blocks come to streams alone
            continue
        before, seq = seq, max(seq, *(frame.seq for frame in frames))
        await _write_parts(svc, subscription, list(_bodies(frames)), before, seq)
        if len(frames) < MOST_EVENTS:
            await asyncio.sleep(GATHERED_S)


def _bodies(frames: Sequence[EventFrame]) -> Iterator[bytes]:
    part: list[bytes] = []
    size = 0
    for event in map(stream.event_json, frames):
        if part and (len(part) == MOST_EVENTS or size + len(event) > MOST_BYTES):
            yield _body(part)
            part, size = [], 0
        part.append(event)
        size += len(event)
    if part:
        yield _body(part)


def _body(events: Sequence[bytes]) -> bytes:
    return b'{"events":[%b],"count":%d}' % (b",".join(events), len(events))


async def _write_parts(
    svc: Services, subscription: Subscription, bodies: Sequence[bytes], before: int, seq: int
) -> None:
    at_ms, condition = svc.clock.now_ms(), subscription.filter.condition
    if condition is not None:
        bodies = await svc.spare_cpu(_meeting, condition, bodies, at_ms)
    rows = [NewDelivery(subscription.webhook, LANE, CREATED, at_ms, body.decode()) for body in bodies]
    await svc.db.write(_write, subscription.webhook, rows, before, seq)
    if rows:
        svc.state(Senders).wake([subscription.webhook])


def _meeting(condition: str, bodies: Sequence[bytes], at_ms: int) -> list[bytes]:
    return [body for body in bodies if filters.holds(condition, messages.body(CREATED, at_ms, body, test=False))]


def _write(tx: Tx, webhook: int, rows: Sequence[NewDelivery], before: int | None, seq: int) -> None:
    """Raises Conflict when somebody else has gone on from `before`: a write of one that was cancelled, say."""
    if not store.move_event_seq(tx, webhook, before, seq):
        raise Conflict("the webhook was changed meanwhile")
    store.add(tx, rows)
