"""Puts attempts on record, those that ended while the last ones were written together."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from delta_server.core.webhooks import schedule
from delta_server.features.webhooks import service, store, subscriptions
from delta_server.features.webhooks.attempts import Sent
from delta_server.features.webhooks.store import Webhook
from delta_server.services import Services
from delta_server.storage.database import Tx

_AT_ONCE = 100


class Recorder:
    """Used on the event loop only."""

    def __init__(self, svc: Services) -> None:
        self._svc = svc
        self._waiting: list[tuple[Sent, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, sent: Sent) -> asyncio.Future[None]:
        """Done when it is on disk."""
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((sent, recorded))
        if self._task is None:
            self._task = asyncio.create_task(self._write())
        return recorded

    async def stop(self) -> None:
        """When what was sent is on record."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _write(self) -> None:
        try:
            while self._waiting:
                taken, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                await self._write_some(taken)
        finally:
            self._task = None

    async def _write_some(self, taken: Sequence[tuple[Sent, asyncio.Future[None]]]) -> None:
        try:
            turned_off = await self._svc.db.write(_record, [sent for sent, _ in taken])
        except Exception as error:  # a full disk: those who wait for it say so, and send again
            for _, recorded in taken:
                recorded.set_exception(error)
        else:
            for _, recorded in taken:
                recorded.set_result(None)
            for project in turned_off:
                subscriptions.changed(self._svc)
                self._svc.topics.wake("happenings", project)
                self._svc.topics.wake("jobs")


def _record(tx: Tx, done: Sequence[Sent]) -> set[int]:
    """Projects with webhooks that this turned off."""
    turned_off = set()
    by_webhook = sorted(done, key=lambda sent: sent.delivery.webhook)
    for webhook, group in groupby(by_webhook, key=lambda sent: sent.delivery.webhook):
        of_one = list(group)
        store.progress(tx, webhook, [sent.progress for sent in of_one])
        _count(tx, webhook, of_one)
        if (found := _note_health(tx, webhook, of_one)) is not None:
            service.turn_off(tx, *found)
            turned_off.add(found[0].project)
    return turned_off


def _count(tx: Tx, webhook: int, done: Sequence[Sent]) -> None:
    counts = Counter((sent.attempt.at // store.HOUR_MS, sent.attempt.failure is None) for sent in done)
    for hour in {hour for hour, _ in counts}:
        store.count(tx, webhook, hour, arrived=counts[hour, True], failed=counts[hour, False])


def _note_health(tx: Tx, webhook: int, done: Sequence[Sent]) -> tuple[Webhook, str] | None:
    """Whether it is to be turned off, and why. A success says that the receiver is there; a refusal of one message says
    neither that nor the opposite."""
    if any(sent.attempt.failure is None for sent in done):
        store.end_failing(tx, webhook)
        return None
    if not any(sent.attempt.holds_up for sent in done):
        return None
    since = store.begin_failing(tx, webhook)
    is_gone = any(sent.attempt.failure == "gone" for sent in done)
    found = store.by_row(tx, webhook)
    if found is None or since is None or not (is_gone or tx.now_ms - since >= schedule.GIVEN_UP_MS):
        return None
    return found, "gone" if is_gone else "failing"
