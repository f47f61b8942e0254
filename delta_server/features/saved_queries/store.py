"""Saved queries."""

import msgspec

from delta_server.storage.database import Row, Tx


class SavedQuery(msgspec.Struct, frozen=True):
    """`spec` is JSON. Times are in ms."""

    id: int
    uid: bytes
    project: int
    name: str
    kind: str
    spec: str
    view: str | None
    created_at: int
    updated_at: int


_COLUMNS = "id, uid, project, name, kind, spec, view, created_at, updated_at"


def by_uid(tx: Tx, project: int, uid: bytes) -> SavedQuery | None:
    return _saved(tx.one(f"SELECT {_COLUMNS} FROM saved_query WHERE project = ? AND uid = ?", project, uid))


def page(tx: Tx, project: int, *, kind: str | None, below: int, limit: int) -> list[SavedQuery]:
    """The newest first, rows below `below`."""
    sql = f"""
        SELECT {_COLUMNS} FROM saved_query WHERE project = ? AND id < ? AND (? IS NULL OR kind = ?)
        ORDER BY id DESC LIMIT ?"""
    return [SavedQuery(*row) for row in tx.all(sql, project, below, kind, kind, limit)]


def count(tx: Tx, project: int, *, most: int) -> int:
    """Counted up to `most`."""
    row = tx.one("SELECT count(*) FROM (SELECT 1 FROM saved_query WHERE project = ? LIMIT ?)", project, most)
    assert row is not None
    return int(row[0])


def insert(tx: Tx, project: int, *, name: str, kind: str, spec: str, view: str | None) -> SavedQuery:
    values = (tx.new_id(), project, name, kind, spec, view, tx.now_ms, tx.now_ms)
    sql = f"INSERT INTO saved_query ({_COLUMNS.removeprefix('id, ')}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    return SavedQuery(tx.insert(sql, *values), *values)


def update(tx: Tx, project: int, id: int, *, name: str, spec: str, view: str | None) -> None:
    sql = "UPDATE saved_query SET name = ?, spec = ?, view = ?, updated_at = ? WHERE project = ? AND id = ?"
    tx.run(sql, name, spec, view, tx.now_ms, project, id)


def delete(tx: Tx, project: int, uid: bytes) -> bool:
    return tx.run("DELETE FROM saved_query WHERE project = ? AND uid = ?", project, uid) > 0


def delete_of_project(tx: Tx, project: int, limit: int) -> bool:
    """Of a deleted project; False when there are none."""
    sql = "DELETE FROM saved_query WHERE id IN (SELECT id FROM saved_query WHERE project = ? LIMIT ?)"
    return tx.run(sql, project, limit) > 0


def _saved(row: Row | None) -> SavedQuery | None:
    return SavedQuery(*row) if row else None
