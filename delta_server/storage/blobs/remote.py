"""Blobs in S3, Google Cloud Storage or Azure, and in memory for tests, through obstore.

Reads ask for a range at a time, so that no request lasts longer than a piece takes, however slow the reader is. Writes
go out in parts of PART_BYTES. Parts of an upload that was killed stay in the bucket, unseen, until its own rules remove
them.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
from obstore import exceptions, store

from delta_server.storage.blobs.blobs import (
    PIECE_BYTES,
    Blob,
    BlobStoreFailed,
    Changed,
    Tagged,
    WriteStream,
    checked_key,
)

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import ObjectStore

T = TypeVar("T")

PROBES = "delta-probe"
PART_BYTES = 8 << 20
_PARTS_AT_ONCE = 2
_FAILED = "the blob store does not answer as it should: see storage.blobs"
_NO_BUCKET = "the blob store has no such bucket: see storage.blobs"
_MOST_RETRIES, _RETRY_FOR = 4, timedelta(seconds=30)


def opened(url: str) -> "RemoteBlobs":
    """The store that `s3://bucket/prefix`, `gs://` or `az://` names; its credentials come from where its own tools look
    for them. Raises ValueError."""
    options = {"timeout": "60s", "connect_timeout": "5s", "allow_http": True}
    retries = {"max_retries": _MOST_RETRIES, "retry_timeout": _RETRY_FOR}
    try:
        # Its overloads are by scheme, which is known here only when it runs
        return RemoteBlobs(store.from_url(url, client_options=options, retry_config=retries))  # type: ignore[call-overload]
    except exceptions.BaseError as error:
        raise ValueError(_reason(error)) from None


class RemoteBlobs:
    def __init__(self, store: "ObjectStore") -> None:
        self._store = store
        self._keeps_conditions = False

    async def create_read_stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes] | None:
        try:
            meta = await _asked(obstore.head_async(self._store, checked_key(key)))
        except FileNotFoundError:
            return None
        return self._pieces(key, start, meta["size"] if end is None else min(end, meta["size"]))

    async def _pieces(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        while start < end:
            upto = min(start + PIECE_BYTES, end)
            piece = bytes(await _asked(obstore.get_range_async(self._store, key, start=start, end=upto)))
            start += len(piece)
            yield piece

    async def get_range(self, key: str, start: int, end: int) -> bytes | None:
        if end <= start:
            return b"" if await self.resource_exists(key) else None
        try:
            return bytes(await _asked(obstore.get_range_async(self._store, checked_key(key), start=start, end=end)))
        except FileNotFoundError:
            return None
        except BlobStoreFailed:  # said of what begins behind the end, too
            return await self._nothing_behind_the_end(key, start)

    async def _nothing_behind_the_end(self, key: str, start: int) -> bytes | None:
        try:
            meta = await _asked(obstore.head_async(self._store, key))
        except FileNotFoundError:
            return None
        if start < meta["size"]:
            raise BlobStoreFailed(_FAILED)
        return b""

    @asynccontextmanager
    async def create_write_stream(self, key: str) -> AsyncIterator[WriteStream]:
        stream = _Parts()
        put = obstore.put_async(
            self._store, checked_key(key), stream.parts(), chunk_size=PART_BYTES, max_concurrency=_PARTS_AT_ONCE
        )
        stream.sending = asyncio.ensure_future(_written(put))
        try:
            yield stream
            await stream.end()
        except BaseException:
            stream.break_off()
            with suppress(BaseException):
                await stream.sending
            raise

    async def move_resource(self, source: str, target: str) -> None:
        await _asked(obstore.rename_async(self._store, checked_key(source), checked_key(target)))

    async def delete_resource(self, key: str) -> None:
        with suppress(FileNotFoundError):
            await _asked(obstore.delete_async(self._store, checked_key(key)))

    async def resource_exists(self, key: str) -> bool:
        try:
            await _asked(obstore.head_async(self._store, checked_key(key)))
        except FileNotFoundError:
            return False
        return True

    async def ensure_parent(self, key: str) -> None:
        checked_key(key)

    async def list(self, prefix: str) -> AsyncIterator[Blob]:
        stream = aiter(obstore.list(self._store, prefix=checked_key(prefix) if prefix else None, chunk_size=1000))
        with suppress(StopAsyncIteration):
            while True:
                for each in await _written(anext(stream)):
                    yield Blob(each["path"], each["size"])

    async def get(self, key: str) -> Tagged | None:
        try:
            found = await _asked(obstore.get_async(self._store, checked_key(key)))
            return Tagged(bytes(await _asked(found.bytes_async())), _tag(found.meta["e_tag"], found.meta["version"]))
        except FileNotFoundError:
            return None

    async def put_if(self, key: str, content: bytes, tag: str | None) -> str:
        await self._require_conditions()
        mode: PutMode = "create" if tag is None else _update(tag)
        try:
            put = await _asked(obstore.put_async(self._store, checked_key(key), content, mode=mode))
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            raise Changed from None
        except FileNotFoundError:
            if tag is None:
                raise BlobStoreFailed(_NO_BUCKET) from None
            raise Changed from None
        return _tag(put["e_tag"], put["version"])

    async def _require_conditions(self) -> None:
        """Once, before the first state is replaced. Raises BlobStoreFailed where a store writes whatever the condition:
        of two that replace a state both would believe that they did."""
        if self._keeps_conditions:
            return
        key = f"{PROBES}/{os.urandom(8).hex()}"
        try:
            await _written(obstore.put_async(self._store, key, b"", mode="create"))
            try:
                await _written(obstore.put_async(self._store, key, b"", mode="create"))
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
                self._keeps_conditions = True
        finally:
            with suppress(BlobStoreFailed):
                await self.delete_resource(key)
        if not self._keeps_conditions:
            raise BlobStoreFailed("the blob store does not keep to conditions (If-None-Match): see docs/datasets.md")

    async def delete_unfinished(self) -> None:
        """Nothing: the bucket's own rules do it."""

    def read(self, key: str) -> Iterator[bytes]:
        try:
            size = obstore.head(self._store, checked_key(key))["size"]
            for start in range(0, size, PIECE_BYTES):
                yield bytes(obstore.get_range(self._store, key, start=start, end=min(start + PIECE_BYTES, size)))
        except (FileNotFoundError, exceptions.NotFoundError):  # its own has pages of text
            raise FileNotFoundError(errno.ENOENT, "there is nothing of this name", key) from None
        except exceptions.BaseError as error:
            raise BlobStoreFailed(_reason(error)) from None


class _Parts:
    """What is written, gathered to parts; one waits while those before it are sent."""

    def __init__(self) -> None:
        self.sending: asyncio.Future[Any]
        self._pieces: list[bytes] = []
        self._size = 0
        self._ready: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._is_broken = False

    async def write(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= PART_BYTES:
            await self._send(self._gathered())

    async def end(self) -> None:
        await self._send(self._gathered())
        await self._send(None)
        await self.sending

    def break_off(self) -> None:
        self._is_broken = True
        if self._ready.full():
            self._ready.get_nowait()
        self._ready.put_nowait(None)

    def _gathered(self) -> bytes:
        part = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return part

    async def _send(self, part: bytes | None) -> None:
        """Raises what the store refused."""
        putting = asyncio.ensure_future(self._ready.put(part))
        await asyncio.wait({putting, self.sending}, return_when=asyncio.FIRST_COMPLETED)
        if not putting.done():
            putting.cancel()
            await self.sending

    async def parts(self) -> AsyncIterator[bytes]:
        while (part := await self._ready.get()) is not None:
            if part:
                yield part
        if self._is_broken:
            raise ConnectionAbortedError("what was to be written broke off")


def _tag(e_tag: str | None, version: str | None) -> str:
    return f"{e_tag or ''}\n{version or ''}"


def _update(tag: str) -> "PutMode":
    """On the state of `_tag`: Google Cloud Storage compares versions (generations), the others ETags."""
    e_tag, _, version = tag.partition("\n")
    return {"e_tag": e_tag, "version": version} if version else {"e_tag": e_tag}


async def _asked(answer: Awaitable[T]) -> T:
    """Raises BlobStoreFailed; what says that a resource is there, is not or was changed as it is."""
    try:
        return await answer
    except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
        raise
    except exceptions.NotFoundError as error:
        raise FileNotFoundError from error
    except exceptions.BaseError as error:
        raise BlobStoreFailed(_reason(error)) from None


async def _written(answer: Awaitable[T]) -> T:
    """As `_asked`, of what needs no resource to be there."""
    try:
        return await _asked(answer)
    except FileNotFoundError:
        raise BlobStoreFailed(_NO_BUCKET) from None


def _reason(error: Exception) -> str:
    """Only its kind: the text may have addresses that are signed."""
    kind = type(error).__name__.removesuffix("Error")
    known = {"PermissionDenied": "refuses the credentials it was given", "Unauthenticated": "got no valid credentials"}
    return f"the blob store {known[kind]}: see storage.blobs" if kind in known else _FAILED
