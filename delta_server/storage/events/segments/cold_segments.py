"""Segments on their way into cold storage and back: their files go, their rows stay with all that queries choose by."""

import msgspec
import structlog

from delta_server.core.errors import Conflict
from delta_server.core.packs import codec
from delta_server.storage import large_files
from delta_server.storage.cold import moving
from delta_server.storage.cold import store as cold
from delta_server.storage.cold.pieces import ColdPieces
from delta_server.storage.cold.store import Place, Used
from delta_server.storage.database import Database, Threads, Tx, frees_space
from delta_server.storage.events.segments import parts
from delta_server.storage.events.segments.parts import WithFile

LISTED_AT_ONCE = 100

log = structlog.get_logger()


class Due(msgspec.Struct, frozen=True):
    id: int
    project: int
    size: int
    hash: bytes


class ColdSegments:
    """`after` is the last segment that was looked at: the next turn goes on behind it."""

    def __init__(self, db: Database, pieces: ColdPieces, cpu: Threads) -> None:
        self._db = db
        self._pieces = pieces
        self._cpu = cpu
        self._after = 0

    async def move(self, place: Place, *, created_before: int, least: int, most: int) -> int:
        """As `move` of packs (storage/contents/cold_packs.py); only what is in the rollups, which need it no more."""
        moved = 0
        while moved < most:
            found = await self._db.read(_due, self._after, created_before, least)
            if not found:
                self._after = 0
                break
            for due in found:
                moved += await self._move_one(place, due)
                self._after = due.id
                if moved >= most:
                    break
        return moved

    async def _move_one(self, place: Place, due: Due) -> int:
        data = await self._db.read(_bytes, due)
        if data is None:  # merged, or expired, meanwhile
            return 0
        if await self._cpu(codec.digest, data) != due.hash:
            log.error("a segment that is damaged stays where it is", segment=due.id, project=due.project)
            return 0
        object = await moving.upload(self._db, self._pieces, self._cpu, place, "segment", data, project=due.project)
        await self._db.write(_leave, due, object.id)
        return due.size

    async def bring_back(self, used: Used) -> None:
        """Raises ColdStorageAway, PieceLost."""
        data = await moving.read_whole(self._pieces, used.object)
        async with parts.stored(self._db, [WithFile(parquet=data)]) as [file]:
            await self._db.write(_come_back, used.owner, used.number, used.object.id, file)
        self._pieces.counts.returned_bytes += len(data)


def _due(tx: Tx, after: int, created_before: int, least: int) -> list[Due]:
    rows = tx.all(
        "SELECT id, project, stored_bytes, hash FROM segment WHERE id > ? AND created_at < ? AND rolled = 1"
        " AND stored_bytes >= ? AND last_seq IS NOT NULL AND hash IS NOT NULL"
        f" AND NOT {cold.IS_MOVED} ORDER BY id LIMIT ?",
        after, created_before, least, LISTED_AT_ONCE,
    )  # fmt: skip
    return [Due(*row) for row in rows]


def _bytes(tx: Tx, due: Due) -> bytes | None:
    row = tx.one("SELECT file FROM segment WHERE id = ? AND project = ?", due.id, due.project)
    if row is None:
        return None
    if row[0] is None:
        found = tx.one("SELECT parquet FROM segment_data WHERE segment = ?", due.id)
        return None if found is None else bytes(found[0])
    data = large_files.read(tx, row[0])
    return data if len(data) == due.size else None


@frees_space
def _leave(tx: Tx, due: Due, object: int) -> None:
    """The object goes soon where the segment is gone, of an erased person say, or is there already. Raises Conflict,
    which keeps the file, when the object is not free any more."""
    row = tx.one("SELECT 1 FROM segment WHERE id = ? AND project = ?", due.id, due.project)
    if row is None or cold.of_segment(tx, due.project, due.id) is not None:
        cold.doom(tx, due.project, object, tx.now_ms + moving.LEAST_WAIT_MS)
        return
    parts.delete(tx, "segment", due.project, str(due.id))
    tx.run("UPDATE segment SET file = NULL WHERE id = ? AND project = ?", due.id, due.project)
    if not cold.use_for_segment(tx, due.project, due.id, object):
        raise Conflict("what was written to cold storage is to be deleted: it is moved again later")


def _come_back(tx: Tx, project: int, segment: int, object: int, new: WithFile) -> None:
    found = cold.of_segment(tx, project, segment)
    if found is None or found.id != object:
        return
    parts.insert(tx, "segment", segment, new)
    file = None if new.file is None else new.file.file
    tx.run("UPDATE segment SET file = ? WHERE id = ? AND project = ?", file, segment, project)
    cold.release(tx, object)
