"""Records as they are, and as they were when a number was the newest."""

from collections.abc import Sequence

from delta_server.core.sync.documents import Stored
from delta_server.core.sync.judging import DELETED
from delta_server.features.sync.store import CHANGE, Change
from delta_server.storage.database import Tx, listed


def stored(tx: Tx, collection: int, record_ids: Sequence[str], *, content: bool) -> dict[str, Stored]:
    """The newest versions of those that have any."""
    sql = (
        f"SELECT record_id, seq, kind, {'content' if content else 'NULL'} FROM json_each(?)"
        " CROSS JOIN sync_change ON collection = ? AND record_id = value AND superseded_by IS NULL"
    )
    rows = tx.all(sql, listed(record_ids), collection)
    return {record_id: Stored(seq, kind, content) for record_id, seq, kind, content in rows}


def stored_bytes(tx: Tx, collection: int, record_ids: Sequence[str]) -> int:
    """Of the contents of those."""
    row = tx.one(
        "SELECT coalesce(sum(length(content)), 0) FROM json_each(?)"
        " CROSS JOIN sync_change ON collection = ? AND record_id = value AND superseded_by IS NULL",
        listed(record_ids),
        collection,
    )
    return 0 if row is None else row[0]


def versions_at(tx: Tx, space: int, collection: int, until: int, after: int, limit: int) -> list[Change]:
    """Of the records as they were when `until` was the newest number, those with versions above `after`, in order."""
    still = tx.all(
        f"SELECT {CHANGE} FROM sync_change WHERE space = ? AND collection = ? AND superseded_by IS NULL AND seq > ?"
        " AND seq <= ? ORDER BY seq LIMIT ?",
        space,
        collection,
        after,
        until,
        limit,
    )
    since = tx.all(
        f"SELECT {CHANGE} FROM sync_change WHERE space = ? AND superseded_by > ? AND collection = ? AND seq > ?"
        " AND seq <= ? ORDER BY seq LIMIT ?",
        space,
        until,
        collection,
        after,
        until,
        limit,
    )
    return [Change(*row) for row in sorted([*still, *since])[:limit]]


class Placed(Change, frozen=True, kw_only=True):
    """A version with its collection."""

    collection: int


def living_at(tx: Tx, space: int, until: int, after: int, end: int, limit: int) -> list[Placed]:
    """Of all collections the records that lived when `until` was the newest number, with versions above `after` and up
    to `end`, in order."""
    rows = tx.all(
        f"SELECT collection, {CHANGE} FROM sync_change WHERE space = ? AND seq > ? AND seq <= ? AND kind <> {DELETED}"
        " AND (superseded_by IS NULL OR superseded_by > ?) ORDER BY seq LIMIT ?",
        space,
        after,
        end,
        until,
        limit,
    )
    return [Placed(*row[1:], collection=row[0]) for row in rows]


def sums_at(tx: Tx, space: int, until: int, after: int, end: int) -> list[tuple[int, str, bytes]]:
    """As `living_at`: collections, records' ids, checksums."""
    return tx.all(
        f"SELECT collection, record_id, checksum FROM sync_change WHERE space = ? AND seq > ? AND seq <= ?"
        f" AND kind <> {DELETED} AND (superseded_by IS NULL OR superseded_by > ?)",
        space,
        after,
        end,
        until,
    )


def last_of_next(tx: Tx, space: int, after: int, until: int, versions: int) -> int:
    """Where the next so many versions end, living or not; `until` when there are fewer up to it."""
    row = tx.one(
        "SELECT seq FROM sync_change WHERE space = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT 1 OFFSET ?",
        space,
        after,
        until,
        versions - 1,
    )
    return until if row is None else row[0]


def living_of(
    tx: Tx, space: int, collection: int, heads: str, after: int, until: int, limit: int
) -> list[tuple[int, str, bytes]]:
    """Versions, ids and checksums of a collection's records above `after` and up to `until`, in order."""
    return tx.all(
        f"SELECT seq, record_id, checksum FROM sync_change WHERE space = ? AND collection = ? AND {heads}"
        f" AND kind <> {DELETED} AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
        space,
        collection,
        after,
        until,
        limit,
    )
