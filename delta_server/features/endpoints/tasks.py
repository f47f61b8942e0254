"""What endpoints do in the background."""

import time
from collections.abc import Sequence

from delta_server.features.endpoints import service, store
from delta_server.services import DeleteSome, Services
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.slices import SliceSize

FIRST_ROWS, ROWS_AT_ONCE = 200, 2000
"""One write deletes this many rows at first and at most: some milliseconds during which other writes wait."""


_AT_ONCE = 100


async def remove_deleted(svc: Services) -> None:
    """Delete all that those own whose time in the bin has ended, and at last their own rows. What may still be restored
    stays, on a full disk too."""
    while await svc.db.read(store.due, 1):
        await svc.db.write(service.purge_due, _AT_ONCE)
    owned = svc.owned_by("endpoint")
    for endpoint in await svc.db.read(store.being_removed):
        size = SliceSize(FIRST_ROWS, most=ROWS_AT_ONCE)
        while (took_s := await svc.db.write(_delete_some, endpoint, owned, size.now)) is not None:
            size.took(took_s)


@frees_space
def _delete_some(tx: Tx, endpoint: int, owned: Sequence[DeleteSome], limit: int) -> float | None:
    """The seconds it took; None when nothing is left."""
    began_s = time.monotonic()
    if any(delete(tx, endpoint, limit) for delete in owned):
        return time.monotonic() - began_s
    store.remove(tx, endpoint)
    return None
