"""Devices that sync, how far they are, and what their batches were answered."""

from collections.abc import Sequence

import msgspec

from delta_server.storage.database import LISTED, Tx, frees_space, listed


class Device(msgspec.Struct, frozen=True):
    id: int
    uid: bytes
    device_id: str
    name: str | None
    session: int | None
    made_at: int
    seen_at: int
    removed_at: int | None


_DEVICE = "id, uid, device_id, name, session, made_at, seen_at, removed_at"


def device(tx: Tx, space: int, device_id: str) -> Device | None:
    row = tx.one(f"SELECT {_DEVICE} FROM sync_device WHERE space = ? AND device_id = ?", space, device_id)
    return None if row is None else Device(*row)


def devices(tx: Tx, space: int, *, above: int, limit: int, q: str = "") -> list[Device]:
    """Those that were not removed, with rows above `above` and `q` in what they are called."""
    sql = (
        f"SELECT {_DEVICE} FROM sync_device WHERE space = ? AND removed_at IS NULL AND id > ?"
        " AND instr(lower(device_id || ' ' || coalesce(name, '')), lower(?)) > 0 ORDER BY id LIMIT ?"
    )
    return [Device(*row) for row in tx.all(sql, space, above, q, limit)]


def by_uid(tx: Tx, space: int, uid: bytes) -> Device | None:
    row = tx.one(f"SELECT {_DEVICE} FROM sync_device WHERE space = ? AND uid = ? AND removed_at IS NULL", space, uid)
    return None if row is None else Device(*row)


def device_ids(tx: Tx, space: int) -> dict[int, str]:
    """What those of a space call themselves, by their rows, the removed ones among them."""
    return dict(tx.all("SELECT id, device_id FROM sync_device WHERE space = ?", space))


def count_devices(tx: Tx, space: int) -> int:
    row = tx.one("SELECT count(*) FROM sync_device WHERE space = ? AND removed_at IS NULL", space)
    return row[0] if row else 0


def insert_device(tx: Tx, space: int, device_id: str, session: int | None) -> int:
    return tx.insert(
        "INSERT INTO sync_device (uid, space, device_id, session, made_at, seen_at) VALUES (?, ?, ?, ?, ?, ?)",
        tx.new_id(),
        space,
        device_id,
        session,
        tx.now_ms,
        tx.now_ms,
    )


def see_device(tx: Tx, space: int, device: int, session: int | None) -> None:
    """It is here, whether it was removed before or not."""
    tx.run(
        "UPDATE sync_device SET seen_at = ?, session = ?, removed_at = NULL WHERE space = ? AND id = ?",
        tx.now_ms,
        session,
        space,
        device,
    )


def name_device(tx: Tx, space: int, device: int, name: str | None) -> None:
    tx.run("UPDATE sync_device SET name = ? WHERE space = ? AND id = ?", name, space, device)


def remove_device(tx: Tx, space: int, device: int) -> None:
    """Its row stays, for what it changed; where it was in each collection goes."""
    tx.run("UPDATE sync_device SET removed_at = ?, session = NULL WHERE space = ? AND id = ?", tx.now_ms, space, device)
    tx.run("DELETE FROM sync_position WHERE device = ?", device)


def positions(tx: Tx, devices: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Of each device the collections it pulled, up to which number and when."""
    sql = f"SELECT device, collection, seq, pulled_at FROM sync_position WHERE device IN {LISTED}"
    return tx.all(sql, listed(devices))


def put_position(tx: Tx, space: int, device_id: str, collection: int, seq: int, at: int) -> None:
    """How far a device is. One that never pushed, or was removed, is not known."""
    found = device(tx, space, device_id)
    if found is None or found.removed_at is not None:
        return
    tx.run(
        "INSERT INTO sync_position (device, collection, seq, pulled_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET seq = excluded.seq, pulled_at = excluded.pulled_at",
        found.id,
        collection,
        seq,
        at,
    )
    tx.run(
        "UPDATE sync_device SET seen_at = max(seen_at, ?) WHERE space = ? AND id = ?",
        at,
        space,
        found.id,
    )


def batch(tx: Tx, device: int, batch_id: str) -> tuple[bytes, bytes] | None:
    """Its request's hash, and what it was answered."""
    row = tx.one("SELECT request, answer FROM sync_batch WHERE device = ? AND batch_id = ?", device, batch_id)
    return None if row is None else (row[0], row[1])


def insert_batch(tx: Tx, device: int, batch_id: str, request: bytes, answer: bytes) -> None:
    tx.run(
        "INSERT INTO sync_batch (device, batch_id, request, answer, created_at) VALUES (?, ?, ?, ?, ?)",
        device,
        batch_id,
        request,
        answer,
        tx.now_ms,
    )


@frees_space
def delete_batches(tx: Tx, before: int, limit: int) -> int:
    return tx.run(
        "DELETE FROM sync_batch WHERE (device, batch_id) IN"
        " (SELECT device, batch_id FROM sync_batch WHERE created_at < ? LIMIT ?)",
        before,
        limit,
    )


def delete_some(tx: Tx, space: int, limit: int) -> bool:
    """Delete up to `limit` rows of a space; False when none is left."""
    for sql in (
        "DELETE FROM sync_batch WHERE (device, batch_id) IN (SELECT b.device, b.batch_id FROM sync_batch b"
        " JOIN sync_device d ON d.id = b.device WHERE d.space = ?1 LIMIT ?2)",
        "DELETE FROM sync_position WHERE (device, collection) IN (SELECT p.device, p.collection FROM sync_position p"
        " JOIN sync_device d ON d.id = p.device WHERE d.space = ?1 LIMIT ?2)",
        "DELETE FROM sync_device WHERE id IN (SELECT id FROM sync_device WHERE space = ?1 LIMIT ?2)",
    ):
        if tx.run(sql, space, limit):
            return True
    return False
