"""Schemas of endpoints, and what changed them."""

from collections.abc import Sequence

import msgspec

from delta_server.core.history.timeline_span import Position
from delta_server.core.schemas.changes import Level, SchemaChange
from delta_server.storage.database import Row, Tx

MOST_CHANGES = 500
"""Of an endpoint, the newest."""


class Learned(msgspec.Struct, frozen=True):
    """`shape` is packed (core/schemas/steps.py)."""

    versions: int
    position: Position
    shape: bytes


class ChangeRow(msgspec.Struct, frozen=True):
    """`captured_at` is in ms; `level` None of the first schema. `changes` are the first of `count`."""

    captured_at: int
    snapshot: bytes
    level: Level | None
    count: int
    changes: Sequence[SchemaChange]


class SchemaThen(msgspec.Struct, frozen=True):
    """A schema as a version left it."""

    captured_at: int
    versions: int
    shape: bytes


_CHANGE = "captured_at, snapshot, level, count, changes"


def learned(tx: Tx, endpoint: int) -> Learned | None:
    row = tx.one(
        "SELECT versions, learned_at, learned_content, shape FROM endpoint_schema WHERE endpoint = ?", endpoint
    )
    return None if row is None else Learned(row[0], (row[1], row[2]), row[3])


def any_learned(tx: Tx) -> bool:
    return tx.one("SELECT 1 FROM endpoint_schema LIMIT 1") is not None


def all_times(tx: Tx) -> list[tuple[int, int, int]]:
    """(project, endpoint, time of the last version that was learned from)."""
    rows = tx.all("SELECT project, endpoint, learned_at FROM endpoint_schema")
    return [(row[0], row[1], row[2]) for row in rows]


def put_learned(tx: Tx, project: int, endpoint: int, state: Learned) -> None:
    tx.run(
        "INSERT OR REPLACE INTO endpoint_schema (endpoint, project, versions, learned_at, learned_content, shape)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        endpoint,
        project,
        state.versions,
        *state.position,
        state.shape,
    )


def insert_change(tx: Tx, endpoint: int, row: ChangeRow, *, versions: int, shape: bytes) -> None:
    tx.run(
        f"INSERT OR REPLACE INTO endpoint_schema_change (endpoint, {_CHANGE}, versions, shape)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        endpoint,
        row.captured_at,
        row.snapshot,
        row.level,
        row.count,
        msgspec.json.encode(row.changes).decode(),
        versions,
        shape,
    )


def trim(tx: Tx, endpoint: int) -> None:
    """All but the newest MOST_CHANGES."""
    tx.run(
        """DELETE FROM endpoint_schema_change WHERE endpoint = ?1 AND captured_at <= (
             SELECT captured_at FROM endpoint_schema_change WHERE endpoint = ?1
             ORDER BY captured_at DESC LIMIT 1 OFFSET ?2)""",
        endpoint,
        MOST_CHANGES,
    )


def schema_at(tx: Tx, endpoint: int, time_ms: int) -> SchemaThen | None:
    row = tx.one(
        "SELECT captured_at, versions, shape FROM endpoint_schema_change WHERE endpoint = ? AND captured_at <= ?"
        " ORDER BY captured_at DESC LIMIT 1",
        endpoint,
        time_ms,
    )
    return None if row is None else SchemaThen(*row)


def changes(tx: Tx, endpoint: int, before_ms: int, limit: int) -> list[ChangeRow]:
    """Newest first, before a time."""
    rows = tx.all(
        f"SELECT {_CHANGE} FROM endpoint_schema_change WHERE endpoint = ? AND captured_at < ?"
        " ORDER BY captured_at DESC LIMIT ?",
        endpoint,
        before_ms,
        limit,
    )
    return list(map(_change, rows))


def count_changes(tx: Tx, endpoint: int) -> int:
    return int(tx.all("SELECT count(*) FROM endpoint_schema_change WHERE endpoint = ?", endpoint)[0][0])


def delete_some(tx: Tx, endpoint: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted endpoint; False when none is left."""
    return any(
        tx.run(sql, endpoint, limit)
        for sql in (
            "DELETE FROM endpoint_schema_change WHERE rowid IN"
            " (SELECT rowid FROM endpoint_schema_change WHERE endpoint = ? LIMIT ?)",
            "DELETE FROM endpoint_schema WHERE endpoint IN"
            " (SELECT endpoint FROM endpoint_schema WHERE endpoint = ? LIMIT ?)",
        )
    )


def _change(row: Row) -> ChangeRow:
    captured_at, snapshot, level, count, listed = row
    return ChangeRow(captured_at, snapshot, level, count, msgspec.json.decode(listed, type=list[SchemaChange]))
