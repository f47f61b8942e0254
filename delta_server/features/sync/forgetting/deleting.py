"""What goes with a project."""

from delta_server.features.conflicts import service as conflicts
from delta_server.features.devices import service as devices
from delta_server.features.sync.forgetting import store
from delta_server.features.sync.uploads import store as uploads
from delta_server.storage.database import Tx

_PARTS_AT_ONCE = 8


def delete_of_project(tx: Tx, project: int, limit: int) -> bool:
    """Delete up to about `limit` rows of a deleted project; False when none is left."""
    space = store.any_space(tx, project)
    if space is None:
        return conflicts.delete_types(tx, project)
    deleted = (
        uploads.delete_some(tx, space, uploads.any_of_space(tx, space), _PARTS_AT_ONCE)
        or conflicts.delete_some(tx, space, limit)
        or store.delete_some_changes(tx, space, limit)
        or devices.delete_some(tx, space, limit)
    )
    if not deleted:
        store.delete_space(tx, space)
    return True
