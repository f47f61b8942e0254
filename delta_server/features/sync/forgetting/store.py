"""What is forgotten of spaces: in time, and with their project."""

from collections.abc import Sequence

from delta_server.core.sync.judging import DELETED
from delta_server.storage.database import LISTED, Tx, frees_space, listed


def spaces_after(tx: Tx, space: int, limit: int) -> list[tuple[int, int]]:
    """Ids and sequence numbers of the next spaces."""
    return tx.all("SELECT id, seq FROM sync_space AS space WHERE space.id > ? ORDER BY id LIMIT ?", space, limit)


@frees_space
def delete_superseded(tx: Tx, space: int, until: int, limit: int) -> int:
    """Versions that were replaced by those up to `until`; how many it was."""
    return tx.run(
        "DELETE FROM sync_change WHERE space = ? AND seq IN (SELECT seq FROM sync_change WHERE space = ?"
        " AND superseded_by IS NOT NULL AND superseded_by <= ? LIMIT ?)",
        space,
        space,
        until,
        limit,
    )


def old_tombstones(tx: Tx, space: int, collection: int, until: int, limit: int) -> list[tuple[int, str]]:
    """Sequence numbers and records of deletions up to `until`, in order."""
    rows = tx.all(
        f"SELECT seq, record_id FROM sync_change WHERE space = ? AND collection = ? AND superseded_by IS NULL"
        f" AND kind = {DELETED} AND seq <= ? ORDER BY seq LIMIT ?",
        space,
        collection,
        until,
        limit,
    )
    return [(seq, record_id) for seq, record_id in rows]


def still_tombstones(tx: Tx, space: int, seqs: Sequence[int]) -> dict[int, int]:
    """When they were made, by their numbers."""
    sql = f"SELECT seq, changed_at FROM sync_change WHERE space = ? AND seq IN {LISTED} AND superseded_by IS NULL"
    return dict(tx.all(sql, space, listed(seqs)))


def bury(tx: Tx, space: int, collection: int, deleted: Sequence[tuple[int, bytes]], newest_at: int) -> None:
    """Forget tombstones but for the hashes of their records' ids, given with their numbers, in order; the newest is of
    `newest_at`."""
    tx.many(
        "INSERT INTO sync_grave (collection, id_hash, seq) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET seq = excluded.seq",
        [(collection, id_hash, seq) for seq, id_hash in deleted],
    )
    tx.many("DELETE FROM sync_change WHERE space = ? AND seq = ?", [(space, seq) for seq, _ in deleted])
    tx.run(
        "UPDATE sync_collection SET horizon = ?, horizon_at = ?, tombstones = tombstones - ? WHERE space = ?"
        " AND id = ?",
        deleted[-1][0],
        newest_at,
        len(deleted),
        space,
        collection,
    )


def any_space(tx: Tx, project: int) -> int | None:
    row = tx.one("SELECT id FROM sync_space WHERE project = ? LIMIT 1", project)
    return None if row is None else row[0]


@frees_space
def delete_activity(tx: Tx, space: int, before_day: int) -> None:
    """Of the days before that one."""
    tx.run(
        "DELETE FROM sync_activity WHERE collection IN (SELECT id FROM sync_collection WHERE space = ?) AND day < ?",
        space,
        before_day,
    )


def delete_some_changes(tx: Tx, space: int, limit: int) -> bool:
    """Delete up to `limit` of what is in a space; False when nothing is left."""
    for sql in (
        "DELETE FROM sync_activity WHERE (collection, day, device) IN (SELECT a.collection, a.day, a.device"
        " FROM sync_activity a JOIN sync_collection c ON c.id = a.collection WHERE c.space = ?1 LIMIT ?2)",
        "DELETE FROM sync_change WHERE space = ?1 AND seq IN"
        " (SELECT seq FROM sync_change WHERE space = ?1 ORDER BY seq LIMIT ?2)",
        "DELETE FROM sync_grave WHERE (collection, id_hash) IN (SELECT g.collection, g.id_hash FROM sync_grave g"
        " JOIN sync_collection c ON c.id = g.collection WHERE c.space = ?1 LIMIT ?2)",
    ):
        if tx.run(sql, space, limit):
            return True
    return False


def delete_space(tx: Tx, space: int) -> None:
    """It is empty."""
    tx.run("DELETE FROM sync_collection WHERE space = ?", space)
    tx.run("DELETE FROM sync_space AS space WHERE space.id = ?", space)
