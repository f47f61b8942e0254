"""What people see of spaces."""

from collections.abc import Sequence

import msgspec

from delta_server.core.sync.judging import DELETED
from delta_server.features.sync.store import CHANGE, COLLECTION, Change, Collection
from delta_server.storage.database import Row, Tx

LEAST, BEHIND_ALL = "\0", "\U0010ffff"
"""Behind a name, what makes the next one, and what is behind all that begin so."""


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


def collections(tx: Tx, space: int, begin: str, below: str, limit: int) -> list[Collection]:
    """By data type, from `begin` on and below `below`, those in which something was changed."""
    sql = (
        f"SELECT {COLLECTION} FROM sync_collection WHERE space = ? AND data_type >= ? AND data_type < ? AND seq > 0"
        " ORDER BY data_type LIMIT ?"
    )
    return [Collection(*row) for row in tx.all(sql, space, begin, below, limit)]


def collection_of(tx: Tx, space: int, collection: int) -> Collection | None:
    row = tx.one(f"SELECT {COLLECTION} FROM sync_collection WHERE space = ? AND id = ?", space, collection)
    return None if row is None else Collection(*row)


class Version(msgspec.Struct, frozen=True):
    """A version of a record; its content may be left out."""

    change: Change
    size_bytes: int


_FIRST, _LAST = CHANGE.split("content")
_SIZED = {
    True: f"{CHANGE}, coalesce(length(content), 0)",
    False: f"{_FIRST}NULL{_LAST}, coalesce(length(content), 0)",
}
"""With the content, and without: what is large is not read then."""


def _versions(rows: Sequence[Row]) -> list[Version]:
    return [Version(Change(*change), size) for *change, size in rows]


def heads_by_id(
    tx: Tx, space: int, collection: int, begin: str, below: str, limit: int, *, content: bool
) -> list[Version]:
    """Newest versions, deletions among them, of records with ids from `begin` on and below `below`, by id."""
    rows = tx.all(
        f"SELECT {_SIZED[content]} FROM sync_change WHERE +space = ? AND collection = ? AND superseded_by IS NULL"
        " AND record_id >= ? AND record_id < ? ORDER BY record_id LIMIT ?",
        space,
        collection,
        begin,
        below,
        limit,
    )
    return _versions(rows)


def tombstones_before(tx: Tx, space: int, collection: int, before: int, limit: int) -> list[Version]:
    """Deletions that are remembered, the newest first, from behind the number `before`."""
    rows = tx.all(
        f"SELECT {_SIZED[False]} FROM sync_change WHERE +space = ? AND collection = ? AND superseded_by IS NULL"
        f" AND kind = {DELETED} AND seq < ? ORDER BY seq DESC LIMIT ?",
        space,
        collection,
        before,
        limit,
    )
    return _versions(rows)


def version(tx: Tx, space: int, collection: int, seq: int, *, content: bool) -> Version | None:
    row = tx.one(
        f"SELECT {_SIZED[content]} FROM sync_change WHERE space = ? AND seq = ? AND collection = ?",
        space,
        seq,
        collection,
    )
    return None if row is None else _versions([row])[0]


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


class Days(msgspec.Struct, frozen=True):
    """What devices changed of a collection: by days since 1970 (changes, deletions), and by devices, whose rows these
    are, 0 for the server itself."""

    by_day: dict[int, tuple[int, int]]
    by_device: dict[int, int]


def activity(tx: Tx, space: int, collection: int) -> Days:
    rows = tx.all(
        "SELECT day, device, changes, deletions FROM sync_activity WHERE collection ="
        " (SELECT id FROM sync_collection WHERE space = ? AND id = ?)",
        space,
        collection,
    )
    found = Days({}, {})
    for day, device, changes, deletions in rows:
        before = found.by_day.get(day, (0, 0))
        found.by_day[day] = before[0] + changes, before[1] + deletions
        found.by_device[device] = found.by_device.get(device, 0) + changes
    return found


class Recent(msgspec.Struct, frozen=True):
    """A version, without its content."""

    seq: int
    data_type: str
    record_id: str
    kind: int
    size_bytes: int
    device: int | None
    previous: int | None
    updated_at: int | None
    changed_at: int


def recent(
    tx: Tx, space: int, below: int, collection: int | None, device: int | None, looked_at: int, limit: int
) -> list[Recent]:
    """Versions below a number, the newest first, of a collection or a device, of so many that are looked at."""
    rows = tx.all(
        "SELECT v.seq, c.data_type, v.record_id, v.kind, v.size, v.device, v.previous, v.updated_at, v.changed_at FROM"
        " (SELECT seq, collection, record_id, kind, coalesce(length(content), 0) AS size, device, previous, updated_at,"
        " changed_at FROM sync_change WHERE space = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3) v"
        " JOIN sync_collection c ON c.id = v.collection"
        " WHERE (?4 IS NULL OR v.collection = ?4) AND (?5 IS NULL OR v.device = ?5) ORDER BY v.seq DESC LIMIT ?6",
        space,
        below,
        looked_at,
        collection,
        device,
        limit,
    )
    return [Recent(*row) for row in rows]


def oldest_of_next(tx: Tx, space: int, below: int, versions: int) -> int | None:
    """The number of the last of the next so many versions below one, None when there are fewer."""
    row = tx.one(
        "SELECT seq FROM sync_change WHERE space = ? AND seq < ? ORDER BY seq DESC LIMIT 1 OFFSET ?",
        space,
        below,
        versions - 1,
    )
    return None if row is None else row[0]


def needs_resync(collection: Collection, after: int) -> bool:
    """Whether deletions are forgotten that who has everything up to `after` never heard of."""
    return 0 < after < collection.horizon
