"""How a project keeps its data types."""

import msgspec
from msgspec import UNSET

from delta_server.core.errors import Invalid
from delta_server.core.sync import record_schema
from delta_server.features.audit import service as audit
from delta_server.features.conflicts import service as conflicts
from delta_server.features.conflicts.service import DataType
from delta_server.features.sync import store
from delta_server.features.sync.people import store as people_store
from delta_server.features.sync.people.store import BEHIND_ALL, LEAST
from delta_server.features.sync.people.types_schemas import TypeChange
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.store import Collection
from delta_server.services import Services
from delta_server.storage.database import Tx

MOST_TYPES = 1000


class TypeSeen(msgspec.Struct, frozen=True):
    """A data type as it is set up, and what is in the space of whoever asks."""

    name: str
    kept: DataType | None
    collection: Collection | None


async def list_types(svc: Services, whose: Whose, prefix: str, *, above: str, limit: int) -> list[TypeSeen]:
    """Those that were set up, and those of the space, by name."""
    return await svc.db.read(_page, whose, prefix, above, limit)


def _page(tx: Tx, whose: Whose, prefix: str, above: str, limit: int) -> list[TypeSeen]:
    space = store.space(tx, whose.project, whose.owner)
    begin, below = above + LEAST if above else prefix, prefix + BEHIND_ALL
    kept = conflicts.types(tx, whose.project, begin, below, limit)
    found = [] if space is None else people_store.collections(tx, space.id, begin, below, limit)
    names = sorted({*(each.name for each in kept), *(collection.data_type for collection in found)})[:limit]
    return [_seen(tx, whose, space, name) for name in names]


def _seen(tx: Tx, whose: Whose, space: store.Space | None, name: str) -> TypeSeen:
    collection = None if space is None else store.collection(tx, space.id, name)
    return TypeSeen(name, conflicts.data_type(tx, whose.project, name), collection)


async def put_type(svc: Services, whose: Whose, name: str, change: TypeChange) -> TypeSeen:
    """Raises Invalid."""
    schema = change.schema
    text = await svc.cpu(record_schema.check, schema) if isinstance(schema, dict) else None

    def write(tx: Tx) -> TypeSeen:
        before = conflicts.data_type(tx, whose.project, name)
        if before is None and conflicts.count_types(tx, whose.project) >= MOST_TYPES:
            raise Invalid(f"a project has settings for {MOST_TYPES} data types at most")
        policy = change.conflicts if change.conflicts is not UNSET else before.conflicts if before else "last_write"
        kept = text if schema is not UNSET else before.schema if before else None
        conflicts.put_type(tx, whose.project, DataType(name, policy, kept, tx.now_ms))
        detail = {"conflicts": policy, "has_schema": kept is not None}
        audit.record_in(tx, whose.project, "sync_type.update", target=f"type {name}", name=name, detail=detail)
        return _seen(tx, whose, store.space(tx, whose.project, whose.owner), name)

    return await svc.db.write(write)
