"""The records of erasures."""

import msgspec

from delta_server.storage.database import Tx


class Erasure(msgspec.Struct, frozen=True):
    """The record. Times are in ms; until it is `done`, the job of the same uid tells how far it has come."""

    id: int
    uid: bytes
    requested_at: int
    state: str
    finished_at: int | None
    segments_done: int
    segments_total: int
    events_erased: int
    error: str | None


_COLUMNS = "id, uid, requested_at, state, finished_at, segments_done, segments_total, events_erased, error"


def insert(tx: Tx, project: int, uid: bytes, *, digest: bytes, by: str) -> None:
    tx.run(
        "INSERT INTO erasure (uid, project, digest, names, requested_at, requested_by, state)"
        " VALUES (?, ?, ?, '[]', ?, ?, 'waiting')",
        uid,
        project,
        digest,
        tx.now_ms,
        by,
    )


def find(tx: Tx, project: int, uid: bytes) -> Erasure | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM erasure WHERE project = ? AND uid = ?", project, uid)
    return Erasure(*row) if row else None


def page(tx: Tx, project: int, *, before: int, limit: int) -> list[Erasure]:
    """Newest first."""
    sql = f"SELECT {_COLUMNS} FROM erasure WHERE project = ? AND id < ? ORDER BY id DESC LIMIT ?"
    return [Erasure(*row) for row in tx.all(sql, project, before, limit)]


def add_erased(tx: Tx, project: int, uid: bytes, events: int) -> None:
    """So many more events are gone."""
    tx.run("UPDATE erasure SET events_erased = events_erased + ? WHERE project = ? AND uid = ?", events, project, uid)


def finish(tx: Tx, project: int, uid: bytes, *, done: int, total: int) -> None:
    tx.run(
        "UPDATE erasure SET state = 'done', finished_at = ?, segments_done = ?, segments_total = ?, error = NULL"
        " WHERE project = ? AND uid = ?",
        tx.now_ms,
        done,
        total,
        project,
        uid,
    )


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    """Delete up to `limit` records of a deleted project; False when there are none."""
    return (
        tx.run(
            "DELETE FROM erasure WHERE project = ? AND id IN (SELECT id FROM erasure WHERE project = ? LIMIT ?)",
            project,
            project,
            limit,
        )
        > 0
    )
