"""Spaces, collections, and the changes in them."""

from collections.abc import Iterable, Sequence

import msgspec

from delta_server.core.sync.judging import DELETED, Head
from delta_server.storage.database import LISTED, Row, Tx, listed


class Space(msgspec.Struct, frozen=True):
    """`seq` is that of its newest change, of whatever data type. While an upload becomes visible `staged` is the newest
    number given to it."""

    id: int
    seq: int
    changed_at: int
    created_at: int
    records: int
    size_bytes: int
    staged: int | None = None


class Collection(msgspec.Struct, frozen=True):
    id: int
    data_type: str
    seq: int
    horizon: int
    horizon_at: int
    records: int
    tombstones: int
    size_bytes: int
    digest: bytes
    day: int
    day_records: int
    day_deleted: int


class Change(msgspec.Struct, frozen=True):
    """One version of a record."""

    seq: int
    record_id: str
    kind: int
    content: bytes | None
    checksum: bytes | None
    device: int | None
    previous: int | None
    updated_at: int | None
    changed_at: int


class NewChange(msgspec.Struct, frozen=True):
    """A version to be stored; `replaces` is the head it takes the place of, None without any."""

    seq: int
    record_id: str
    kind: int
    content: bytes | None
    checksum: bytes | None
    change_id: str
    replaces: int | None
    updated_at: int | None
    superseded_by: int | None = None


class KnownChange(msgspec.Struct, frozen=True):
    """One that came before, and the version it made."""

    seq: int
    collection: int
    record_id: str
    kind: int
    checksum: bytes | None


SPACE = "id, seq, changed_at, created_at, records, size_bytes, staged"
HEADS = "superseded_by IS NULL"
COLLECTION = (
    "id, data_type, seq, horizon, horizon_at, records, tombstones, size_bytes, digest, day, day_records, day_deleted"
)
CHANGE = "seq, record_id, kind, content, checksum, device, previous, updated_at, changed_at"


# Spaces and their epoch


def epoch(tx: Tx) -> bytes:
    """Empty before the first start of a server."""
    row = tx.one("SELECT epoch FROM sync_epoch WHERE id = 1")
    return b"" if row is None else row[0]


def set_epoch(tx: Tx, epoch: bytes) -> None:
    tx.run("INSERT INTO sync_epoch (id, epoch) VALUES (1, ?) ON CONFLICT DO UPDATE SET epoch = excluded.epoch", epoch)


def counts(tx: Tx) -> tuple[int, int, int]:
    """How often something was written, the largest number there is, and behind which one a new space begins."""
    row = tx.one("SELECT writes, newest, skipped FROM sync_epoch WHERE id = 1")
    return (0, 0, 0) if row is None else (row[0], row[1], row[2])


def skip_numbers(tx: Tx, last: int, count: int) -> None:
    """In all spaces, and in those to come: none goes on from less than `count` above `last`. What is staged stays
    hidden: only the numbers behind it are skipped."""
    sql = "UPDATE sync_epoch SET skipped = max(skipped, ?) + ?, newest = max(newest, ?) + ? WHERE id = 1"
    tx.run(sql, last, count, last, count)
    tx.run(
        "UPDATE sync_space SET seq = iif(staged IS NULL, max(seq, ?1) + ?2, seq), staged = max(staged, ?1) + ?2",
        last,
        count,
    )


def space(tx: Tx, project: int, owner: str) -> Space | None:
    row = tx.one(f"SELECT {SPACE} FROM sync_space WHERE project = ? AND owner = ?", project, owner)
    return None if row is None else Space(*row)


def shown(tx: Tx, space: int) -> str:
    """In SQL, which versions are the newest to be seen: HEADS, unless an upload becomes visible now."""
    row = tx.one("SELECT seq FROM sync_space AS space WHERE space.id = ? AND staged IS NOT NULL", space)
    return HEADS if row is None else f"(superseded_by IS NULL OR +superseded_by > {row[0]:d})"


def insert_space(tx: Tx, project: int, owner: str) -> Space:
    *_, first = counts(tx)
    id = tx.insert(
        "INSERT INTO sync_space (project, owner, seq, changed_at, created_at) VALUES (?, ?, ?, ?, ?)",
        project,
        owner,
        first,
        tx.now_ms,
        tx.now_ms,
    )
    return Space(id, first, tx.now_ms, tx.now_ms, 0, 0)


def update_space(tx: Tx, space: int, after: Space) -> None:
    tx.run("UPDATE sync_epoch SET writes = writes + 1, newest = max(newest, ?) WHERE id = 1", after.seq)
    tx.run(
        "UPDATE sync_space AS space SET seq = ?, changed_at = ?, records = ?, size_bytes = ? WHERE space.id = ?",
        after.seq,
        after.changed_at,
        after.records,
        after.size_bytes,
        space,
    )


# Collections


def collection(tx: Tx, space: int, data_type: str) -> Collection | None:
    sql = f"SELECT {COLLECTION} FROM sync_collection WHERE space = ? AND data_type = ?"
    row = tx.one(sql, space, data_type)
    return None if row is None else Collection(*row)


def collections(tx: Tx, space: int) -> list[Collection]:
    """Those in which something was changed: an upload makes some before it is to be seen."""
    sql = f"SELECT {COLLECTION} FROM sync_collection WHERE space = ? AND seq > 0 ORDER BY data_type"
    return [Collection(*row) for row in tx.all(sql, space)]


def count_collections(tx: Tx, space: int) -> int:
    row = tx.one("SELECT count(*) FROM sync_collection WHERE space = ?", space)
    return row[0] if row else 0


def news(tx: Tx, space: int, after: int, limit: int) -> list[tuple[str, int]]:
    """Data types with changes above `after`, and their newest numbers, in the order of these."""
    sql = "SELECT data_type, seq FROM sync_collection WHERE space = ? AND seq > ? ORDER BY seq LIMIT ?"
    return tx.all(sql, space, after, limit)


def insert_collection(tx: Tx, space: int, data_type: str, digest: bytes) -> Collection:
    sql = "INSERT INTO sync_collection (space, data_type, seq, digest) VALUES (?, ?, 0, ?)"
    return Collection(tx.insert(sql, space, data_type, digest), data_type, 0, 0, 0, 0, 0, 0, digest, 0, 0, 0)


def delete_collection(tx: Tx, space: int, collection: int) -> None:
    """One made in this transaction."""
    tx.run("DELETE FROM sync_collection WHERE space = ? AND id = ?", space, collection)


def update_collection(tx: Tx, space: int, after: Collection) -> None:
    tx.run(
        "UPDATE sync_collection SET seq = ?, records = ?, tombstones = ?, size_bytes = ?, digest = ?, day = ?,"
        " day_records = ?, day_deleted = ? WHERE space = ? AND id = ?",
        after.seq,
        after.records,
        after.tombstones,
        after.size_bytes,
        after.digest,
        after.day,
        after.day_records,
        after.day_deleted,
        space,
        after.id,
    )


def add_activity(
    tx: Tx, space: int, collection: int, device: int | None, day: int, *, changes: int, deletions: int
) -> None:
    """What a device changed on a day; None is the server itself."""
    tx.run(
        "INSERT INTO sync_activity (collection, day, device, changes, deletions)"
        " SELECT id, ?, ?, ?, ? FROM sync_collection WHERE space = ? AND id = ? ON CONFLICT DO UPDATE SET"
        " changes = changes + excluded.changes, deletions = deletions + excluded.deletions",
        day,
        device or 0,
        changes,
        deletions,
        space,
        collection,
    )


def horizon(tx: Tx, space: int, collection: int) -> int:
    row = tx.one("SELECT horizon FROM sync_collection WHERE space = ? AND id = ?", space, collection)
    return 0 if row is None else row[0]


# Changes


def known_changes(tx: Tx, device: int, change_ids: Sequence[str]) -> dict[str, KnownChange]:
    sql = (
        "SELECT change_id, seq, collection, record_id, kind, checksum FROM sync_change"
        f" WHERE device = ? AND change_id IN {LISTED}"
    )
    return {change_id: KnownChange(*row) for change_id, *row in tx.all(sql, device, listed(change_ids))}


def heads(tx: Tx, collection: int, record_ids: Sequence[str]) -> dict[str, tuple[Head, int]]:
    """The newest versions of those that have any, with the size of their content."""
    rows = tx.all(
        "SELECT record_id, seq, kind, checksum, coalesce(length(content), 0) FROM json_each(?)"
        " CROSS JOIN sync_change ON collection = ? AND record_id = value AND superseded_by IS NULL",
        listed(record_ids),
        collection,
    )
    return {record_id: (Head(seq, kind, checksum), size) for record_id, seq, kind, checksum, size in rows}


def graves(tx: Tx, collection: int, id_hashes: Iterable[bytes]) -> dict[bytes, int]:
    """Of those whose tombstones were purged, the versions of their deletions."""
    found = {}
    for id_hash in id_hashes:
        row = tx.one("SELECT seq FROM sync_grave WHERE collection = ? AND id_hash = ?", collection, id_hash)
        if row is not None:
            found[id_hash] = row[0]
    return found


def insert_changes(
    tx: Tx, space: int, collection: int, device: int | None, changes: Sequence[NewChange], at: int
) -> None:
    """In the order of their numbers; `at` is when. What they replace is no head any more."""
    tx.many(
        "UPDATE sync_change SET superseded_by = ? WHERE space = ? AND seq = ?",
        [(new.seq, space, new.replaces) for new in changes if new.replaces is not None],
    )
    tx.many(
        "INSERT INTO sync_change (space, seq, collection, record_id, kind, content, checksum, device, change_id,"
        " previous, superseded_by, updated_at, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_row(space, collection, device, new, at) for new in changes],
    )


def _row(space: int, collection: int, device: int | None, new: NewChange, at: int) -> Row:
    return (
        space,
        new.seq,
        collection,
        new.record_id,
        new.kind,
        new.content,
        new.checksum,
        device,
        new.change_id or None,
        new.replaces,
        new.superseded_by,
        new.updated_at,
        at,
    )


def delete_grave(tx: Tx, collection: int, id_hash: bytes) -> None:
    """Its record is back."""
    tx.run("DELETE FROM sync_grave WHERE collection = ? AND id_hash = ?", collection, id_hash)


def heads_after(tx: Tx, collection: int, space: int, heads: str, after: int, until: int, limit: int) -> list[Row]:
    """Newest versions with sequence numbers above `after` and up to `until`, in order; `heads` is what `shown` says.
    Rows of CHANGE: a struct of each takes as long again."""
    sql = (
        f"SELECT {CHANGE} FROM sync_change WHERE collection = ?1 AND {_within(heads)} AND seq > ?3 AND seq <= ?4"
        " ORDER BY seq LIMIT ?5"
    )
    return tx.all(sql, collection, space, after, until, limit)


def head_numbers(tx: Tx, collection: int, after: int, until: int, limit: int) -> list[int]:
    """As `heads_after`, the numbers alone: the index has them, and a text of all takes half as long as rows."""
    sql = (
        f"SELECT json_group_array(seq) FROM (SELECT seq FROM sync_change WHERE collection = ? AND {HEADS}"
        " AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?)"
    )
    row = tx.one(sql, collection, after, until, limit)
    return [] if row is None else sorted(msgspec.json.decode(row[0], type=list[int]))


def count_heads(tx: Tx, collection: int, stretches: Sequence[tuple[int, int]]) -> list[int]:
    """How many there are above the first number and up to the second one of each."""
    sql = (
        f"SELECT (SELECT count(*) FROM sync_change WHERE collection = ? AND {HEADS} AND seq > value->>0"
        " AND seq <= value->>1) FROM json_each(?)"
    )
    return [count for (count,) in tx.all(sql, collection, listed(stretches))]


def tombstones_after(tx: Tx, collection: int, space: int, heads: str, after: int, until: int, limit: int) -> list[Row]:
    """As `heads_after`, deletions alone."""
    sql = (
        f"SELECT {CHANGE} FROM sync_change WHERE collection = ?1 AND {_within(heads)} AND kind = {DELETED}"
        " AND seq > ?3 AND seq <= ?4 ORDER BY seq LIMIT ?5"
    )
    return tx.all(sql, collection, space, after, until, limit)


def skip(tx: Tx, collection: int, space: int, heads: str, after: int, until: int, count: int) -> int:
    """The sequence number of the `count`th newest version above `after`; `until` when there are not so many."""
    sql = (
        f"SELECT seq FROM sync_change WHERE collection = ?1 AND {_within(heads)} AND seq > ?3 AND seq <= ?4"
        " ORDER BY seq LIMIT 1 OFFSET ?5"
    )
    row = tx.one(sql, collection, space, after, until, count - 1)
    return until if row is None else row[0]


def _within(heads: str) -> str:
    """With the space as ?2. The index of heads by their numbers knows collections alone; while an upload becomes
    visible there is none but that of all numbers of the space."""
    return heads if heads == HEADS else f"space = ?2 AND {heads}"


def head(tx: Tx, space: int, collection: int, record_id: str) -> Change | None:
    row = tx.one(
        f"SELECT {CHANGE} FROM sync_change WHERE space = ? AND collection = ? AND record_id = ?"
        " AND superseded_by IS NULL",
        space,
        collection,
        record_id,
    )
    return None if row is None else Change(*row)


def version(tx: Tx, space: int, collection: int, seq: int) -> Change | None:
    row = tx.one(
        f"SELECT {CHANGE} FROM sync_change WHERE space = ? AND seq = ? AND collection = ?", space, seq, collection
    )
    return None if row is None else Change(*row)


def first_since(tx: Tx, space: int, at: int, seq: int) -> int:
    """The sequence number before the first change of a time or later; `seq` is the space's newest.

    Times never go back within a space, so bisecting the sequence finds it in 40 looks at most."""
    low, high = 0, seq
    while low < high:
        middle = (low + high + 1) // 2
        row = tx.one(
            "SELECT seq, changed_at FROM sync_change WHERE space = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
            space,
            middle,
        )
        if row is None or row[1] < at:
            low = middle
        else:
            high = row[0] - 1
    return low
