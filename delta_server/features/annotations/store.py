"""Annotations."""

from typing import Any

import msgspec

from delta_server.storage.database import Row, Tx


class Annotation(msgspec.Struct, frozen=True):
    """Times are in ms; `end_at` None for what has no length."""

    id: int
    uid: bytes
    project: int
    begins_at: int
    end_at: int | None
    kind: str
    text: str
    link: str | None
    created_at: int
    updated_at: int


class Wanted(msgspec.Struct, frozen=True):
    """What reaches into the stretch from `from_ms` and before `to_ms`, of one kind or of all."""

    from_ms: int
    to_ms: int
    kind: str | None


_COLUMNS = "id, uid, project, begins_at, end_at, kind, text, link, created_at, updated_at"


def by_uid(tx: Tx, project: int, uid: bytes) -> Annotation | None:
    return _annotation(tx.one(f"SELECT {_COLUMNS} FROM annotation WHERE project = ? AND uid = ?", project, uid))


def page(tx: Tx, project: int, wanted: Wanted, *, below: tuple[int, int], limit: int) -> list[Annotation]:
    """The latest first, those before (begins_at, id) `below`. What began before the stretch and reaches into it
    is found by its end, of which an index has only those that have one."""
    sql = f"""
        SELECT {_COLUMNS} FROM annotation
        WHERE project = ?1 AND begins_at >= ?2 AND begins_at < ?3 AND (begins_at, id) < (?5, ?6)
          AND (?4 IS NULL OR kind = ?4)
        UNION ALL
        SELECT {_COLUMNS} FROM annotation INDEXED BY annotation_end
        WHERE project = ?1 AND end_at IS NOT NULL AND end_at >= ?2 AND begins_at < ?2 AND (begins_at, id) < (?5, ?6)
          AND (?4 IS NULL OR kind = ?4)
        ORDER BY begins_at DESC, id DESC LIMIT ?7"""
    rows = tx.all(sql, project, wanted.from_ms, wanted.to_ms, wanted.kind, *below, limit)
    return [Annotation(*row) for row in rows]


def count(tx: Tx, project: int, *, most: int) -> int:
    """Counted up to `most`."""
    row = tx.one("SELECT count(*) FROM (SELECT 1 FROM annotation WHERE project = ? LIMIT ?)", project, most)
    assert row is not None
    return int(row[0])


def insert(
    tx: Tx, project: int, *, begins_at: int, end_at: int | None, kind: str, text: str, link: str | None
) -> Annotation:
    values: tuple[Any, ...] = (tx.new_id(), project, begins_at, end_at, kind, text, link, tx.now_ms, tx.now_ms)
    sql = f"INSERT INTO annotation ({_COLUMNS.removeprefix('id, ')}) VALUES ({', '.join('?' * len(values))})"
    return Annotation(tx.insert(sql, *values), *values)


def update(tx: Tx, project: int, changed: Annotation) -> None:
    sql = """
        UPDATE annotation SET begins_at = ?, end_at = ?, kind = ?, text = ?, link = ?, updated_at = ?
        WHERE project = ? AND id = ?"""
    new = (changed.begins_at, changed.end_at, changed.kind, changed.text, changed.link)
    tx.run(sql, *new, tx.now_ms, project, changed.id)


def delete(tx: Tx, project: int, uid: bytes) -> bool:
    return tx.run("DELETE FROM annotation WHERE project = ? AND uid = ?", project, uid) > 0


def delete_of_project(tx: Tx, project: int, limit: int) -> bool:
    """Of a deleted project; False when there are none."""
    sql = "DELETE FROM annotation WHERE id IN (SELECT id FROM annotation WHERE project = ? LIMIT ?)"
    return tx.run(sql, project, limit) > 0


def _annotation(row: Row | None) -> Annotation | None:
    return Annotation(*row) if row else None
