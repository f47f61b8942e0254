"""Boards and the links to them. Stored of a link's token is its SHA-256."""

import msgspec

from delta_server.storage.database import Row, Tx


class Board(msgspec.Struct, frozen=True):
    """`tiles` is JSON. Times are in ms."""

    id: int
    uid: bytes
    project: int
    name: str
    tiles: str
    created_at: int
    updated_at: int


class Share(msgspec.Struct, frozen=True):
    """`approved` and `frames` are JSON, `password` is a hash."""

    id: int
    uid: bytes
    project: int
    board: int
    token_hash: bytes
    approved: str
    password: str | None
    expires_at: int | None
    frames: str
    created_at: int


class NewShare(msgspec.Struct, frozen=True):
    token_hash: bytes
    approved: str
    password: str | None
    expires_at: int | None
    frames: str


_BOARD = "id, uid, project, name, tiles, created_at, updated_at"
_SHARE = "id, uid, project, board, token_hash, approved, password, expires_at, frames, created_at"


def by_uid(tx: Tx, project: int, uid: bytes) -> Board | None:
    return _board(tx.one(f"SELECT {_BOARD} FROM board WHERE project = ? AND uid = ?", project, uid))


def by_row(tx: Tx, project: int, id: int) -> Board | None:
    return _board(tx.one(f"SELECT {_BOARD} FROM board WHERE project = ? AND id = ?", project, id))


def page(tx: Tx, project: int, *, below: int, limit: int) -> list[Board]:
    """The newest first, rows below `below`."""
    sql = f"SELECT {_BOARD} FROM board WHERE project = ? AND id < ? ORDER BY id DESC LIMIT ?"
    return [Board(*row) for row in tx.all(sql, project, below, limit)]


def count(tx: Tx, project: int, *, most: int) -> int:
    """Counted up to `most`."""
    row = tx.one("SELECT count(*) FROM (SELECT 1 FROM board WHERE project = ? LIMIT ?)", project, most)
    assert row is not None
    return int(row[0])


def insert(tx: Tx, project: int, *, name: str, tiles: str) -> Board:
    values = (tx.new_id(), project, name, tiles, tx.now_ms, tx.now_ms)
    sql = f"INSERT INTO board ({_BOARD.removeprefix('id, ')}) VALUES (?, ?, ?, ?, ?, ?)"
    return Board(tx.insert(sql, *values), *values)


def update(tx: Tx, project: int, id: int, *, name: str, tiles: str) -> None:
    sql = "UPDATE board SET name = ?, tiles = ?, updated_at = ? WHERE project = ? AND id = ?"
    tx.run(sql, name, tiles, tx.now_ms, project, id)


def delete(tx: Tx, project: int, id: int) -> None:
    """With the links to it."""
    tx.run("DELETE FROM board_share WHERE project = ? AND board = ?", project, id)
    tx.run("DELETE FROM board WHERE project = ? AND id = ?", project, id)


def delete_of_project(tx: Tx, project: int, limit: int) -> bool:
    """Of a deleted project; False when there are none."""
    shares = "DELETE FROM board_share WHERE id IN (SELECT id FROM board_share WHERE project = ? LIMIT ?)"
    if tx.run(shares, project, limit):
        return True
    return tx.run("DELETE FROM board WHERE id IN (SELECT id FROM board WHERE project = ? LIMIT ?)", project, limit) > 0


def share(tx: Tx, uid: bytes) -> Share | None:
    """It is what finds the tenant."""
    return _share(tx.one(f"SELECT {_SHARE} FROM board_share WHERE uid = ?", uid))


def share_of(tx: Tx, project: int, board: int, uid: bytes) -> Share | None:
    sql = f"SELECT {_SHARE} FROM board_share WHERE project = ? AND board = ? AND uid = ?"
    return _share(tx.one(sql, project, board, uid))


def shares(tx: Tx, project: int, board: int) -> list[Share]:
    sql = f"SELECT {_SHARE} FROM board_share WHERE project = ? AND board = ? ORDER BY id DESC"
    return [Share(*row) for row in tx.all(sql, project, board)]


def insert_share(tx: Tx, project: int, board: int, new: NewShare) -> Share:
    values = (
        tx.new_id(), project, board, new.token_hash, new.approved, new.password, new.expires_at, new.frames, tx.now_ms,
    )  # fmt: skip
    sql = f"INSERT INTO board_share ({_SHARE.removeprefix('id, ')}) VALUES ({', '.join('?' * len(values))})"
    return Share(tx.insert(sql, *values), *values)


def approve(tx: Tx, project: int, id: int, approved: str) -> None:
    tx.run("UPDATE board_share SET approved = ? WHERE project = ? AND id = ?", approved, project, id)


def delete_share(tx: Tx, project: int, id: int) -> None:
    tx.run("DELETE FROM board_share WHERE project = ? AND id = ?", project, id)


def _board(row: Row | None) -> Board | None:
    return Board(*row) if row else None


def _share(row: Row | None) -> Share | None:
    return Share(*row) if row else None
