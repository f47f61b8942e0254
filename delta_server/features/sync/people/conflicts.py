"""Changes that met a newer version of their record, side by side, until somebody chooses."""

from collections.abc import Mapping, Sequence

import msgspec

from delta_server.core import ids
from delta_server.core.errors import Invalid, NotFound, Refused
from delta_server.core.sync import merging
from delta_server.core.sync.changes import Prepared
from delta_server.core.sync.digest import checksum_of, id_hash
from delta_server.core.sync.judging import DELETED, JSON
from delta_server.core.sync.merging import Merge, Picks
from delta_server.features.conflicts import service as conflicts
from delta_server.features.conflicts.service import Conflict
from delta_server.features.devices import service as devices
from delta_server.features.sync import checking, store
from delta_server.features.sync.committing import commit, limits_of
from delta_server.features.sync.people import store as people_store
from delta_server.features.sync.people.conflicts_schemas import Choice
from delta_server.features.sync.people.records import shown
from delta_server.features.sync.people.store import Version
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.store import Change, Collection, Space
from delta_server.features.sync.writing import Limits, Writing
from delta_server.services import Services
from delta_server.storage.database import Tx

MOST_BYTES = 4 << 20
"""Of the versions on a page: one that has more ends there."""
_LOOKED_AT = 1000


class Pair(msgspec.Struct, frozen=True):
    """`buried` is the version of the record's deletion where that is all that is left of it, and `server` is None."""

    conflict: Conflict
    data_type: str
    base: Change | None
    server: Change | None
    buried: int | None = None


class Found(msgspec.Struct, frozen=True):
    """`device_ids` by their rows; `next` is the row behind which there is more."""

    pairs: Sequence[Pair]
    device_ids: Mapping[int, str]
    next: int | None


async def list_conflicts(
    svc: Services, whose: Whose, data_type: str | None, *, above: int, limit: int
) -> tuple[Found, Sequence[Merge | None]]:
    """Those that wait, the oldest first."""
    found = await svc.db.read(_page, whose, data_type, above, limit)
    sides = [_sides(pair) for pair in found.pairs]
    size = sum(len(side) for three in sides if three is not None for side in three)
    return found, await svc.cpu_for(size)(proposals, sides)


def _page(tx: Tx, whose: Whose, data_type: str | None, above: int, limit: int) -> Found:
    space = store.space(tx, whose.project, whose.owner)
    pairs: list[Pair] = []
    size = looked_at = 0
    while space is not None and (conflict := conflicts.next_conflict(tx, space.id, above)) is not None:
        if len(pairs) >= limit or size > MOST_BYTES or looked_at >= _LOOKED_AT:
            return Found(pairs, devices.device_ids(tx, space.id), above)
        above = conflict.id
        looked_at += 1
        pair = _pair(tx, space, conflict)
        if data_type is None or pair.data_type == data_type:
            pairs.append(pair)
            size += sum(len(each.content or b"") for each in (conflict, pair.base, pair.server) if each is not None)
    return Found(pairs, {} if space is None else devices.device_ids(tx, space.id), None)


def _pair(tx: Tx, space: Space, conflict: Conflict) -> Pair:
    collection = _collection(tx, space, conflict)
    base = None if conflict.base is None else store.version(tx, space.id, collection.id, conflict.base)
    if base is not None and (base.record_id != conflict.record_id or base.seq > space.seq):
        base = None
    server, hashed = _server(tx, space, collection, conflict.record_id), id_hash(conflict.record_id)
    buried = None if server is not None else store.graves(tx, collection.id, [hashed]).get(hashed)
    return Pair(conflict, collection.data_type, base, server, buried)


def _server(tx: Tx, space: Space, collection: Collection, record_id: str) -> Change | None:
    """Its newest version that may be seen."""
    head = store.head(tx, space.id, collection.id, record_id)
    found = None if head is None else shown(tx, space, collection, Version(head, 0), content=True)
    return None if found is None else found.change


def _collection(tx: Tx, space: Space, conflict: Conflict) -> Collection:
    found = people_store.collection_of(tx, space.id, conflict.collection)
    assert found is not None, "collections go with their space"
    return found


def _sides(pair: Pair) -> tuple[bytes, bytes, bytes] | None:
    """What can be merged: base, server, device."""
    three = (pair.base, pair.server, pair.conflict)
    contents = [each.content for each in three if each is not None and each.kind == JSON]
    found = [content for content in contents if content is not None]
    return (found[0], found[1], found[2]) if len(found) == len(three) else None


def proposals(sides: Sequence[tuple[bytes, bytes, bytes] | None]) -> list[Merge | None]:
    return [None if three is None else merging.merge(*three) for three in sides]


async def choose(svc: Services, whose: Whose, id: str, choice: Choice) -> int:
    """The record's version then. Raises NotFound, Invalid for what does not fit the schema, Refused when the record
    has changed since."""
    merged, content = None, choice.merged
    if choice.picks is not None:
        content = await _picked(svc, whose, id, choice.server_version, choice.picks)
    if content is not None:
        data_type = svc.db.peek(_type_of, whose, id)
        merged = Prepared("", "", JSON, content, checksum_of(content))
        merged = await checking.one(svc, whose.project, data_type, merged)
    return await commit(svc, whose, _choose, id, choice, merged, limits_of(svc, whose))


async def _picked(svc: Services, whose: Whose, id: str, server_version: int, picks: Picks) -> bytes | None:
    """The proposal with the chosen sides; None when the record has changed since. Raises NotFound, Invalid."""
    pair = await svc.db.read(lambda tx: _pair(tx, *_find(tx, whose, id)))
    if pair.server is None or pair.server.seq != server_version:
        return None
    sides = _sides(pair)
    if sides is None:
        raise Invalid("the versions cannot be merged: take one of them, or send data", field="picks")
    found = await svc.cpu_for(sum(map(len, sides)))(merging.merge, *sides, picks)
    if left := [path for path in found.open if path not in picks]:
        raise Invalid(f"choose a side for {left[0]!r} too", field="picks")
    if unknown := picks.keys() - found.open:
        raise Invalid(f"{min(unknown)!r} is no place in `open`: there is nothing to choose", field="picks")
    return found.data


def _type_of(tx: Tx, whose: Whose, id: str) -> str:
    """Raises NotFound."""
    space, conflict = _find(tx, whose, id)
    return _collection(tx, space, conflict).data_type


def _choose(tx: Tx, whose: Whose, id: str, choice: Choice, merged: Prepared | None, limits: Limits) -> int:
    space, conflict = _find(tx, whose, id)
    writing = Writing(tx, space, _collection(tx, space, conflict), None)
    writing.look([conflict.record_id])
    head = writing.head(conflict.record_id)
    was_not_merged = choice.take == "merge" and merged is None
    if head is None or head.seq != choice.server_version or was_not_merged:
        server = msgspec.UNSET if head is None else writing.record(conflict.record_id, head.seq)
        raise Refused(
            "the record has changed since it was looked at: choose again, with `server` of this answer",
            members={} if server is msgspec.UNSET else {"server": server},
        )
    version = head.seq
    new = merged or conflict
    is_same = new.kind == head.kind and (new.kind == DELETED or new.checksum == head.checksum)
    if choice.take != "server" and not is_same:
        version = writing.apply(
            Prepared(
                conflict.change_id, conflict.record_id, new.kind, new.content, new.checksum, head.seq, new.updated_at
            )
        )
        writing.finish(limits)
    conflicts.resolve(tx, space.id, conflict.id, version)
    return version


def _find(tx: Tx, whose: Whose, id: str) -> tuple[Space, Conflict]:
    """Raises NotFound."""
    space = store.space(tx, whose.project, whose.owner)
    uid = ids.try_parse(id)
    found = None if space is None or uid is None else conflicts.conflict(tx, space.id, uid)
    if space is None or found is None:
        raise NotFound("there is no such conflict, or a choice was made: GET /v1/sync/conflicts lists those that wait")
    return space, found


def pushed(conflict: Conflict) -> Change:
    """What the device pushed, as a version of its record."""
    return Change(
        conflict.base or 0,
        conflict.record_id,
        conflict.kind,
        conflict.content,
        conflict.checksum,
        conflict.device,
        conflict.base,
        conflict.updated_at,
        conflict.created_at,
    )
