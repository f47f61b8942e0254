"""What happens to conflicts of a data type, and those that wait for a choice."""

from collections.abc import Sequence

import msgspec

from delta_server.core.sync.judging import Conflicts
from delta_server.storage.database import LISTED, Tx, frees_space, listed


class DataType(msgspec.Struct, frozen=True):
    """How a project keeps a data type. `schema` is JSON Schema, as text."""

    name: str
    conflicts: Conflicts
    schema: str | None
    updated_at: int


class NewConflict(msgspec.Struct, frozen=True):
    """What a device pushed, made on the version `base`, where the version `server` was there already. One of an upload
    is hidden until that is visible."""

    record_id: str
    change_id: str
    kind: int
    content: bytes | None
    checksum: bytes | None
    base: int | None
    server: int
    updated_at: int | None
    is_hidden: bool = False


def insert_conflict(tx: Tx, space: int, collection: int, device: int, new: NewConflict) -> bytes:
    """Its uid."""
    uid = tx.new_id()
    tx.run(
        "INSERT INTO sync_conflict (uid, space, collection, record_id, device, change_id, kind, content,"
        " checksum, base, server, updated_at, created_at, is_hidden)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        uid,
        space,
        collection,
        new.record_id,
        device,
        new.change_id,
        new.kind,
        new.content,
        new.checksum,
        new.base,
        new.server,
        new.updated_at,
        tx.now_ms,
        int(new.is_hidden),
    )
    return uid


def show_hidden(tx: Tx, space: int) -> None:
    tx.run("UPDATE sync_conflict SET is_hidden = 0 WHERE space = ? AND version IS NULL AND is_hidden = 1", space)


class KnownConflict(msgspec.Struct, frozen=True):
    """`server` is the version that it met, `version` the record's when a choice was made."""

    uid: bytes
    server: int
    version: int | None
    collection: int
    record_id: str
    kind: int
    checksum: bytes | None


def known_conflicts(tx: Tx, device: int, change_ids: Sequence[str]) -> dict[str, KnownConflict]:
    """Of changes that came before and were conflicts."""
    sql = (
        "SELECT change_id, uid, server, version, collection, record_id, kind, checksum FROM sync_conflict"
        f" WHERE device = ? AND change_id IN {LISTED}"
    )
    return {change_id: KnownConflict(*row) for change_id, *row in tx.all(sql, device, listed(change_ids))}


class Conflict(msgspec.Struct, frozen=True):
    """One that waits for a choice."""

    id: int
    uid: bytes
    collection: int
    record_id: str
    device: int
    change_id: str
    kind: int
    content: bytes | None
    checksum: bytes | None
    base: int | None
    updated_at: int | None
    created_at: int


_CONFLICT = "id, uid, collection, record_id, device, change_id, kind, content, checksum, base, updated_at, created_at"


def count_waiting(tx: Tx, space: int) -> int:
    row = tx.one("SELECT count(*) FROM sync_conflict WHERE space = ? AND version IS NULL", space)
    return row[0] if row else 0


def next_conflict(tx: Tx, space: int, above: int) -> Conflict | None:
    """The first that waits, behind the row `above`."""
    sql = (
        f"SELECT {_CONFLICT} FROM sync_conflict WHERE space = ? AND version IS NULL AND is_hidden = 0 AND id > ?"
        " ORDER BY id LIMIT 1"
    )
    row = tx.one(sql, space, above)
    return None if row is None else Conflict(*row)


def conflict(tx: Tx, space: int, uid: bytes) -> Conflict | None:
    sql = f"SELECT {_CONFLICT} FROM sync_conflict WHERE space = ? AND uid = ? AND version IS NULL AND is_hidden = 0"
    row = tx.one(sql, space, uid)
    return None if row is None else Conflict(*row)


def resolve(tx: Tx, space: int, conflict: int, version: int) -> None:
    """It is known for a while, for its device may push the change again."""
    tx.run(
        "UPDATE sync_conflict SET version = ?, resolved_at = ?, content = NULL WHERE space = ? AND id = ?",
        version,
        tx.now_ms,
        space,
        conflict,
    )


@frees_space
def delete_of_upload(tx: Tx, device: int, prefix: str, limit: int) -> int:
    """Those of changes whose ids begin so."""
    return tx.run(
        "DELETE FROM sync_conflict WHERE id IN (SELECT id FROM sync_conflict WHERE device = ? AND change_id >= ?"
        " AND change_id < ? LIMIT ?)",
        device,
        prefix,
        prefix + "\U0010ffff",
        limit,
    )


@frees_space
def delete_resolved(tx: Tx, before: int, limit: int) -> int:
    return tx.run(
        "DELETE FROM sync_conflict WHERE id IN (SELECT id FROM sync_conflict WHERE resolved_at < ? LIMIT ?)",
        before,
        limit,
    )


def conflicts_of(tx: Tx, project: int, data_type: str) -> tuple[str, str | None]:
    """What happens to conflicts of a data type, and its JSON Schema."""
    row = tx.one("SELECT conflicts, schema FROM sync_type WHERE project = ? AND name = ?", project, data_type)
    return ("last_write", None) if row is None else (row[0], row[1])


def schema_of(tx: Tx, project: int, data_type: str) -> str | None:
    row = tx.one("SELECT schema FROM sync_type WHERE project = ? AND name = ?", project, data_type)
    return None if row is None else row[0]


_TYPE = "name, conflicts, schema, updated_at"


def data_type(tx: Tx, project: int, name: str) -> DataType | None:
    row = tx.one(f"SELECT {_TYPE} FROM sync_type WHERE project = ? AND name = ?", project, name)
    return None if row is None else DataType(*row)


def types(tx: Tx, project: int, begin: str, below: str, limit: int) -> list[DataType]:
    """By name, from `begin` on and below `below`."""
    sql = f"SELECT {_TYPE} FROM sync_type WHERE project = ? AND name >= ? AND name < ? ORDER BY name LIMIT ?"
    return [DataType(*row) for row in tx.all(sql, project, begin, below, limit)]


def count_types(tx: Tx, project: int) -> int:
    row = tx.one("SELECT count(*) FROM sync_type WHERE project = ?", project)
    return row[0] if row else 0


def put_type(tx: Tx, project: int, new: DataType) -> None:
    tx.run(
        "INSERT INTO sync_type (project, name, conflicts, schema, updated_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (project, name) DO UPDATE SET conflicts = excluded.conflicts, schema = excluded.schema,"
        " updated_at = excluded.updated_at",
        project,
        new.name,
        new.conflicts,
        new.schema,
        new.updated_at,
    )


def delete_types(tx: Tx, project: int) -> bool:
    return tx.run("DELETE FROM sync_type WHERE project = ?", project) > 0


def delete_some(tx: Tx, space: int, limit: int) -> bool:
    """Delete up to `limit` of a space; False when none is left."""
    sql = "DELETE FROM sync_conflict WHERE id IN (SELECT id FROM sync_conflict WHERE space = ? LIMIT ?)"
    return tx.run(sql, space, limit) > 0
