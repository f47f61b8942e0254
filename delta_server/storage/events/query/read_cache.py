"""What read views leave to those after them."""

from typing import TypeAlias

from delta_server.storage.cache import Cache

File: TypeAlias = tuple[str, int]
"""A segment or a rollup: its kind and its id."""


class ReadCache:
    """What snapshots leave to those after them: segments and rollups do not change."""

    SMALL_BYTES = 64 << 10
    LIMIT_BYTES = 8 << 20
    MOST_SIZES = 65_536

    def __init__(self) -> None:
        self.sizes: dict[File, int] = {}
        """Of the files that were found to be what was stored."""
        self._pieces = Cache(self.LIMIT_BYTES)
        """Footers, and columns of a few numbers: to find them again, SQLite walks through all of a file's pages before
        them, 0.3 ms for 5 MB."""

    def piece(self, file: File, offset: int, count: int) -> bytes | None:
        return self._pieces.get((file, offset, count)) if count <= self.SMALL_BYTES else None

    def keep(self, file: File, offset: int, piece: bytes) -> None:
        if len(piece) <= self.SMALL_BYTES and file in self.sizes:
            self._pieces.put((file, offset, len(piece)), piece)

    def check(self, file: File, size: int) -> None:
        """It was found to be what was stored."""
        if len(self.sizes) >= self.MOST_SIZES:
            self.sizes.clear()  # most of them are gone
        self.sizes[file] = size

    def forget(self, file: File) -> None:
        """It may be damaged."""
        if self.sizes.pop(file, None) is not None:
            self._pieces = Cache(self.LIMIT_BYTES)
