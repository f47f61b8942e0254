"""Moving of bytes into cold storage and back, and the end of what is no longer needed there.

A crash leaves bytes in the database, or in both: an object is known before it is written, free; it is read back whole
and compared; and the transaction that drops the bytes from the database is the one that puts it to use.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import suppress
from typing import TypeVar

import structlog

from delta_server.storage.blobs.blobs import PIECE_BYTES as WRITTEN_AT_ONCE
from delta_server.storage.blobs.blobs import BlobStoreFailed
from delta_server.storage.cold import store as sql
from delta_server.storage.cold.pieces import (
    AT_ONCE,
    MARKER,
    OF_BLOBS,
    PIECE_BYTES,
    ColdPieces,
    ColdStorageAway,
    PieceLost,
    hashes_of,
    marker_of,
)
from delta_server.storage.cold.store import ColdObject, Kind, Place
from delta_server.storage.database import Database, Threads

UPLOAD_S = 300.0
LEAST_WAIT_MS = 600_000
"""A free object is deleted no sooner: what reads an older state of the database still finds it."""
DELETED_AT_ONCE = 100

T = TypeVar("T")

log = structlog.get_logger()


async def present_place(db: Database, pieces: ColdPieces, address: str) -> Place | None:
    """That of the option `storage.cold`, where this database has a folder; None for none. Raises ColdStorageAway."""
    if not address:
        return None
    place = await db.read(sql.place_of, address)
    if place is None:
        folder = f"delta-{secrets.token_hex(8)}"
        await _answer(pieces, address, _mark(pieces, address, folder))
        await db.write(sql.insert_place, address, folder)
        place = await db.read(sql.place_of, address)
    return place


async def _mark(pieces: ColdPieces, address: str, folder: str) -> None:
    async with (await pieces.store(address)).create_write_stream(f"{folder}/{MARKER}") as out:
        await out.write(b"Packs and segments of a Delta server: its database knows what is in them.\n")


async def look_again(db: Database, pieces: ColdPieces) -> None:
    """Whether those stores answer that did not: nobody may ask for anything of them for long."""
    for place in await db.read(sql.places):
        if place.address in pieces.away:
            with suppress(ColdStorageAway):
                await _answer(pieces, place.address, _require_folder(pieces, place.address, f"{place.folder}/{MARKER}"))


async def _require_folder(pieces: ColdPieces, address: str, marker: str) -> None:
    if not await (await pieces.store(address)).resource_exists(marker):
        raise BlobStoreFailed("this database's folder is not there")


async def upload(
    db: Database,
    pieces: ColdPieces,
    cpu: Threads,
    place: Place,
    kind: Kind,
    data: bytes,
    *,
    project: int | None = None,
) -> ColdObject:
    """A free object of these bytes, which was read back. Raises ColdStorageAway, where this database's folder is not
    there too: what is written below a disk that is not mounted is hidden once it is."""
    key = f"{place.folder}/{kind}s/{secrets.token_hex(16)}"
    await _answer(pieces, place.address, _require_folder(pieces, place.address, marker_of(key)))
    hashes = await cpu(hashes_of, data)
    id = await db.write(sql.insert_free, place.id, key, len(data), hashes, project)
    object = ColdObject(id, place.address, key, len(data), hashes)
    await _answer(pieces, place.address, _write(pieces, object, data))
    try:
        async for _ in _read_steps(pieces, object):
            pass
    except PieceLost as error:
        raise pieces.failed(place.address, f"what was written is not read back: {error}") from None
    pieces.counts.moved_bytes += len(data)
    return object


async def _write(pieces: ColdPieces, object: ColdObject, data: bytes) -> None:
    store = await pieces.store(object.address)
    async with store.create_write_stream(object.key) as out:
        for at in range(0, len(data), WRITTEN_AT_ONCE):
            await out.write(data[at : at + WRITTEN_AT_ONCE])


async def read_whole(pieces: ColdPieces, object: ColdObject) -> bytes:
    """All its bytes, from where they are. Raises ColdStorageAway, PieceLost."""
    steps = [step async for step in _read_steps(pieces, object)]
    return await asyncio.to_thread(b"".join, steps)


async def _read_steps(pieces: ColdPieces, object: ColdObject) -> AsyncIterator[bytes]:
    fresh, step = pieces.uncached(), AT_ONCE * PIECE_BYTES
    for at in range(0, object.size, step):
        yield await fresh.read(object, at, at + step)


async def delete_due(db: Database, pieces: ColdPieces, now_ms: int) -> None:
    """Those free objects whose time has come; one that the store refuses to delete waits for the next turn. Raises
    ColdStorageAway in the end: what is in another place goes all the same."""
    after, away, refused = 0, dict[str, ColdStorageAway](), list[str]()
    while objects := await db.read(sql.due, now_ms, after, DELETED_AT_ONCE):
        after = objects[-1].id
        for object in objects:
            if object.address in away:
                continue
            try:
                reason = await _answer(pieces, object.address, _delete(pieces, object))
            except ColdStorageAway as error:
                away[object.address] = error
                continue
            if reason is not None:
                refused.append(f"{object.key}: {reason}")
                continue
            await db.write(sql.delete, [object.id])
            pieces.counts.deleted += 1
    if refused:
        log.error("not deleted from cold storage", objects=len(refused), first=refused[0])
    for first in away.values():
        raise first


async def _delete(pieces: ColdPieces, object: ColdObject) -> str | None:
    """Why the store does not delete it; None when it is gone."""
    await _require_folder(pieces, object.address, marker_of(object.key))
    try:
        await (await pieces.store(object.address)).delete_resource(object.key)
    except BlobStoreFailed as error:
        return error.message.removesuffix(OF_BLOBS)
    return None


async def _answer(pieces: ColdPieces, address: str, work: Awaitable[T]) -> T:
    """Raises ColdStorageAway."""
    try:
        async with asyncio.timeout(UPLOAD_S):
            found = await work
    except TimeoutError:
        raise pieces.failed(address, f"no answer within {UPLOAD_S:g} s") from None
    except BlobStoreFailed as error:
        raise pieces.failed(address, error.message) from None
    pieces.answered(address)
    return found


async def unknown_keys(db: Database, pieces: ColdPieces, place: Place) -> list[str]:
    """What is in this database's folder of a place and not known here: a backup is older than it. Raises
    ColdStorageAway."""
    known = await db.read(sql.known_keys, place.id)

    async def listed() -> list[str]:
        marker = f"{place.folder}/{MARKER}"
        known.add(marker)
        await _require_folder(pieces, place.address, marker)
        store = await pieces.store(place.address)
        return [blob.key async for blob in store.list(place.folder) if blob.key not in known]

    return await _answer(pieces, place.address, listed())


async def delete_unknown(pieces: ColdPieces, place: Place, keys: Sequence[str]) -> None:
    """Raises ColdStorageAway."""
    for key in keys:
        await _answer(pieces, place.address, (await pieces.store(place.address)).delete_resource(key))
