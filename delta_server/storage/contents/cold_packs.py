"""Packs on their way into cold storage and back. Only `data` goes: anchors stay, so that what is new is encoded and the
newest document read without asking for anything."""

import msgspec

from delta_server.core.errors import Conflict
from delta_server.storage.cold import moving
from delta_server.storage.cold import store as cold
from delta_server.storage.cold.store import Place, Used
from delta_server.storage.contents import store as sql
from delta_server.storage.contents.content_store import ContentStore
from delta_server.storage.database import Tx, frees_space

LISTED_AT_ONCE = 100


class Round(msgspec.Struct):
    """Through all packs, a few in each turn: `after` is the last that was looked at."""

    after: int = 0


async def move(store: ContentStore, place: Place, round: Round, *, created_before: int, least: int, most: int) -> int:
    """Move packs of `least` bytes that were made before a time, about `most` bytes at once; how many bytes it was.

    Raises ColdStorageAway."""
    moved = 0
    while moved < most:
        found = await store.db.read(
            _packs_to_move,
            after=round.after,
            created_before=created_before,
            least_bytes=least,
            limit=LISTED_AT_ONCE,
        )
        for pack, endpoint in found:
            moved += await _move_one(store, place, endpoint, pack)
            round.after = pack
            if moved >= most:
                return moved
        if not found:
            round.after = 0
            break
    return moved


async def _move_one(store: ContentStore, place: Place, endpoint: int, pack: int) -> int:
    data, _ = await store.db.read(sql.pack_data, endpoint, pack)
    if not data:  # deleted meanwhile
        return 0
    object = await moving.upload(store.db, store.cold, store.spare_cpu, place, "pack", data)
    await store.db.write(_leave, endpoint, pack, object.id, len(data))
    return len(data)


@frees_space
def _leave(tx: Tx, endpoint: int, pack: int, object: int, size: int) -> None:
    """The object stays free where the pack was written anew meanwhile. Raises Conflict, which keeps the data, when the
    object is not free any more."""
    if _empty_pack(tx, endpoint, pack, size) and not cold.use_for_pack(tx, endpoint, pack, object):
        raise Conflict("what was written to cold storage is to be deleted: it is moved again later")


async def bring_back(store: ContentStore, used: Used) -> None:
    """Raises ColdStorageAway, PieceLost."""
    data = await moving.read_whole(store.cold, used.object)
    await store.db.write(_come_back, used.owner, used.number, used.object.id, data)
    store.cold.counts.returned_bytes += len(data)


def _come_back(tx: Tx, endpoint: int, pack: int, object: int, data: bytes) -> None:
    found = cold.of_pack(tx, endpoint, pack)
    if found is not None and found.id == object and _fill_pack(tx, endpoint, pack, data):
        cold.release(tx, object)


def _packs_to_move(tx: Tx, *, after: int, created_before: int, least_bytes: int, limit: int) -> list[tuple[int, int]]:
    """(pack, endpoint) of those made before a time whose data is here, by id."""
    sql = (
        "SELECT id, endpoint FROM pack WHERE id > ? AND created_at < ? AND length(data) >= max(1, ?)"
        " ORDER BY id LIMIT ?"
    )
    return [(row[0], row[1]) for row in tx.all(sql, after, created_before, least_bytes, limit)]


def _empty_pack(tx: Tx, endpoint: int, pack_id: int, size: int) -> bool:
    """Drop the data of a pack, of which there must be so much; what it takes all the same is counted."""
    sql = "UPDATE pack SET data = x'' WHERE id = ? AND endpoint = ? AND length(data) = ?"
    return tx.run(sql, pack_id, endpoint, size) == 1


def _fill_pack(tx: Tx, endpoint: int, pack_id: int, data: bytes) -> bool:
    """Give an emptied pack its data again."""
    sql = "UPDATE pack SET data = ? WHERE id = ? AND endpoint = ? AND length(data) = 0"
    return tx.run(sql, data, pack_id, endpoint) == 1
