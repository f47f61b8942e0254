"""What projects do in the background."""

import time
from collections.abc import Sequence

from delta_server.features.accounts import service as accounts
from delta_server.features.projects import binned, store
from delta_server.services import DeleteSome, Services
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.slices import SliceSize

FIRST_ROWS, ROWS_AT_ONCE = 200, 2000
"""One write deletes this many rows at first and at most: some milliseconds during which other writes wait."""

_ENDPOINTS_AT_ONCE = 500
_AT_ONCE = 100


async def remove_deleted(svc: Services) -> None:
    """Delete what those own whose time in the bin has ended, once their endpoints have been swept, then their keys and
    their own rows. What may still be restored stays, on a full disk too."""
    owned = svc.owned_by("project")
    while await svc.db.read(store.due, 1):
        await svc.db.write(binned.purge_due, _AT_ONCE)
    while projects := await svc.db.read(store.being_removed, _AT_ONCE):
        for project in projects:
            while await svc.db.write(_remove_endpoints, project):
                pass
    while projects := await svc.db.read(store.removed_and_empty, _AT_ONCE):
        for project in projects:
            await svc.delete_elsewhere("project", project, ROWS_AT_ONCE)
            size = SliceSize(FIRST_ROWS, most=ROWS_AT_ONCE)
            while (took_s := await svc.db.write(_delete_some, project, owned, size.now)) is not None:
                size.took(took_s)


@frees_space
def _remove_endpoints(tx: Tx, project: int) -> int:
    return store.remove_endpoints(tx, project, _ENDPOINTS_AT_ONCE)


@frees_space
def _delete_some(tx: Tx, project: int, owned: Sequence[DeleteSome], limit: int) -> float | None:
    """The seconds it took; None when nothing is left."""
    began_s = time.monotonic()
    if any(delete(tx, project, limit) for delete in (*owned, accounts.delete_keys_of)):
        return time.monotonic() - began_s
    store.remove_members(tx, project)
    store.remove(tx, project)
    return None
