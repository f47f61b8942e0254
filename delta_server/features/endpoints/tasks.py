"""What endpoints do in the background."""

from collections.abc import Sequence

from delta_server.features.endpoints import store
from delta_server.services import DeleteSome, Services
from delta_server.storage.database import Tx, frees_space

ROWS_AT_ONCE = 2000
"""One write deletes this many rows at most: some milliseconds during which other writes wait."""


async def remove_deleted(svc: Services) -> None:
    """Delete all that deleted endpoints own, and at last their own rows."""
    owned = svc.owned_by("endpoint")
    for endpoint in await svc.db.read(store.deleted):
        while await svc.db.write(_delete_some, endpoint, owned):
            pass


@frees_space
def _delete_some(tx: Tx, endpoint: int, owned: Sequence[DeleteSome]) -> bool:
    """False when nothing is left."""
    if any(delete(tx, endpoint, ROWS_AT_ONCE) for delete in owned):
        return True
    store.remove(tx, endpoint)
    return False
