"""Records as they are and as they were, and spaces."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from delta_server.core.errors import Invalid, NotFound
from delta_server.core.sync.changes import Prepared
from delta_server.core.sync.judging import DELETED
from delta_server.features.audit import service as audit
from delta_server.features.conflicts import service as conflicts
from delta_server.features.devices import service as devices
from delta_server.features.sync import checking, store
from delta_server.features.sync.committing import commit, limits_of
from delta_server.features.sync.people import store as people_store
from delta_server.features.sync.people.store import SpaceRow
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.store import Change, Collection, Space
from delta_server.features.sync.writing import Limits, Writing
from delta_server.services import Services
from delta_server.storage.database import Tx

MOST_BYTES = 4 << 20
"""Of the records on a page: one that has more ends there."""
_ROWS_AT_ONCE = 20
_LEAST = "\0"
_BEHIND_ALL = "\U0010ffff"


class Versions(msgspec.Struct, frozen=True):
    """`device_ids` by their rows; `last` is the one behind which there is more."""

    found: Sequence[Change]
    device_ids: Mapping[int, str]
    last: Change | None


async def list_records(svc: Services, whose: Whose, data_type: str, prefix: str, *, above: str, limit: int) -> Versions:
    """Those that are there, by id."""
    return await svc.db.read(_records, whose, data_type, prefix, above, limit)


def _records(tx: Tx, whose: Whose, data_type: str, prefix: str, above: str, limit: int) -> Versions:
    place = _place(tx, whose, data_type)
    if place is None:
        return Versions([], {}, None)
    space, collection = place
    heads = (_shown(tx, space, collection, head) for head in _heads(tx, space, collection, prefix, above))
    return _page(tx, space, (head for head in heads if head is not None), limit)


def _heads(tx: Tx, space: Space, collection: Collection, prefix: str, above: str) -> Iterator[Change]:
    begin = above + _LEAST if above else prefix
    while rows := people_store.heads_by_id(tx, space.id, collection.id, begin, prefix + _BEHIND_ALL, _ROWS_AT_ONCE):
        yield from rows
        begin = rows[-1].record_id + _LEAST


def _page(tx: Tx, space: Space, versions: Iterator[Change], limit: int) -> Versions:
    found: list[Change] = []
    last, size = None, 0
    for looked_at, version in enumerate(versions):
        if looked_at >= limit or size > MOST_BYTES:
            return Versions(found, devices.device_ids(tx, space.id), last)
        last = version
        size += len(version.content or b"")
        found.append(version)
    return Versions(found, devices.device_ids(tx, space.id), None)


def _place(tx: Tx, whose: Whose, data_type: str) -> tuple[Space, Collection] | None:
    space = store.space(tx, whose.project, whose.owner)
    collection = None if space is None else store.collection(tx, space.id, data_type)
    return None if space is None or collection is None else (space, collection)


def _head(tx: Tx, whose: Whose, data_type: str, record_id: str) -> tuple[Space, Collection, Change]:
    """Raises NotFound."""
    place = _place(tx, whose, data_type)
    found = None if place is None else _shown(tx, *place, store.head(tx, place[0].id, place[1].id, record_id))
    if place is None or found is None:
        raise NotFound("there is no such record: GET /v1/sync/{data_type}/records lists them")
    return *place, found


async def record(svc: Services, whose: Whose, data_type: str, record_id: str) -> Versions:
    """Its newest version, a deletion perhaps. Raises NotFound."""

    def read(tx: Tx) -> Versions:
        space, _, found = _head(tx, whose, data_type, record_id)
        return Versions([found], devices.device_ids(tx, space.id), None)

    return await svc.db.read(read)


async def history(
    svc: Services, whose: Whose, data_type: str, record_id: str, *, below: int | None, limit: int
) -> Versions:
    """The versions that are kept, the newest first, from the one before `below`. Raises NotFound."""

    def read(tx: Tx) -> Versions:
        space, collection, newest = _head(tx, whose, data_type, record_id)
        first: Change | None = newest
        if below is not None:
            known = store.version(tx, space.id, collection.id, below)
            first = None if known is None or known.record_id != record_id else _before(tx, space, collection, known)
        return _page(tx, space, _chain(tx, space, collection, first), limit)

    return await svc.db.read(read)


def _chain(tx: Tx, space: Space, collection: Collection, version: Change | None) -> Iterator[Change]:
    while version is not None:
        yield version
        version = _before(tx, space, collection, version)


def _shown(tx: Tx, space: Space, collection: Collection, version: Change | None) -> Change | None:
    """The version itself, or the last before it that is not hidden."""
    while version is not None and version.seq > space.seq:
        version = _before(tx, space, collection, version)
    return version


def _before(tx: Tx, space: Space, collection: Collection, version: Change) -> Change | None:
    return None if version.previous is None else store.version(tx, space.id, collection.id, version.previous)


async def restore(svc: Services, whose: Whose, data_type: str, record_id: str, version: int) -> int:
    """The record's version then: a new one, unless it is like that. Raises NotFound, Invalid, QuotaExceeded."""
    old = await svc.db.read(_old, whose, data_type, record_id, version)
    change = Prepared("", record_id, old.kind, old.content, old.checksum, updated_at=old.updated_at)
    await checking.one(svc, whose.project, data_type, change)
    return await commit(svc, whose, _restore, data_type, change, version, limits_of(svc))


def _old(tx: Tx, whose: Whose, data_type: str, record_id: str, version: int) -> Change:
    """Raises NotFound, Invalid."""
    space, collection, _ = _head(tx, whose, data_type, record_id)
    old = store.version(tx, space.id, collection.id, version)
    if old is None or old.record_id != record_id:
        raise NotFound("the record has no such version any more: its history lists those that are kept")
    if old.kind == DELETED:
        raise Invalid("that version is a deletion: push one, or restore a version before it", field="version")
    return old


def _restore(tx: Tx, whose: Whose, data_type: str, change: Prepared, version: int, limits: Limits) -> int:
    space, collection, head = _head(tx, whose, data_type, change.record_id)
    if (head.kind, head.checksum) == (change.kind, change.checksum):
        return head.seq
    writing = Writing(tx, space, collection, None)
    writing.look([change.record_id])
    now = writing.apply(change)
    writing.finish(limits)
    detail = {"space": whose.owner, "data_type": data_type, "from": version, "version": now}
    audit.record_in(tx, whose.project, "sync_record.restore", target=f"record {change.record_id}", detail=detail)
    return now


class SpaceSeen(msgspec.Struct, frozen=True):
    row: SpaceRow
    devices: int
    conflicts: int


async def list_spaces(svc: Services, project: int, q: str, *, before: tuple[int, int], limit: int) -> list[SpaceSeen]:
    """All of a project, those that changed last first."""
    return await svc.db.read(_spaces, project, q, before, limit)


def _spaces(tx: Tx, project: int, q: str, before: tuple[int, int], limit: int) -> list[SpaceSeen]:
    return [
        SpaceSeen(row, devices.count_devices(tx, row.id), conflicts.count_waiting(tx, row.id))
        for row in people_store.spaces(tx, project, q, before, limit)
    ]
