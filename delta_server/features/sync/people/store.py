"""What people see of spaces."""

import msgspec

from delta_server.features.sync.store import CHANGE, COLLECTION, Change, Collection
from delta_server.storage.database import Tx


class SpaceRow(msgspec.Struct, frozen=True):
    id: int
    owner: str
    seq: int
    records: int
    size_bytes: int
    changed_at: int
    created_at: int


def lag(tx: Tx, space: int, collection: int, device: int, after: int, most: int) -> tuple[int, int | None]:
    """How many records others changed since `after`, of the next `most`, and when the first of them did."""
    count, first = tx.one(
        "SELECT count(*), min(seq) FROM (SELECT seq, device FROM sync_change WHERE collection = ?"
        " AND superseded_by IS NULL AND seq > ? ORDER BY seq LIMIT ?) WHERE device IS NOT ?",
        collection,
        after,
        most,
        device,
    ) or (0, None)
    row = first and tx.one("SELECT changed_at FROM sync_change WHERE space = ? AND seq = ?", space, first)
    return count, row[0] if row else None


def collections(tx: Tx, space: int, above: str, limit: int) -> list[Collection]:
    """By data type, from the first behind `above`."""
    sql = f"SELECT {COLLECTION} FROM sync_collection WHERE space = ? AND data_type > ? ORDER BY data_type LIMIT ?"
    return [Collection(*row) for row in tx.all(sql, space, above, limit)]


def collection_of(tx: Tx, space: int, collection: int) -> Collection | None:
    row = tx.one(f"SELECT {COLLECTION} FROM sync_collection WHERE space = ? AND id = ?", space, collection)
    return None if row is None else Collection(*row)


def heads_by_id(tx: Tx, space: int, collection: int, begin: str, below: str, limit: int) -> list[Change]:
    """Newest versions, deletions among them, of records with ids from `begin` on and below `below`, by id."""
    rows = tx.all(
        f"SELECT {CHANGE} FROM sync_change WHERE space = ? AND collection = ? AND superseded_by IS NULL"
        " AND record_id >= ? AND record_id < ? ORDER BY record_id LIMIT ?",
        space,
        collection,
        begin,
        below,
        limit,
    )
    return [Change(*row) for row in rows]


def spaces(tx: Tx, project: int, q: str, before: tuple[int, int], limit: int) -> list[SpaceRow]:
    """Those whose owner has `q` in it, by their newest change, from behind the one with that time and row."""
    rows = tx.all(
        "SELECT id, owner, seq, records, size_bytes, changed_at, created_at FROM sync_space WHERE project = ?"
        " AND (changed_at, id) < (?, ?) AND instr(lower(owner), lower(?)) > 0"
        " ORDER BY changed_at DESC, id DESC LIMIT ?",
        project,
        *before,
        q,
        limit,
    )
    return [SpaceRow(*row) for row in rows]


def needs_resync(collection: Collection, after: int) -> bool:
    """Whether deletions are forgotten that who has everything up to `after` never heard of."""
    return 0 < after < collection.horizon
