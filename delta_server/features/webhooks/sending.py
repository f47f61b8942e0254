"""Sends what waits: a task for each webhook with deliveries that have not ended (channel.py), for as long as it has."""

import asyncio
from collections.abc import Iterable

import structlog

from delta_server.egress.kept_alive import Connections
from delta_server.features.webhooks import store, targets
from delta_server.features.webhooks.channel import Channel, Shared
from delta_server.features.webhooks.recording import Recorder
from delta_server.features.webhooks.slots import Slots
from delta_server.services import Services
from delta_server.tasks.signals import Signal

LOOK_AGAIN_S = 30.0
AT_ONCE, AT_ONCE_OF_PROJECT = 200, 100
"""Deliveries that are being sent."""
PROBES_AT_ONCE, PROBES_OF_PROJECT = 64, 32
"""To receivers that fail: they take no place of those that do not."""

log = structlog.get_logger("delta.webhooks")


class Senders:
    """The channels that are open. Used on the event loop only."""

    def __init__(self) -> None:
        self.changed = Signal()
        self._channels: dict[int, Channel] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self, webhooks: Iterable[int], *, now: bool = False) -> None:
        """There is something to send to them; `now` even if they failed a moment ago."""
        for webhook in set(webhooks):
            if (channel := self._channels.get(webhook)) is not None:
                channel.wake(now=now)
            else:
                self.changed.notify()

    def wake_all(self) -> None:
        self.wake(list(self._channels), now=True)

    async def run(self, svc: Services) -> None:
        """For ever."""
        shared = Shared(
            svc=svc,
            vault=svc.vault,
            connections=Connections(svc.config.egress),
            recorder=Recorder(svc),
            slots=Slots(AT_ONCE, AT_ONCE_OF_PROJECT),
            probes=Slots(PROBES_AT_ONCE, PROBES_OF_PROJECT),
            turn=asyncio.Lock(),
        )
        try:
            while True:
                seen = self.changed.count
                found = await svc.db.read(store.with_open) if svc.db.peek(store.any_webhook) else []
                to_open = [each for each in found if each not in self._channels]
                if to_open:
                    await targets.prepare(svc)
                for webhook in to_open:
                    self._open(shared, webhook)
                shared.connections.close_idle()
                await self.changed.wait(LOOK_AGAIN_S, since=seen)
        finally:
            await self._stop()
            await shared.recorder.stop()
            shared.connections.close()

    def _open(self, shared: Shared, webhook: int) -> None:
        channel = self._channels[webhook] = Channel(shared, webhook)
        task = asyncio.create_task(self._serve(channel, webhook))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, channel: Channel, webhook: int) -> None:
        try:
            await channel.run()
        except Exception:
            log.exception("a webhook's deliveries stopped", webhook=webhook)
        finally:
            del self._channels[webhook]
        if channel.was_woken:  # between its last look and its end
            self.changed.notify()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


async def send(svc: Services) -> None:
    await svc.state(Senders).run(svc)
