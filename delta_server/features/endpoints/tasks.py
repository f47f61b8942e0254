"""What endpoints do in the background."""

import time
from collections.abc import Sequence

from delta_server.features.endpoints import store
from delta_server.services import DeleteSome, Services
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.slices import SliceSize

FIRST_ROWS, ROWS_AT_ONCE = 200, 2000
"""One write deletes this many rows at first and at most: some milliseconds during which other writes wait."""


async def remove_deleted(svc: Services) -> None:
    """Delete all that deleted endpoints own, and at last their own rows."""
    owned = svc.owned_by("endpoint")
    for endpoint in await svc.db.read(store.deleted):
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
