"""Schemas of event types, what changed them, and how far events were looked at."""

from collections.abc import Sequence

import msgspec

from delta_server.core.schemas.changes import Level, SchemaChange
from delta_server.storage.database import Row, Tx

MOST_TYPES = 1_000
"""Of a project, the first ones."""
MOST_CHANGES = 100
"""Of a type, the newest."""


class Progress(msgspec.Struct, frozen=True):
    """Behind which file events were not looked at, and above which seq. `begun`: how often it began anew."""

    file: int = 0
    seq: int = 0
    begun: int = 0


class TypeSchema(msgspec.Struct, frozen=True):
    """`shape` is packed (core/schemas/steps.py), without values. `events` were looked at since the beginning `begun`.
    Times are in ms."""

    id: int
    event_type: str
    begun: int
    events: int
    learned_at: int
    last_at: int
    shape: bytes


class Values(msgspec.Struct, frozen=True):
    """What strings and ranges there were in so many events, the first of which has the time `first_at`."""

    events: int
    first_at: int
    shape: bytes


class ChangeRow(msgspec.Struct, frozen=True):
    """`changed_at` is in ms; `level` None of the first schema. `changes` are the first of `count`."""

    number: int
    changed_at: int
    level: Level | None
    count: int
    changes: Sequence[SchemaChange]


class SchemaThen(msgspec.Struct, frozen=True):
    """A schema as a change left it."""

    changed_at: int
    events: int
    shape: bytes


class ListedType(msgspec.Struct, frozen=True):
    event_type: str
    events: int
    learned_at: int
    changes: int
    changed_at: int


_SCHEMA = "id, event_type, begun, events, learned_at, last_at, shape"
_CHANGE = "number, changed_at, level, count, changes"


def all_progress(tx: Tx) -> dict[int, Progress]:
    """By project."""
    return {row[0]: Progress(*row[1:]) for row in tx.all("SELECT project, file, seq, begun FROM event_schema_progress")}


def progress(tx: Tx, project: int) -> Progress:
    row = tx.one("SELECT file, seq, begun FROM event_schema_progress WHERE project = ?", project)
    return Progress() if row is None else Progress(*row)


def put_progress(tx: Tx, project: int, reached: Progress) -> None:
    tx.run(
        "INSERT OR REPLACE INTO event_schema_progress (project, file, seq, begun) VALUES (?, ?, ?, ?)",
        project,
        reached.file,
        reached.seq,
        reached.begun,
    )


def find(tx: Tx, project: int, event_type: str) -> TypeSchema | None:
    sql = f"SELECT {_SCHEMA} FROM event_schema WHERE project = ? AND event_type = ?"
    row = tx.one(sql, project, event_type)
    return None if row is None else TypeSchema(*row)


def values(tx: Tx, project: int, schema: int) -> Values | None:
    sql = "SELECT events, first_at, shape FROM event_schema_values WHERE project = ? AND schema = ?"
    row = tx.one(sql, project, schema)
    return None if row is None else Values(*row)


def count(tx: Tx, project: int) -> int:
    return int(tx.all("SELECT count(*) FROM event_schema WHERE project = ?", project)[0][0])


def page(tx: Tx, project: int, *, after: str, limit: int) -> list[ListedType]:
    """By name."""
    sql = """
        SELECT event_type, events, learned_at,
          (SELECT max(number) FROM event_schema_change WHERE schema = event_schema.id),
          (SELECT max(changed_at) FROM event_schema_change WHERE schema = event_schema.id)
        FROM event_schema WHERE project = ? AND event_type > ? ORDER BY event_type LIMIT ?"""
    return [ListedType(*row) for row in tx.all(sql, project, after, limit)]


def put(tx: Tx, project: int, new: TypeSchema) -> int:
    """Its row; an `id` of 0, or of one that is not there any more, makes one."""
    sql = """
        UPDATE event_schema SET begun = ?, events = ?, learned_at = ?, last_at = ?, shape = ?
        WHERE project = ? AND id = ? AND event_type = ?"""
    kept = new.begun, new.events, new.learned_at, new.last_at, new.shape
    if new.id and tx.run(sql, *kept, project, new.id, new.event_type):
        return new.id
    return tx.insert(
        "INSERT INTO event_schema (project, event_type, begun, events, learned_at, last_at, shape)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        project,
        new.event_type,
        *kept,
    )


def put_values(tx: Tx, project: int, schema: int, new: Values) -> None:
    tx.run(
        "INSERT OR REPLACE INTO event_schema_values (schema, project, events, first_at, shape) VALUES (?, ?, ?, ?, ?)",
        schema,
        project,
        new.events,
        new.first_at,
        new.shape,
    )


def delete_values(tx: Tx, project: int) -> None:
    tx.run("DELETE FROM event_schema_values WHERE project = ?", project)


def oldest_values(tx: Tx, project: int) -> list[tuple[str, int]]:
    """By type, the time of the first event that they are of."""
    sql = """
        SELECT event_type, first_at FROM event_schema_values JOIN event_schema ON event_schema.id = schema
        WHERE event_schema_values.project = ?"""
    return [(row[0], row[1]) for row in tx.all(sql, project)]


def last_times(tx: Tx, project: int) -> list[tuple[int, str, int]]:
    """(row, type, time of its latest event)."""
    rows = tx.all("SELECT id, event_type, last_at FROM event_schema WHERE project = ?", project)
    return [(row[0], row[1], row[2]) for row in rows]


def insert_change(tx: Tx, project: int, schema: int, row: ChangeRow, then: SchemaThen) -> None:
    tx.run(
        f"INSERT INTO event_schema_change (schema, project, {_CHANGE}, events, shape)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        schema,
        project,
        row.number,
        row.changed_at,
        row.level,
        row.count,
        msgspec.json.encode(row.changes).decode(),
        then.events,
        then.shape,
    )
    sql = "DELETE FROM event_schema_change WHERE project = ? AND schema = ? AND number <= ?"
    tx.run(sql, project, schema, row.number - MOST_CHANGES)


def last_change(tx: Tx, project: int, schema: int) -> tuple[int, int]:
    """(number, time); zeros before the first."""
    sql = """
        SELECT number, changed_at FROM event_schema_change WHERE project = ? AND schema = ?
        ORDER BY number DESC LIMIT 1"""
    return tx.one(sql, project, schema) or (0, 0)


def changes(tx: Tx, project: int, schema: int, below: int, limit: int) -> list[ChangeRow]:
    """Newest first, those with a number below that."""
    sql = f"""
        SELECT {_CHANGE} FROM event_schema_change WHERE project = ? AND schema = ? AND number < ?
        ORDER BY number DESC LIMIT ?"""
    return list(map(_change, tx.all(sql, project, schema, below, limit)))


def schema_at(tx: Tx, project: int, schema: int, time_ms: int) -> tuple[int, SchemaThen] | None:
    """The number of the change, and what it left."""
    sql = """
        SELECT number, changed_at, events, shape FROM event_schema_change
        WHERE project = ? AND schema = ? AND changed_at <= ? ORDER BY number DESC LIMIT 1"""
    row = tx.one(sql, project, schema, time_ms)
    return None if row is None else (row[0], SchemaThen(*row[1:]))


def history_bytes(tx: Tx, project: int) -> int:
    sql = "SELECT coalesce(sum(length(shape) + length(changes)), 0) FROM event_schema_change WHERE project = ?"
    return int(tx.all(sql, project)[0][0])


def delete_oldest_changes(tx: Tx, project: int, limit: int) -> int:
    """Of all types together, but for the last one of each; how many."""
    sql = """
        DELETE FROM event_schema_change WHERE rowid IN (
          SELECT rowid FROM event_schema_change AS old WHERE project = ? AND EXISTS
            (SELECT 1 FROM event_schema_change AS later WHERE later.schema = old.schema AND later.number > old.number)
          ORDER BY changed_at LIMIT ?)"""
    return tx.run(sql, project, limit)


def delete_type(tx: Tx, project: int, schema: int) -> None:
    for sql in (
        "DELETE FROM event_schema_change WHERE project = ? AND schema = ?",
        "DELETE FROM event_schema_values WHERE project = ? AND schema = ?",
        "DELETE FROM event_schema WHERE project = ? AND id = ?",
    ):
        tx.run(sql, project, schema)


def delete_some(tx: Tx, project: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted project; False when none is left."""
    return any(
        tx.run(
            f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE project = ? LIMIT ?)", project, limit
        )
        for table in ("event_schema_change", "event_schema_values", "event_schema", "event_schema_progress")
    )


def _change(row: Row) -> ChangeRow:
    number, changed_at, level, count, listed = row
    return ChangeRow(number, changed_at, level, count, msgspec.json.decode(listed, type=list[SchemaChange]))
