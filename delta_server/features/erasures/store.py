"""Erasures: the jobs, and their records afterwards."""

import msgspec

from delta_server.storage.database import Row, Tx


class Erasure(msgspec.Struct, frozen=True):
    """Times are in ms; `names` is JSON of all ids of the person (core/events/persons.py), `[]` once it is done. `error`
    is why it failed the last time."""

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
    error: str | None


_COLUMNS = (
    "id, uid, project, names, requested_at, state, finished_at, segments_done, segments_total, events_erased, error"
)
_OPEN = "erasure INDEXED BY erasure_open"


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
    """The oldest job of any project that is not done, of those with a higher id than `after`."""
    sql = f"SELECT {_COLUMNS} FROM {_OPEN} WHERE state <> 'done' AND id > ? ORDER BY id LIMIT 1"
    return _erasure(tx.one(sql, after))


def begin(tx: Tx, project: int, job: int) -> None:
    """Nothing is added to its `names` from now on."""
    tx.run("UPDATE erasure SET state = 'running', error = NULL WHERE project = ? AND id = ?", project, job)


def progress(tx: Tx, project: int, job: int, *, done: int, total: int, erased: int) -> None:
    """`erased` more events are gone."""
    tx.run(
        "UPDATE erasure SET segments_done = ?, segments_total = ?, events_erased = events_erased + ?"
        " WHERE project = ? AND id = ?",
        done,
        total,
        erased,
        project,
        job,
    )


def finish(tx: Tx, project: int, job: int) -> None:
    tx.run(
        "UPDATE erasure SET state = 'done', names = '[]', finished_at = ? WHERE project = ? AND id = ?",
        tx.now_ms,
        project,
        job,
    )


def fail(tx: Tx, project: int, job: int, *, error: str) -> None:
    tx.run("UPDATE erasure SET state = 'failed', error = ? WHERE project = ? AND id = ?", error, project, job)


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
