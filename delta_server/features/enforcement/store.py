"""What documents of endpoints are held against, and polled ones that did not fit."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from delta_server.core.schemas.fitting import Misfit
from delta_server.storage.database import Row, Tx

Mode: TypeAlias = Literal["off", "warn", "reject"]
SchemaSource: TypeAlias = Literal["given", "inferred"]
MOST_KEPT = 20
"""Of an endpoint, the newest; so many that were accepted are known beside them."""


class Rule(msgspec.Struct, frozen=True):
    """`schema` is JSON Schema, `changed_at` in ms."""

    mode: Mode
    source: SchemaSource
    schema: str
    changed_at: int


class KeptAside(msgspec.Struct, frozen=True):
    """`snapshot` is what it became, where it was accepted."""

    id: int
    uid: bytes
    captured_at: int
    size: int
    misfits: list[Misfit]
    snapshot: bytes | None


_KEPT = "id, uid, captured_at, size, misfits, snapshot"


def endpoints_with_rules(tx: Tx) -> frozenset[int]:
    return frozenset(row[0] for row in tx.all("SELECT endpoint FROM enforcement"))


def rule(tx: Tx, endpoint: int) -> Rule | None:
    row = tx.one("SELECT mode, source, schema, changed_at FROM enforcement WHERE endpoint = ?", endpoint)
    return None if row is None else Rule(*row)


def put(tx: Tx, endpoint: int, rule: Rule) -> None:
    tx.run(
        "INSERT OR REPLACE INTO enforcement (endpoint, mode, source, schema, changed_at) VALUES (?, ?, ?, ?, ?)",
        endpoint,
        rule.mode,
        rule.source,
        rule.schema,
        rule.changed_at,
    )


def remove(tx: Tx, endpoint: int) -> None:
    tx.run("DELETE FROM enforcement WHERE endpoint = ?", endpoint)


def keep_aside(tx: Tx, endpoint: int, *, captured_at: int, size: int, hash: bytes, misfits: str, body: bytes) -> None:
    """The same document as the last one is there already."""
    last = tx.one("SELECT hash, snapshot FROM kept_aside WHERE endpoint = ? ORDER BY id DESC LIMIT 1", endpoint)
    if last is not None and last == (hash, None):
        return
    tx.insert(
        "INSERT INTO kept_aside (uid, endpoint, captured_at, size, hash, misfits, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        tx.new_id(),
        endpoint,
        captured_at,
        size,
        hash,
        misfits,
        body,
    )
    for accepted in (False, True):
        tx.run(
            "DELETE FROM kept_aside WHERE endpoint = ?1 AND (snapshot IS NOT NULL) = ?2 AND id <= (SELECT id"
            " FROM kept_aside WHERE endpoint = ?1 AND (snapshot IS NOT NULL) = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)",
            endpoint,
            accepted,
            MOST_KEPT,
        )


def kept_aside(tx: Tx, endpoint: int, before: int, limit: int) -> list[KeptAside]:
    """Those that were not accepted, the last first."""
    rows = tx.all(
        f"SELECT {_KEPT} FROM kept_aside WHERE endpoint = ? AND snapshot IS NULL AND id < ? ORDER BY id DESC LIMIT ?",
        endpoint,
        before,
        limit,
    )
    return [_kept(row) for row in rows]


def kept_named(tx: Tx, endpoint: int, uids: Sequence[bytes]) -> list[KeptAside]:
    """Those of these that are there, accepted or not, the first first."""
    rows = [tx.one(f"SELECT {_KEPT} FROM kept_aside WHERE endpoint = ? AND uid = ?", endpoint, uid) for uid in uids]
    return sorted((_kept(row) for row in rows if row is not None), key=lambda row: row.id)


def kept_body(tx: Tx, endpoint: int, uid: bytes) -> bytes | None:
    """None where it was accepted, too."""
    row = tx.one("SELECT body FROM kept_aside WHERE endpoint = ? AND uid = ? AND snapshot IS NULL", endpoint, uid)
    return None if row is None else bytes(row[0])


def accept(tx: Tx, endpoint: int, id: int, snapshot: bytes) -> bool:
    """It became this snapshot; False where it is not there any more, or was accepted."""
    sql = "UPDATE kept_aside SET snapshot = ?, body = x'' WHERE endpoint = ? AND id = ? AND snapshot IS NULL"
    return bool(tx.run(sql, snapshot, endpoint, id))


def discard(tx: Tx, endpoint: int, uid: bytes) -> bool:
    return bool(tx.run("DELETE FROM kept_aside WHERE endpoint = ? AND uid = ? AND snapshot IS NULL", endpoint, uid))


def discard_all(tx: Tx, endpoint: int) -> int:
    """How many they were."""
    return tx.run("DELETE FROM kept_aside WHERE endpoint = ? AND snapshot IS NULL", endpoint)


def delete_some(tx: Tx, endpoint: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted endpoint; False when none is left."""
    return any(
        tx.run(sql, endpoint, limit)
        for sql in (
            "DELETE FROM kept_aside WHERE id IN (SELECT id FROM kept_aside WHERE endpoint = ? LIMIT ?)",
            "DELETE FROM enforcement WHERE endpoint IN (SELECT endpoint FROM enforcement WHERE endpoint = ? LIMIT ?)",
        )
    )


def _kept(row: Row) -> KeptAside:
    id, uid, captured_at, size, misfits, snapshot = row
    return KeptAside(id, uid, captured_at, size, msgspec.json.decode(misfits, type=list[Misfit]), snapshot)
