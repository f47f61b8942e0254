"""Where the bytes of old packs and segments are that have left the database: the SQL of `cold_object` and `cold_place`.

An object is in use by a pack or by a segment, or free: being written, or no longer needed. Triggers free it in the
transaction that deletes what it is of, whatever deletes that. Free objects get a time, and are deleted after it.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from delta_server.storage.database import Row, Tx, frees_space

HASH_BYTES = 16

OF_ENDPOINT = "(SELECT coalesce(sum(size), 0) FROM cold_object WHERE endpoint = ?1)"
"""What packs of an endpoint have in cold storage, as SQL for those that add up what it takes."""

Kind = Literal["pack", "segment"]


class Place(msgspec.Struct, frozen=True):
    """A blob store, and the folder in it that is this database's alone."""

    id: int
    address: str
    folder: str


class ColdObject(msgspec.Struct, frozen=True):
    """`hashes` are those of its pieces (pieces.py), one after another."""

    id: int
    address: str
    key: str
    size: int
    hashes: bytes


class Used(msgspec.Struct, frozen=True):
    """An object and what is in it: the pack or the segment `number` of an endpoint or a project."""

    object: ColdObject
    kind: Kind
    number: int
    owner: int


class Totals(msgspec.Struct, frozen=True):
    """`elsewhere` are those of `objects` that are in another place than the present one; `free` are no longer used, and
    of those `held` are kept for the database that a backup was made of."""

    objects: int
    size_bytes: int
    elsewhere: int
    free: int
    held: int


_COLUMNS = "o.id, p.address, o.key, o.size, o.hashes"
_FROM = "FROM cold_object AS o JOIN cold_place AS p ON p.id = o.place"
_IN_USE = "(o.pack IS NOT NULL OR o.segment IS NOT NULL)"
_FREE = "pack IS NULL AND segment IS NULL"


def of_pack(tx: Tx, endpoint: int, pack: int) -> ColdObject | None:
    return _object(tx.one(f"SELECT {_COLUMNS} {_FROM} WHERE o.pack = ? AND o.endpoint = ?", pack, endpoint))


def packs_of(tx: Tx, endpoint: int) -> dict[int, int]:
    """What packs of an endpoint have in cold storage."""
    return dict(tx.all("SELECT pack, size FROM cold_object WHERE endpoint = ?", endpoint))


OF_SEGMENT = f"SELECT {_COLUMNS} {_FROM} WHERE o.segment = ? AND o.project = ?"


def of_segment(tx: Tx, project: int, segment: int) -> ColdObject | None:
    return _object(tx.one(OF_SEGMENT, segment, project))


IS_MOVED = "EXISTS (SELECT 1 FROM cold_object WHERE cold_object.segment = segment.id)"
"""Of a segment, as SQL for those that list them."""


def segments_of(tx: Tx, project: int) -> set[int]:
    return {
        row[0] for row in tx.all("SELECT segment FROM cold_object WHERE project = ? AND segment IS NOT NULL", project)
    }


def place_of(tx: Tx, address: str) -> Place | None:
    row = tx.one("SELECT id, address, folder FROM cold_place WHERE address = ?", address)
    return None if row is None else Place(*row)


@frees_space  # what moves to it leaves the disk
def insert_place(tx: Tx, address: str, folder: str) -> None:
    tx.run("INSERT OR IGNORE INTO cold_place (address, folder) VALUES (?, ?)", address, folder)


def places(tx: Tx) -> list[Place]:
    """All that there ever were."""
    return [Place(*row) for row in tx.all("SELECT id, address, folder FROM cold_place ORDER BY id")]


@frees_space
def insert_free(tx: Tx, place: int, key: str, size: int, hashes: bytes, project: int | None) -> int:
    """Before it is written: what of it is left by a crash is known. `project` is that of a segment."""
    sql = "INSERT INTO cold_object (place, key, size, hashes, project) VALUES (?, ?, ?, ?, ?)"
    return tx.insert(sql, place, key, size, hashes, project)


def use_for_pack(tx: Tx, endpoint: int, pack: int, object: int) -> bool:
    sql = f"UPDATE cold_object SET pack = ?, endpoint = ? WHERE id = ? AND {_FREE} AND delete_at IS NULL"
    return tx.run(sql, pack, endpoint, object) == 1


def use_for_segment(tx: Tx, project: int, segment: int, object: int) -> bool:
    sql = f"UPDATE cold_object SET segment = ?, project = ? WHERE id = ? AND {_FREE} AND delete_at IS NULL"
    return tx.run(sql, segment, project, object) == 1


def release(tx: Tx, object: int) -> bool:
    """False when nothing uses it."""
    sql = "UPDATE cold_object SET pack = NULL, endpoint = NULL, segment = NULL WHERE id = ?"
    return tx.run(f"{sql} AND NOT ({_FREE})", object) == 1


def doom_segment(tx: Tx, project: int, segment: int, at_ms: int) -> None:
    """What a segment has in cold storage is not kept for backups, once nothing uses it."""
    tx.run("UPDATE cold_object SET delete_at = ? WHERE segment = ? AND project = ?", at_ms, segment, project)


@frees_space
def doom_left_of_segments(tx: Tx, project: int, at_ms: int) -> None:
    """What segments of a project had in cold storage, and were to have, is not kept for backups."""
    tx.run(f"UPDATE cold_object SET delete_at = ? WHERE project = ? AND {_FREE}", at_ms, project)


@frees_space
def doom(tx: Tx, project: int, object: int, at_ms: int) -> None:
    """One that no segment ever used is in no backup."""
    tx.run(f"UPDATE cold_object SET delete_at = ? WHERE id = ? AND project = ? AND {_FREE}", at_ms, object, project)


@frees_space
def set_times(tx: Tx, at_ms: int) -> None:
    """When those are deleted that became free, where nothing else has been said: nothing may be being written."""
    tx.run(f"UPDATE cold_object SET delete_at = ? WHERE {_FREE} AND delete_at IS NULL", at_ms)


def due(tx: Tx, now_ms: int, after: int, limit: int) -> list[ColdObject]:
    """Free ones past their time that are this database's, with larger ids."""
    sql = f"SELECT {_COLUMNS} {_FROM} WHERE o.delete_at <= ? AND NOT {_IN_USE} AND o.held = 0 AND o.id > ?"
    return [ColdObject(*row) for row in tx.all(f"{sql} ORDER BY o.id LIMIT ?", now_ms, after, limit)]


@frees_space
def delete(tx: Tx, objects: Sequence[int]) -> None:
    tx.many(f"DELETE FROM cold_object WHERE id = ? AND {_FREE}", [(each,) for each in objects])


def elsewhere(tx: Tx, place: int, after: int, limit: int) -> list[Used]:
    """Used ones that are not in `place`, 0 for none, with larger ids."""
    sql = f"SELECT {_COLUMNS}, o.pack, o.endpoint, o.segment, o.project {_FROM} WHERE o.place <> ? AND o.id > ?"
    return [_used(row) for row in tx.all(f"{sql} AND {_IN_USE} ORDER BY o.id LIMIT ?", place, after, limit)]


def totals(tx: Tx, place: int) -> Totals:
    row = tx.one(
        f"SELECT coalesce(sum({_IN_USE}), 0), coalesce(sum(iif({_IN_USE}, o.size, 0)), 0),"
        f" coalesce(sum({_IN_USE} AND o.place <> ?), 0), coalesce(sum(NOT {_IN_USE}), 0),"
        f" coalesce(sum(NOT {_IN_USE} AND o.held), 0) FROM cold_object AS o",
        place,
    )
    assert row is not None
    return Totals(*row)


def adopt(tx: Tx, place: int) -> int:
    """The objects in a place that a backup brought are this database's from now on; how many."""
    return tx.run("UPDATE cold_object SET held = 0 WHERE held = 1 AND place = ?", place)


def known_keys(tx: Tx, place: int) -> set[str]:
    return {row[0] for row in tx.all("SELECT key FROM cold_object WHERE place = ?", place)}


def _object(row: Row | None) -> ColdObject | None:
    return None if row is None else ColdObject(*row)


def _used(row: Row) -> Used:
    *object, pack, endpoint, segment, project = row
    if pack is not None:
        return Used(ColdObject(*object), "pack", pack, endpoint)
    return Used(ColdObject(*object), "segment", segment, project)
