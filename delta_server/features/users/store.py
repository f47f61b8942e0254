"""Erasures: the jobs, and their records afterwards."""

import msgspec

from delta_server.storage.database import Row, Tx


class Erasure(msgspec.Struct, frozen=True):
    """Times are in ms; `names` is a JSON list of all ids of the person, empty once it is done."""

    id: int
    uid: bytes
    project: int
    names: str
    requested_at: int
    state: str
    finished_at: int | None
    segments_done: int
    segments_total: int
    events_erased: int


_COLUMNS = "id, uid, project, names, requested_at, state, finished_at, segments_done, segments_total, events_erased"


def insert(tx: Tx, project: int, *, digest: bytes, names: str, by: str) -> bytes:
    """The new job's uid."""
    uid = tx.new_id()
    tx.run(
        "INSERT INTO erasure (uid, project, digest, names, requested_at, requested_by, state)"
        " VALUES (?, ?, ?, ?, ?, ?, 'waiting')",
        uid,
        project,
        digest,
        names,
        tx.now_ms,
        by,
    )
    return uid


def find(tx: Tx, project: int, uid: bytes) -> Erasure | None:
    return _erasure(tx.one(f"SELECT {_COLUMNS} FROM erasure WHERE project = ? AND uid = ?", project, uid))


def waiting_for(tx: Tx, project: int, digest: bytes) -> Erasure | None:
    """The job for the same person that has not begun yet."""
    sql = f"SELECT {_COLUMNS} FROM erasure WHERE project = ? AND digest = ? AND state = 'waiting'"
    return _erasure(tx.one(sql, project, digest))


def page(tx: Tx, project: int, *, before: int, limit: int) -> list[Erasure]:
    """Newest first."""
    sql = f"SELECT {_COLUMNS} FROM erasure WHERE project = ? AND id < ? ORDER BY id DESC LIMIT ?"
    return [Erasure(*row) for row in tx.all(sql, project, before, limit)]


def set_names(tx: Tx, project: int, job: int, *, names: str) -> None:
    tx.run("UPDATE erasure SET names = ? WHERE project = ? AND id = ?", names, project, job)


def next_open(tx: Tx, after: int) -> Erasure | None:
    """The oldest job of any project that is to be done, of those with a higher id than `after`."""
    sql = f"SELECT {_COLUMNS} FROM erasure WHERE state IN ('waiting', 'running') AND id > ? ORDER BY id LIMIT 1"
    return _erasure(tx.one(sql, after))


def begin(tx: Tx, project: int, job: int) -> str:
    """Its `names`, to which nothing is added from now on."""
    tx.run("UPDATE erasure SET state = 'running' WHERE project = ? AND id = ?", project, job)
    row = tx.one("SELECT names FROM erasure WHERE project = ? AND id = ?", project, job)
    return row[0] if row else "[]"


def tell(tx: Tx, project: int, job: int, *, done: int, total: int) -> None:
    tx.run(
        "UPDATE erasure SET segments_done = ?, segments_total = ? WHERE project = ? AND id = ?",
        done,
        total,
        project,
        job,
    )


def finish(tx: Tx, project: int, job: int, *, erased: int) -> None:
    tx.run(
        "UPDATE erasure SET state = 'done', names = '[]', finished_at = ?, events_erased = events_erased + ?"
        " WHERE project = ? AND id = ?",
        tx.now_ms,
        erased,
        project,
        job,
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


def _erasure(row: Row | None) -> Erasure | None:
    return Erasure(*row) if row else None
