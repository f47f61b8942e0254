"""Where rows come from."""

import os
from collections.abc import Iterator
from pathlib import Path

from delta_server.core.rowdelta.ports import ReadAt

_PIECE_BYTES = 256 << 10


class FileSource:
    """A file of NDJSON."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def open(self) -> Iterator[bytes]:
        offset = 0
        while piece := os.pread(self._file, _PIECE_BYTES, offset):
            offset += len(piece)
            yield piece

    @property
    def read_at(self) -> ReadAt:
        return lambda offset, size: os.pread(self._file, size, offset)

    def close(self) -> None:
        os.close(self._file)
