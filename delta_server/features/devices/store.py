"""Devices that sync, how far they are, and what their batches were answered."""

import msgspec

from delta_server.storage.database import Tx, frees_space


class Device(msgspec.Struct, frozen=True):
    id: int
    device_id: str
    name: str | None
    session: int | None
    made_at: int
    seen_at: int
    removed_at: int | None


_DEVICE = "id, device_id, name, session, made_at, seen_at, removed_at"


def device(tx: Tx, space: int, device_id: str) -> Device | None:
    row = tx.one(f"SELECT {_DEVICE} FROM sync_device WHERE space = ? AND device_id = ?", space, device_id)
    return None if row is None else Device(*row)


def devices(tx: Tx, space: int) -> list[Device]:
    sql = f"SELECT {_DEVICE} FROM sync_device WHERE space = ? AND removed_at IS NULL ORDER BY id"
    return [Device(*row) for row in tx.all(sql, space)]


def device_ids(tx: Tx, space: int) -> dict[int, str]:
    """What those of a space call themselves, by their rows, the removed ones among them."""
    return dict(tx.all("SELECT id, device_id FROM sync_device WHERE space = ?", space))


def count_devices(tx: Tx, space: int) -> int:
    row = tx.one("SELECT count(*) FROM sync_device WHERE space = ? AND removed_at IS NULL", space)
    return row[0] if row else 0


def insert_device(tx: Tx, space: int, device_id: str, session: int | None) -> int:
    return tx.insert(
        "INSERT INTO sync_device (space, device_id, session, made_at, seen_at) VALUES (?, ?, ?, ?, ?)",
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
