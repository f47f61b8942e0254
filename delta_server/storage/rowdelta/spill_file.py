"""A file without a name for what does not fit in memory: gone with the process, however that ends."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from delta_server.core.errors import Unavailable

_WAITING_BYTES = 64 << 10
_PIECES = 1024
"""That Linux writes at once, at most."""


class SpillFile:
    """Made when it is first written to. Raises Unavailable where the disk is full."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: int | None = None
        self._written = 0
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        offset = self._written + len(self._waiting)
        if len(data) >= _WAITING_BYTES:
            self.flush()
            self._put(data)
            return offset
        self._waiting += data
        if len(self._waiting) >= _WAITING_BYTES:
            self.flush()
        return offset

    def write_all(self, pieces: Sequence[bytes]) -> int:
        """One behind another; the offset of the first."""
        self.flush()
        offset = self._written
        for first in range(0, len(pieces), _PIECES):
            self._put_all(pieces[first : first + _PIECES])
        return offset

    def read(self, offset: int, size: int) -> bytes:
        if offset + size > self._written:
            self.flush()
        assert self._file is not None
        found = os.pread(self._file, size, offset)
        while len(found) < size and (more := os.pread(self._file, size - len(found), offset + len(found))):
            found += more
        return found

    @property
    def file(self) -> int:
        """The open file, made now if need be. What is written is in it after `flush`. Raises Unavailable."""
        if self._file is None:
            self._put(b"")
        assert self._file is not None
        return self._file

    def flush(self) -> None:
        if self._waiting:
            self._put(self._waiting)
            self._waiting = bytearray()

    def begin_again(self) -> None:
        """What was written is gone. Raises Unavailable."""
        self._waiting, self._written = bytearray(), 0
        os.ftruncate(self.file, 0)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> "SpillFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _put_all(self, pieces: Sequence[bytes]) -> None:
        """At most _PIECES."""
        if not hasattr(os, "pwritev"):
            self._put(b"".join(pieces))
            return
        with self._reported():
            done = os.pwritev(self.file, pieces, self._written)
        self._written += done
        if done < sum(map(len, pieces)):
            self._put(b"".join(pieces)[done:])

    def _put(self, data: bytes | bytearray) -> None:
        with self._reported():
            if self._file is None:
                with tempfile.TemporaryFile(dir=self._directory) as file:
                    self._file = os.dup(file.fileno())
            view = memoryview(data)
            while view:
                done = os.pwrite(self._file, view, self._written)
                self._written += done
                view = view[done:]

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(f"rows cannot be kept in {self._directory}: {error.strerror}", retry_after_s=60) from None
