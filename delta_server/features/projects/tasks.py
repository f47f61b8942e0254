"""What projects do in the background."""

from delta_server.features.accounts import service as accounts
from delta_server.features.projects import store
from delta_server.services import Services
from delta_server.storage.database import Tx

_AT_ONCE = 100


async def remove_deleted(svc: Services) -> None:
    """Remove the rows and keys of deleted projects whose endpoints have all been swept."""
    while projects := await svc.db.read(store.deleted_and_empty, _AT_ONCE):
        await svc.db.write(_remove, projects)


def _remove(tx: Tx, projects: list[int]) -> None:
    for project in projects:
        accounts.delete_keys_of(tx, project)
        store.remove(tx, project)
