"""Feeds. Stored of a token is its SHA-256."""

import msgspec

from delta_server.storage.database import Row, Tx


class Feed(msgspec.Struct, frozen=True):
    """Times are in ms. `endpoint_uid` None stands for all of the project; the token before the last is taken until
    `old_until`."""

    id: int
    uid: bytes
    project: int
    endpoint_uid: bytes | None
    old_until: int | None
    created_at: int


_COLUMNS = "id, uid, project, endpoint_uid, old_until, created_at"


def by_token(tx: Tx, token_hash: bytes) -> Feed | None:
    """It is what finds the tenant."""
    sql = f"SELECT {_COLUMNS} FROM feed WHERE token_hash = ? OR (old_token_hash = ? AND old_until > ?)"
    return _feed(tx.one(sql, token_hash, token_hash, tx.now_ms))


def by_uid(tx: Tx, project: int, uid: bytes) -> Feed | None:
    return _feed(tx.one(f"SELECT {_COLUMNS} FROM feed WHERE project = ? AND uid = ?", project, uid))


def page(tx: Tx, project: int, *, below: int, limit: int) -> list[Feed]:
    """The newest first, rows below `below`."""
    sql = f"SELECT {_COLUMNS} FROM feed WHERE project = ? AND id < ? ORDER BY id DESC LIMIT ?"
    return [Feed(*row) for row in tx.all(sql, project, below, limit)]


def count(tx: Tx, project: int, *, most: int) -> int:
    """Counted up to `most`."""
    row = tx.one("SELECT count(*) FROM (SELECT 1 FROM feed WHERE project = ? LIMIT ?)", project, most)
    assert row is not None
    return int(row[0])


def insert(tx: Tx, project: int, endpoint: tuple[int, bytes] | None, token_hash: bytes) -> Feed:
    """`endpoint` is its row and its uid."""
    uid, (row, endpoint_uid) = tx.new_id(), endpoint or (None, None)
    id = tx.insert(
        "INSERT INTO feed (uid, project, endpoint, endpoint_uid, token_hash, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        uid,
        project,
        row,
        endpoint_uid,
        token_hash,
        tx.now_ms,
    )
    return Feed(id, uid, project, endpoint_uid, None, tx.now_ms)


def rotate(tx: Tx, project: int, id: int, *, token_hash: bytes, old_until: int) -> None:
    """The token that was becomes the old one."""
    tx.run(
        "UPDATE feed SET old_token_hash = token_hash, old_until = ?, token_hash = ? WHERE project = ? AND id = ?",
        old_until,
        token_hash,
        project,
        id,
    )


def delete(tx: Tx, project: int, uid: bytes) -> bool:
    return tx.run("DELETE FROM feed WHERE project = ? AND uid = ?", project, uid) > 0


def delete_of_endpoint(tx: Tx, endpoint: int, limit: int) -> bool:
    """Of a deleted endpoint; False when there are none."""
    return tx.run("DELETE FROM feed WHERE id IN (SELECT id FROM feed WHERE endpoint = ? LIMIT ?)", endpoint, limit) > 0


def delete_of_project(tx: Tx, project: int, limit: int) -> bool:
    """Of a deleted project; False when there are none."""
    return tx.run("DELETE FROM feed WHERE id IN (SELECT id FROM feed WHERE project = ? LIMIT ?)", project, limit) > 0


def _feed(row: Row | None) -> Feed | None:
    return Feed(*row) if row else None
