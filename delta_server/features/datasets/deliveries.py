"""Deliveries in the blob store, and the manifest that says which of them count.

A delivery is written under a new name and is nobody's until the manifest names it, which is replaced on the condition
that nobody else has replaced it since: a crash anywhere leaves the state before or the state after. The database has a
copy of each manifest, for lists; where it is a restored one, copies are made anew from the store.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import suppress

import msgspec
import zstandard
from msgspec.structs import replace

from delta_server.core.datasets import manifest as manifests
from delta_server.core.datasets.manifest import Delivery, Format, Manifest
from delta_server.core.errors import Unavailable
from delta_server.features.datasets import store
from delta_server.features.datasets.store import Client
from delta_server.services import Services
from delta_server.storage import staged_restore
from delta_server.storage.blobs.blobs import Blobs, BlobStoreFailed, Changed
from delta_server.storage.blobs.opening import open_blobs

ROOT = "datasets"
READABLE_MS = 3_600_000
"""For so long a delivery that was replaced stays, for those who still read it."""
_ATTEMPTS = 20
_CLIENTS_AT_ONCE = 100
_ZSTD_SLICE = 512


class _Opened:
    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs


class Writing:
    """The resources that deliveries are written to now, until it is settled whether they count. Used on the event loop
    only."""

    def __init__(self) -> None:
        self.resources: set[str] = set()


class _Copies:
    """Whether the manifests in the database may be those of a backup."""

    are_old = False


def blobs_of(svc: Services) -> Blobs:
    """Raises Invalid for an address that is none."""
    options = svc.config.storage
    return svc.state(_Opened, lambda: _Opened(open_blobs(options.blobs, options.data_dir))).blobs


def resource_of(client: Client, id: str, form: Format) -> str:
    return f"{ROOT}/{client.folder}/{id}.{form}{'' if form == 'parquet' else '.zst'}"


async def manifest_of(svc: Services, client: Client) -> Manifest:
    found = await blobs_of(svc).get(_manifest_key(client.folder))
    return Manifest() if found is None else msgspec.json.decode(found.content, type=Manifest)


async def switch(svc: Services, project: int, client: Client, change: Callable[[Manifest], Manifest]) -> Manifest:
    """Replace the manifest by what `change` makes of it, which may raise. Raises BlobStoreFailed, Unavailable."""
    blobs, key, state = blobs_of(svc), _manifest_key(client.folder), os.urandom(8).hex()
    for _ in range(_ATTEMPTS):
        found = await blobs.get(key)
        before = Manifest() if found is None else msgspec.json.decode(found.content, type=Manifest)
        if before.state == state:  # the answer to our own replacement got lost
            after = before
            break
        after = replace(change(before), state=state)
        with suppress(Changed):
            await blobs.put_if(key, msgspec.json.encode(after), None if found is None else found.tag)
            break
    else:
        raise Unavailable("the deliveries of this client change all the time: try again", retry_after_s=1)
    await svc.db.write(store.update_manifest, project, client.id, after)
    return after


async def settle(svc: Services, project: int, client: Client, resource: str) -> Manifest:
    """What was written and perhaps not switched to goes, unless the manifest names it. A replacement of the manifest
    that is still on its way comes to nothing, for here is another. Raises BlobStoreFailed, Unavailable."""
    after = await switch(svc, project, client, lambda before: manifests.swept(before, set()))
    if not any(f"/{id}." in resource for id in after.ids):
        await blobs_of(svc).delete_resource(resource)
    if await svc.db.read(store.folder, project, client.id) is None:
        await empty(svc, [client.folder])
    await svc.db.write(store.end_upload, project, client.id, resource)
    return after


async def _settle_all(svc: Services) -> None:
    """Whatever is not being written now."""
    for project, client, resource in await svc.db.read(store.unfinished):
        if resource not in svc.state(Writing).resources:
            with suppress(BlobStoreFailed, Unavailable):
                await settle(svc, project, client, resource)


async def read(svc: Services, client: Client, delivery: Delivery, *, decoded: bool) -> AsyncGenerator[bytes, None]:
    """The bytes, or those that are stored of them. Raises BlobStoreFailed when they are not there."""
    stream = await blobs_of(svc).create_read_stream(resource_of(client, delivery.id, delivery.format))
    if stream is None:
        raise BlobStoreFailed("the blob store has lost a delivery: see storage.blobs")
    return _decoded(svc, stream) if decoded and delivery.format != "parquet" else _as_stored(stream)


async def _as_stored(stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    async for piece in stream:
        yield piece


async def _decoded(svc: Services, stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    decoder = zstandard.ZstdDecompressor().decompressobj()

    def decode(piece: bytes, start: int) -> tuple[bytes, int]:
        made: list[bytes] = []
        size = 0
        while start < len(piece) and size < (1 << 20):
            made.append(decoder.decompress(piece[start : start + _ZSTD_SLICE]))
            size += len(made[-1])
            start += _ZSTD_SLICE
        return b"".join(made), start

    async for piece in stream:
        start = 0
        while start < len(piece):
            part, start = await svc.spare_cpu(decode, piece, start)
            if part:
                yield part


async def delete_all(svc: Services, project: int, client: Client) -> None:
    """The client, with its deliveries. Raises BlobStoreFailed; mostly it is still there then."""
    await empty(svc, [client.folder])
    await svc.db.write(store.delete_client, project, client.id)
    await empty(svc, [client.folder])


async def empty(svc: Services, folders: Iterable[str]) -> None:
    """Delete what is in folders of clients: before the clients, so that they stay where the store fails, and after
    them, for what came meanwhile. Whoever switches to a delivery later finds that the client is gone, and deletes it
    again. Raises BlobStoreFailed."""
    for folder in folders:
        await _empty(svc, folder)


async def _empty(svc: Services, folder: str) -> None:
    blobs = blobs_of(svc)
    keys = [blob.key async for blob in blobs.list(f"{ROOT}/{folder}")]
    for key in sorted(keys, key=_manifest_key(folder).__eq__, reverse=True):  # the manifest first
        await blobs.delete_resource(key)


async def delete_of_project(svc: Services, project: int, limit: int) -> bool:
    """Up to `limit` clients of a deleted project; False when there are none."""
    found = await svc.db.read(store.clients_of_project, project, min(limit, _CLIENTS_AT_ONCE))
    for client in found:
        await delete_all(svc, project, client)
    return bool(found)


async def forget_unfinished(svc: Services) -> None:
    """At each start: what was being written when the server ended."""
    await blobs_of(svc).delete_unfinished()
    await _settle_all(svc)


async def notice_restore(svc: Services) -> None:
    """At each start."""
    note = await asyncio.to_thread(staged_restore.read_note, svc.config.storage.data_dir)
    svc.state(_Copies).are_old = note is not None and note.is_waiting


async def _renew_copies(svc: Services) -> None:
    """Raises BlobStoreFailed."""
    last = 0
    while some := await svc.db.read(store.clients_above, last, _CLIENTS_AT_ONCE):
        for project, client in some:
            now = await manifest_of(svc, client)
            if now.state != client.manifest.state:
                await svc.db.write(store.replace_manifest, project, client, now)
            last = client.id
    svc.state(_Copies).are_old = False


async def sweep(svc: Services) -> None:
    """Delete what was replaced long ago, and what nobody writes any more; it is not counted then."""
    if svc.state(_Copies).are_old:
        with suppress(BlobStoreFailed):
            await _renew_copies(svc)
    before, last = svc.clock.now_ms() - READABLE_MS, 0
    while some := await svc.db.read(store.with_retired, before, last, _CLIENTS_AT_ONCE):
        for project, client in some:
            with suppress(BlobStoreFailed):
                await _sweep(svc, project, client, before)
            last = client.id
    await _settle_all(svc)
    with suppress(BlobStoreFailed):
        await blobs_of(svc).delete_unfinished()


async def _sweep(svc: Services, project: int, client: Client, before: int) -> None:
    old = [each for each in (await manifest_of(svc, client)).retired if each.at < before]
    for each in old:
        await blobs_of(svc).delete_resource(resource_of(client, each.id, each.format))
    ids = {each.id for each in old}
    await switch(svc, project, client, lambda manifest: manifests.swept(manifest, ids))


def _manifest_key(folder: str) -> str:
    return f"{ROOT}/{folder}/manifest.json"
