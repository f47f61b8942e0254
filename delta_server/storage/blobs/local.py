"""Blobs as files in a folder. A resource is written beside its place, pushed to the disk, and renamed."""

import asyncio
import errno
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import IO, ParamSpec, TypeVar
from uuid import uuid4

from delta_server.storage.blobs.blobs import (
    PIECE_BYTES,
    Blob,
    BlobStoreFailed,
    Changed,
    Tagged,
    WriteStream,
    checked_key,
)

P = ParamSpec("P")
T = TypeVar("T")

DRAFTS = ".drafts"
"""The folder of what is being written. No key begins with a dot."""
LOCK = "lock"
THREADS = 4
"""Of its own: a disk that hangs keeps these, and none of those that all else runs on."""
_ABANDONED_S = 600.0
"""A draft to which nothing was written for so long is nobody's: an upload that pauses for ten seconds is given up."""
_REASONS = {
    errno.ENOSPC: "the disk of the blob store is full: free some space",
    errno.EDQUOT: "the quota of the blob store's disk is used up",
    errno.EACCES: "the folder of the blob store may not be written: see its rights",
    errno.EROFS: "the folder of the blob store may only be read",
}


class LocalBlobs:
    """`folder` is made when something is written first."""

    def __init__(self, folder: Path, *, abandoned_s: float = _ABANDONED_S) -> None:
        self._folder = folder
        self._abandoned_s = abandoned_s
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="delta-blobs")

    async def create_read_stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes] | None:
        try:
            file = await self.do(self._path(key).open, "rb")
        except FileNotFoundError:
            return None
        return self._pieces(file, start, end)

    async def _pieces(self, file: IO[bytes], start: int, end: int | None) -> AsyncIterator[bytes]:
        left = None if end is None else max(0, end - start)
        try:
            if start:
                await self.do(file.seek, start)
            while piece := await self.do(file.read, PIECE_BYTES if left is None else min(PIECE_BYTES, left)):
                left = None if left is None else left - len(piece)
                yield piece
        finally:
            file.close()

    async def get_range(self, key: str, start: int, end: int) -> bytes | None:
        try:
            return await self.do(_read_range, self._path(key), start, end)
        except FileNotFoundError:
            return None

    @asynccontextmanager
    async def create_write_stream(self, key: str) -> AsyncIterator[WriteStream]:
        path, draft = self._path(key), self._folder / DRAFTS / uuid4().hex
        await self.do(_make_folder, draft.parent)
        file = await self.do(_new_file, draft)
        try:
            yield _FileStream(self, file)
            await self.do(_publish, file, draft, path)
        except asyncio.CancelledError:  # a disk that hangs is not waited for
            self._threads.submit(_abandon, file, draft)
            raise
        except BaseException:
            await asyncio.shield(self.do(_abandon, file, draft))
            raise

    async def move_resource(self, source: str, target: str) -> None:
        await self.do(_move, self._path(source), self._path(target))

    async def delete_resource(self, key: str) -> None:
        await self.do(_delete, self._path(key), self._folder)

    async def resource_exists(self, key: str) -> bool:
        return await self.do(self._path(key).is_file)

    async def ensure_parent(self, key: str) -> None:
        await self.do(_make_folder, self._path(key).parent)

    async def list(self, prefix: str) -> AsyncIterator[Blob]:
        for blob in await self.do(_listed, self._folder, self._path(prefix) if prefix else self._folder):
            yield blob

    async def get(self, key: str) -> Tagged | None:
        try:
            content = await self.do(self._path(key).read_bytes)
        except FileNotFoundError:
            return None
        return Tagged(content, _tag(content))

    async def put_if(self, key: str, content: bytes, tag: str | None) -> str:
        return await self.do(self._put_if, self._path(key), content, tag)

    def _put_if(self, path: Path, content: bytes, tag: str | None) -> str:
        _make_folder(self._folder / DRAFTS)
        with self._lock, _locked(self._folder / DRAFTS / LOCK):
            found = _tag(path.read_bytes()) if path.exists() else None
            if found != tag:
                raise Changed
            draft = self._folder / DRAFTS / uuid4().hex
            with _new_file(draft) as file:
                _write_all(file, content)
                _publish(file, draft, path)
        return _tag(content)

    async def delete_unfinished(self) -> None:
        await self.do(_delete_drafts, self._folder / DRAFTS, self._abandoned_s)

    def read(self, key: str) -> Iterator[bytes]:
        with self._path(key).open("rb", 0) as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    def _path(self, key: str) -> Path:
        return self._folder.joinpath(*checked_key(key).split("/"))

    async def do(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """On a thread. Raises BlobStoreFailed for what the system refuses, FileNotFoundError as it is."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, partial(fn, *args, **kwargs))
        except (FileNotFoundError, Changed):
            raise
        except OSError as error:
            known = _REASONS.get(error.errno or 0)
            raise BlobStoreFailed(known or f"the blob store failed: {error.strerror}") from None


class _FileStream:
    def __init__(self, blobs: LocalBlobs, file: IO[bytes]) -> None:
        self._blobs = blobs
        self._file = file

    async def write(self, piece: bytes) -> None:
        await self._blobs.do(_write_all, self._file, piece)


def _new_file(path: Path) -> IO[bytes]:
    """Its owner's alone, whatever the umask: backups hold everything."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb", 0)


def _abandon(file: IO[bytes], draft: Path) -> None:
    file.close()
    draft.unlink(missing_ok=True)


def _read_range(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(max(0, end - start))


def _write_all(file: IO[bytes], piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]


def _publish(file: IO[bytes], draft: Path, path: Path) -> None:
    os.fsync(file.fileno())
    file.close()
    _make_folder(path.parent)
    draft.replace(path)
    _push_folder(path.parent)


def _make_folder(folder: Path) -> None:
    """Durably, with those above it."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _push_folder(folder.parent)


def _push_folder(folder: Path) -> None:
    """Names too have to be pushed to the disk, where the system can do it."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _delete_drafts(folder: Path, abandoned_s: float) -> None:
    """But those that another server may be writing."""
    if folder.is_dir():
        for draft in folder.iterdir():
            with suppress(FileNotFoundError):
                if draft.name != LOCK and draft.stat().st_mtime < time.time() - abandoned_s:
                    draft.unlink()


def _move(source: Path, target: Path) -> None:
    _make_folder(target.parent)
    source.replace(target)
    _push_folder(target.parent)
    _push_folder(source.parent)


def _delete(path: Path, root: Path) -> None:
    """The folders that are empty now go with it."""
    path.unlink(missing_ok=True)
    with suppress(OSError):
        for folder in path.parents:
            if folder == root:
                break
            folder.rmdir()


def _listed(root: Path, folder: Path) -> list[Blob]:
    found = []
    for path in folder.rglob("*"):
        if DRAFTS not in path.parts and path.is_file():
            with suppress(FileNotFoundError):
                found.append(Blob(path.relative_to(root).as_posix(), path.stat().st_size))
    return found


def _tag(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Of all processes one, where the system can do it."""
    if os.name != "posix":
        yield
        return
    import fcntl

    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
