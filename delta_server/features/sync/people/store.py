"""What people see of spaces."""

from delta_server.features.sync.store import COLLECTION, Collection
from delta_server.storage.database import Tx


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


def needs_resync(collection: Collection, after: int) -> bool:
    """Whether deletions are forgotten that who has everything up to `after` never heard of."""
    return 0 < after < collection.horizon
