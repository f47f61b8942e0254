"""How much of a long piece of background work one write does, so that no other write waits for longer than SLICE_S."""

from collections.abc import Iterable

SLICE_S = 0.01
SLICE_BYTES = 16 << 20
"""Deleted in 10 ms: SQLite looks at each page, and what counts a project's storage reads each row."""


class SliceSize:
    """Rows, or pages, a write: half as many after one that took too long, twice as many after one that took a quarter
    of what it may. What a write takes depends on the machine, on what else it does, and on what the rows hold."""

    def __init__(self, first: int, *, most: int) -> None:
        self.now = first
        self._most = most

    def took(self, seconds: float) -> None:
        if seconds > SLICE_S:
            self.now = max(1, self.now // 2)
        elif seconds < SLICE_S / 4:
            self.now = min(self._most, self.now * 2)


def first_within(rows: Iterable[tuple[int, int]], size_bytes: int = SLICE_BYTES) -> list[int]:
    """The ids of the first of some rows (id, bytes) that are not larger together; the first one in any case."""
    chosen: list[int] = []
    left = size_bytes
    for id, size in rows:
        left -= size
        if chosen and left < 0:
            break
        chosen.append(id)
    return chosen
