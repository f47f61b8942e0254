"""How long deliveries are kept: the newest MOST_KEPT of a webhook, those that ended for KEPT_MS, none longer than
LONGEST_MS."""

from delta_server.core import times
from delta_server.features.webhooks import store
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space

KEPT_MS = 7 * times.DAY_MS
LONGEST_MS = 14 * times.DAY_MS
MOST_KEPT = 20_000
COUNTED_HOURS = 24 * 90
_AT_ONCE = 500


async def expire(svc: Services) -> None:
    """Of all webhooks, deleted ones too."""
    for webhook in await svc.db.read(store.with_deliveries):
        await expire_webhook(svc, webhook)
    await svc.db.write(_expire_counts)


async def expire_webhook(svc: Services, webhook: int) -> None:
    while await svc.db.write(_expire_some, webhook):
        pass


@frees_space
def _expire_some(tx: Tx, webhook: int) -> bool:
    """False when no more are old. The oldest are first in number and, but for a clock that was set, in time."""
    last = store.number_from_newest(tx, webhook, MOST_KEPT) or 0
    if store.by_row(tx, webhook) is None:
        last = 1 << 62
    for id, at, has_ended in store.oldest(tx, webhook, _AT_ONCE):
        if id > last and at > tx.now_ms - (KEPT_MS if has_ended else LONGEST_MS):
            break
        last = max(last, id)
    return store.delete_up_to(tx, webhook, last, _AT_ONCE) == _AT_ONCE


@frees_space
def _expire_counts(tx: Tx) -> None:
    for webhook in store.with_counts(tx):
        before = (1 << 62) if store.by_row(tx, webhook) is None else tx.now_ms // store.HOUR_MS - COUNTED_HOURS
        store.delete_counts(tx, webhook, before)
