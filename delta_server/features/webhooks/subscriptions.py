"""Which webhooks hear of what, kept in memory for the fan-out, and its place in the outbox.

The consumer is there while there are webhooks: without any, nothing is kept in the outbox for them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from delta_server.core import ids
from delta_server.core.webhooks import filters, kinds
from delta_server.core.webhooks.filters import Filter, Subject
from delta_server.features.webhooks import schemas, store
from delta_server.services import Services
from delta_server.storage import outbox
from delta_server.storage.database import Tx
from delta_server.tasks.signals import Signal

CONSUMER = "webhooks"


class Subscription(msgspec.Struct, frozen=True):
    webhook: int
    uid: str
    events: Sequence[str]
    filter: Filter

    def hears(self, kind: str, subject: Subject) -> bool:
        """An alert that names its webhooks reaches these, whatever else they hear of."""
        if subject.tell:
            return self.uid in subject.tell
        return kinds.is_one_of(kind, self.events) and filters.takes(self.filter, subject)


class Subscriptions:
    """Of all projects, read again when something was changed. Used on the event loop only."""

    def __init__(self) -> None:
        self.changed = Signal()
        self._read_at: int | None = None
        self._by_project: Mapping[int, Sequence[Subscription]] = {}

    async def by_project(self, svc: Services) -> Mapping[int, Sequence[Subscription]]:
        if self._read_at != self.changed.count:
            read_at = self.changed.count
            has_any = svc.db.peek(store.any_webhook)
            self._by_project, self._read_at = await svc.db.read(_read_all) if has_any else {}, read_at
        return self._by_project


def _read_all(tx: Tx) -> Mapping[int, Sequence[Subscription]]:
    found: dict[int, list[Subscription]] = defaultdict(list)
    for webhook in store.all_on(tx):
        settings = schemas.settings_of(webhook)
        found[webhook.project].append(Subscription(webhook.id, ids.text(webhook.uid), settings.events, settings.filter))
    return found


def begin(tx: Tx) -> None:
    """From now on; a consumer that is there keeps its place."""
    outbox.subscribe(tx, CONSUMER)


def end(tx: Tx) -> None:
    outbox.unsubscribe(tx, CONSUMER)


def changed(svc: Services) -> None:
    """Webhooks were made, changed or turned off: after the commit."""
    svc.state(Subscriptions).changed.notify()
