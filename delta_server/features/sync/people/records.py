"""Records as they are and as they were, and spaces."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec

from delta_server.core.errors import Invalid, NotFound
from delta_server.core.sync.changes import Prepared
from delta_server.core.sync.judging import DELETED, JSON
from delta_server.features.audit import service as audit
from delta_server.features.conflicts import service as conflicts
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas.service import Compared, FormatOrRows, RowOptions
from delta_server.features.devices import service as devices
from delta_server.features.sync import checking, store
from delta_server.features.sync.committing import commit, limits_of
from delta_server.features.sync.people import store as people_store
from delta_server.features.sync.people.store import BEHIND_ALL, LEAST, SpaceRow, Version
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.store import Change, Collection, Space
from delta_server.features.sync.writing import Limits, Writing
from delta_server.services import Services
from delta_server.storage.database import Tx

MOST_BYTES = 4 << 20
"""Of the records on a page: one that has more ends there."""
_ROWS_AT_ONCE = {True: 20, False: 200}
"""With their contents, and without."""
_LOOKED_AT = 2000
"""Deletions for a page of those with a prefix."""


Comparing: TypeAlias = tuple[FormatOrRows, RowOptions]


class Versions(msgspec.Struct, frozen=True):
    """`device_ids` by their rows; `last` is the one behind which there is more."""

    found: Sequence[Version]
    device_ids: Mapping[int, str]
    last: Change | None


async def list_records(
    svc: Services, whose: Whose, data_type: str, prefix: str, *, above: str, limit: int, content: bool
) -> Versions:
    """Those that are there, by id; the deleted ones among them are to be left out."""

    def read(tx: Tx) -> Versions:
        place = _place(tx, whose, data_type)
        if place is None:
            return Versions([], {}, None)
        heads = (shown(tx, *place, head, content=content) for head in _heads(tx, *place, prefix, above, content))
        return _page(tx, place[0], (head for head in heads if head is not None), limit)

    return await svc.db.read(read)


def _heads(tx: Tx, space: Space, collection: Collection, prefix: str, above: str, content: bool) -> Iterator[Version]:
    begin, below, rows_at_once = above + LEAST if above else prefix, prefix + BEHIND_ALL, _ROWS_AT_ONCE[content]
    while rows := people_store.heads_by_id(tx, space.id, collection.id, begin, below, rows_at_once, content=content):
        yield from rows
        begin = rows[-1].change.record_id + LEAST


async def list_deleted(
    svc: Services, whose: Whose, data_type: str, prefix: str, *, before: int, limit: int
) -> Versions:
    """Deletions that are remembered, the newest first. A page may be short, even empty, with more behind it."""

    def read(tx: Tx) -> Versions:
        place = _place(tx, whose, data_type)
        if place is None:
            return Versions([], {}, None)
        space, collection = place
        looked_at = people_store.tombstones_before(
            tx, space.id, collection.id, min(before, space.seq + 1), _LOOKED_AT + 1
        )
        is_cut = len(looked_at) > _LOOKED_AT
        fitting = [version for version in looked_at[:_LOOKED_AT] if version.change.record_id.startswith(prefix)]
        if len(fitting) > limit:
            return Versions(fitting[:limit], devices.device_ids(tx, space.id), fitting[limit - 1].change)
        last = looked_at[_LOOKED_AT - 1].change if is_cut else None
        return Versions(fitting, devices.device_ids(tx, space.id), last)

    return await svc.db.read(read)


def _page(tx: Tx, space: Space, versions: Iterator[Version], limit: int) -> Versions:
    found: list[Version] = []
    size = 0
    for version in versions:
        if len(found) >= limit or size > MOST_BYTES:
            return Versions(found, devices.device_ids(tx, space.id), found[-1].change)
        size += len(version.change.content or b"")
        found.append(version)
    return Versions(found, devices.device_ids(tx, space.id), None)


def _place(tx: Tx, whose: Whose, data_type: str) -> tuple[Space, Collection] | None:
    space = store.space(tx, whose.project, whose.owner)
    collection = None if space is None else store.collection(tx, space.id, data_type)
    return None if space is None or collection is None else (space, collection)


def _head(tx: Tx, whose: Whose, data_type: str, record_id: str) -> tuple[Space, Collection, Change]:
    """Raises NotFound."""
    place = _place(tx, whose, data_type)
    head = None if place is None else store.head(tx, place[0].id, place[1].id, record_id)
    found = None if place is None or head is None else shown(tx, *place, Version(head, 0), content=True)
    if place is None or found is None:
        raise NotFound(f"there is no such record: GET /v1/sync/{data_type}/records lists them")
    return *place, found.change


async def record(svc: Services, whose: Whose, data_type: str, record_id: str, version: int | None) -> Versions:
    """Its newest version, a deletion perhaps, or one that is kept. Raises NotFound."""

    def read(tx: Tx) -> Versions:
        space, collection, found = _head(tx, whose, data_type, record_id)
        if version is not None and version != found.seq:
            found = _kept(tx, space, collection, record_id, version)
        return Versions([Version(found, len(found.content or b""))], devices.device_ids(tx, space.id), None)

    return await svc.db.read(read)


def _kept(tx: Tx, space: Space, collection: Collection, record_id: str, version: int) -> Change:
    """Raises NotFound."""
    found = store.version(tx, space.id, collection.id, version)
    if found is None or found.record_id != record_id or version > space.seq:
        raise NotFound("the record has no such version any more: its history lists those that are kept")
    return found


async def history(
    svc: Services, whose: Whose, data_type: str, record_id: str, *, below: int | None, limit: int, content: bool
) -> Versions:
    """The versions that are kept, the newest first, from the one before `below`. Raises NotFound."""

    def read(tx: Tx) -> Versions:
        space, collection, newest = _head(tx, whose, data_type, record_id)
        first: int | None = newest.seq
        if below is not None:
            known = store.version(tx, space.id, collection.id, below)
            first = None if known is None or known.record_id != record_id else known.previous
        return _page(tx, space, _chain(tx, space, collection, first, content), limit)

    return await svc.db.read(read)


def _chain(tx: Tx, space: Space, collection: Collection, seq: int | None, content: bool) -> Iterator[Version]:
    while seq is not None and (version := people_store.version(tx, space.id, collection.id, seq, content=content)):
        yield version
        seq = version.change.previous


def shown(tx: Tx, space: Space, collection: Collection, version: Version | None, *, content: bool) -> Version | None:
    """The version itself, or the last before it that is not hidden."""
    while version is not None and version.change.seq > space.seq:
        before = version.change.previous
        version = None if before is None else people_store.version(tx, space.id, collection.id, before, content=content)
    return version


async def compare(
    svc: Services, whose: Whose, data_type: str, record_id: str, versions: tuple[int, int], wanted: Comparing
) -> Compared:
    """Two versions that are kept. Raises NotFound, Invalid."""

    def read(tx: Tx) -> list[Change]:
        space, collection, _ = _head(tx, whose, data_type, record_id)
        return [_kept(tx, space, collection, record_id, version) for version in versions]

    before, after = await svc.db.read(read)
    for name, change in (("from_version", before), ("to_version", after)):
        if change.kind != JSON or change.content is None:
            kind = "a deletion" if change.kind == DELETED else "encrypted"
            raise Invalid(f"version {change.seq} is {kind}: only JSON can be compared", field=name)
    of = ("records", before.checksum, after.checksum)
    texts = before.content or b"", after.content or b""
    return await deltas.compare_texts(svc, whose.project, of, texts, *wanted)


async def restore(svc: Services, whose: Whose, data_type: str, record_id: str, version: int) -> int:
    """The record's version then: a new one, unless it is like that. Raises NotFound, Invalid, QuotaExceeded."""
    old = await svc.db.read(_old, whose, data_type, record_id, version)
    change = Prepared("", record_id, old.kind, old.content, old.checksum, updated_at=old.updated_at)
    await checking.one(svc, whose.project, data_type, change)
    return await commit(svc, whose, _restore, data_type, change, version, limits_of(svc, whose))


def _old(tx: Tx, whose: Whose, data_type: str, record_id: str, version: int) -> Change:
    """Raises NotFound, Invalid."""
    space, collection, _ = _head(tx, whose, data_type, record_id)
    old = _kept(tx, space, collection, record_id, version)
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
