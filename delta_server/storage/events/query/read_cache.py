"""What read views leave to those after them."""

from typing import TypeAlias

from delta_server.storage.cache import Cache

File: TypeAlias = tuple[str, int]
"""A segment or a rollup: its kind and its id."""


class ReadCache:
    """What snapshots leave to those after them: segments and rollups do not change."""

    SMALL_BYTES = 64 << 10
    LARGE_BYTES = 160 << 10
    """The ids of a row group's events are mostly within that."""
    LIMIT_BYTES = 8 << 20
    LARGE_OF_ONE_BYTES = LIMIT_BYTES // 2
    """Of large pieces, how much one read view looks for here: who reads more would only drive out what others have."""
    MOST_SIZES = 65_536

    def __init__(self) -> None:
        self.sizes: dict[File, int] = {}
        """Of the files that were found to be what was stored."""
        self._pieces = Cache(self.LIMIT_BYTES)
        """Footers and columns of few bytes: to find them again, SQLite walks through all of a file's pages before them,
        0.3 ms for 5 MB, and reads them 2 kB at a time."""

    def piece(self, file: File, offset: int, count: int) -> bytes | None:
        return self._pieces.get((file, offset, count))

    def keep(self, file: File, offset: int, piece: bytes) -> None:
        if file in self.sizes:
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
