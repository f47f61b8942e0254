"""What projects do in the background."""

from collections.abc import Sequence

from delta_server.features.accounts import service as accounts
from delta_server.features.projects import store
from delta_server.services import DeleteSome, Services
from delta_server.storage.database import Tx, frees_space

ROWS_AT_ONCE = 2000
"""One write deletes this many rows at most: some milliseconds during which other writes wait."""

_AT_ONCE = 100


async def remove_deleted(svc: Services) -> None:
    """Delete what deleted projects own, once their endpoints have been swept, then their keys and their own rows."""
    owned = svc.owned_by("project")
    while projects := await svc.db.read(store.deleted_and_empty, _AT_ONCE):
        for project in projects:
            await svc.delete_elsewhere("project", project, ROWS_AT_ONCE)
            while await svc.db.write(_delete_some, project, owned):
                pass


@frees_space
def _delete_some(tx: Tx, project: int, owned: Sequence[DeleteSome]) -> bool:
    """False when nothing is left."""
    if any(delete(tx, project, ROWS_AT_ONCE) for delete in (*owned, accounts.delete_keys_of)):
        return True
    store.remove_members(tx, project)
    store.remove(tx, project)
    return False
