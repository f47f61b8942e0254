"""How DuckDB reads segments, rollups and waiting blocks, and writes new files into memory: a file system for fsspec.

Paths are `segment://TOKEN/ID`, `rollup://TOKEN/ID`, `hot://TOKEN/NUMBER`, `text://TOKEN/NUMBER` of an open snapshot
(query/read_view.py) and `new://TOKEN`, which `writing_to` gives out. A token is 16 random bytes: no query knows
another's. fsspec is imported with this module, so only the engine imports it, when it is first used.
"""

import io
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, BinaryIO

from fsspec import AbstractFileSystem

from delta_server.storage.events.query.read_view import Pages, ReadView

PROTOCOLS = ("segment", "rollup", "hot", "text", "new")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ReadFile:
    """DuckDB seeks and reads one handle from several threads: each has its own position."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._at: dict[int, int] = {}

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = (0, self.tell(), self._pages.size)[whence]
        self._at[threading.get_ident()] = start + offset
        return start + offset

    def tell(self) -> int:
        return self._at.get(threading.get_ident(), 0)

    def read(self, count: int = -1) -> bytes:
        thread = threading.get_ident()
        at = self._at.get(thread, 0)
        left = max(self._pages.size - at, 0)
        data = self._pages.read(at, left if count < 0 else min(count, left))
        self._at[thread] = at + len(data)
        return data

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """What it reads from is closed with the snapshot."""


class MadeFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Files whose text is made when they are opened. Those that there are have their paths in `_files`."""

    cachable = False
    _files: Mapping[str, object]

    def _text(self, path: str) -> bytes:
        """Raises FileNotFoundError."""
        raise NotImplementedError

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        text = self._text(path)
        return ReadFile(Pages(len(text), lambda offset, count: text[offset : offset + count]))

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        return {"name": path, "size": len(self._text(path)), "type": "file"}

    def exists(self, path: str, **options: Any) -> bool:
        return path in self._files

    def isfile(self, path: str) -> bool:
        return path in self._files

    def glob(self, path: str, maxdepth: int | None = None, **options: Any) -> list[str]:
        return [path]


class _OpenFileWriter:
    """Writes into a file that stays open."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.flush()


class EventFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    protocol = PROTOCOLS
    cachable = False

    def __init__(self, find: Callable[[str], ReadView]) -> None:
        """`find` gives the open snapshot of a token or raises KeyError."""
        super().__init__()
        self._find = find
        self._awaited: dict[str, BinaryIO] = {}

    @contextmanager
    def writing_to(self, file: BinaryIO) -> Iterator[str]:
        """A path: what is written to it within the block goes into `file`."""
        path = f"new://{secrets.token_hex(16)}"
        self._awaited[path] = file
        try:
            yield path
        finally:
            del self._awaited[path]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def _pages(self, path: str) -> Pages:
        try:
            kind, rest = path.split("://", 1)
            token, number = rest.split("/", 1)
            return self._find(token).open(kind, int(number))
        except (KeyError, IndexError, ValueError):
            raise FileNotFoundError(path) from None

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if "w" in mode and path in self._awaited:
            return _OpenFileWriter(self._awaited[path])
        if mode != "rb":
            raise PermissionError(path)
        return ReadFile(self._pages(path))

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        return {"name": path, "size": self._pages(path).size, "type": "file"}

    def exists(self, path: str, **options: Any) -> bool:
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def isfile(self, path: str) -> bool:
        return self.exists(path)

    def isdir(self, path: str) -> bool:
        return False

    def glob(self, path: str, maxdepth: int | None = None, **options: Any) -> list[str]:
        return [path]

    def created(self, path: str) -> datetime:
        return _EPOCH

    def modified(self, path: str) -> datetime:
        return _EPOCH
