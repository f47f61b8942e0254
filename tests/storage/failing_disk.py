"""A disk whose power can be cut and which can fail or fill up, as an SQLite VFS under the real adapter.

The files are real ones, so that SQLite reads what it wrote. Beside them `Disk` keeps what a disk promises:

- a file holds what it held at its last sync. Of each write and truncation since then the whole, some 512-byte sectors,
  or nothing has arrived, in no order;
- a new file has its name for certain only once it was synced (SQLite syncs the directory with it);
- a file deleted without a sync of its directory may come back.

At the operation where the power is cut, what survives is worked out, and that operation and all later ones fail. So an
acknowledgement that is given at all, however late, belongs to a commit that ended before the cut.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Lock
from types import TracebackType
from typing import Any

import apsw

SECTOR = 512

Fault = Callable[[str, int], apsw.Error | None]
"""(kind of operation, its number) to the error it ends in, None when it succeeds."""


class Disk:
    def __init__(self, rng: Random, *, fault: Fault = lambda kind, number: None) -> None:
        self.operations = 0
        self.survivors: dict[str, bytes] | None = None
        """By path, once the power has been cut."""
        self.cut_at: int | None = None
        self.fault = fault
        self._rng = rng
        self._lock = Lock()
        self._synced: dict[str, bytearray] = {}
        self._unsynced: dict[str, list[tuple[int, bytes | None]]] = {}  # (offset, data), (size, None) for a truncation
        self._unnamed: set[str] = set()
        self._ghosts: dict[str, bytes] = {}

    def cut(self) -> None:
        """Cut the power now, if it is still there."""
        with self._lock:
            if self.survivors is None:
                self.survivors = self._surviving()

    def save_survivors(self, folder: Path) -> None:
        folder.mkdir()
        for path, content in (self.survivors or {}).items():
            (folder / Path(path).name).write_bytes(content)

    def opened(self, path: str, *, exists: bool) -> None:
        """A file was opened; one that is there already is taken as synced."""
        with self._lock:
            if path not in self._synced:
                self._synced[path] = bytearray(Path(path).read_bytes() if exists else b"")
                if not exists:
                    self._unnamed.add(path)

    def change(self, path: str, kind: str, offset: int, data: bytes | None) -> None:
        self._step(kind)
        with self._lock:
            self._unsynced.setdefault(path, []).append((offset, data))

    def sync(self, path: str) -> None:
        self._step("sync")
        with self._lock:
            for offset, data in self._unsynced.pop(path, ()):
                _apply(self._synced[path], offset, data)
            if path in self._unnamed:  # its directory is synced with it, and so is what was deleted there before
                self._unnamed.discard(path)
                self._ghosts.clear()

    def delete(self, path: str, *, synced: bool) -> None:
        self._step("delete")
        with self._lock:
            content = self._synced.pop(path, bytearray())
            self._unsynced.pop(path, None)
            if path in self._unnamed:
                self._unnamed.discard(path)
            elif not synced:
                self._ghosts[path] = bytes(content)

    def _step(self, kind: str) -> None:
        """Count an operation. Raises what it ends in."""
        with self._lock:
            self.operations += 1
            if self.operations == self.cut_at and self.survivors is None:
                self.survivors = self._surviving()
            if self.survivors is not None:
                raise apsw.IOError("the power is off")
            error = self.fault(kind, self.operations)
        if error is not None:
            raise error

    def _surviving(self) -> dict[str, bytes]:
        files = {path: content for path, content in self._ghosts.items() if self._rng.random() < 0.5}
        for path, synced in self._synced.items():
            if path in self._unnamed and self._rng.random() < 0.5:
                continue
            content = bytearray(synced)
            for offset, data in self._unsynced.get(path, ()):
                self._arrive(content, offset, data)
            files[path] = bytes(content)
        return files

    def _arrive(self, content: bytearray, offset: int, data: bytes | None) -> None:
        """Let a change that was never synced reach the disk: wholly, in part, or not at all."""
        chance = self._rng.random()
        if chance < 0.4:
            _apply(content, offset, data)
        elif chance < 0.7 and data is not None:
            for start in range(0, len(data), SECTOR):
                if self._rng.random() < 0.5:
                    _apply(content, offset + start, data[start : start + SECTOR])


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


class FailingFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else name
        exists = self._path is not None and Path(self._path).exists()
        super().__init__("unix", name, flags)
        if self._path is not None:
            disk.opened(self._path, exists=exists)

    def excepthook(
        self, etype: type[BaseException] | None, evalue: BaseException | None, etraceback: TracebackType | None
    ) -> bool:
        """SQLite gets the error as a code; nobody else wants it."""
        return True

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - apsw's name
        if self._path is not None:
            self._disk.change(self._path, "write", offset, bytes(data))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - apsw's name
        if self._path is not None:
            self._disk.change(self._path, "truncate", newsize, None)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's name
        if self._path is None:
            super().xSync(flags)
        else:
            self._disk.sync(self._path)  # the real disk is not asked: nothing real depends on it


class FailingVfs(apsw.VFS):
    """Registered under `name` while it lives."""

    def __init__(self, name: str, disk: Disk) -> None:
        self.name = name
        self._disk = disk
        super().__init__(name, "unix")

    def excepthook(
        self, etype: type[BaseException] | None, evalue: BaseException | None, etraceback: TracebackType | None
    ) -> bool:
        return True

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's name
        return FailingFile(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - apsw's name
        self._disk.delete(filename, synced=syncdir)
        super().xDelete(filename, syncdir)
