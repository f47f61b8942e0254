"""Many small records, kept apart by where they belong; in memory while they fit, else on disk.

Those of one part keep the order in which they came, whatever goes to disk and when.
"""

from collections.abc import Iterable, Iterator

from delta_server.core.rowdelta.ports import Spill

COUNT = 256


class Partitions:
    def __init__(self, spill: Spill, memory_bytes: int) -> None:
        self._spill = spill
        self._memory_bytes = memory_bytes
        self._parts = [bytearray() for _ in range(COUNT)]
        self._spilled: list[list[tuple[int, int]]] = [[] for _ in range(COUNT)]

    def add(self, records: Iterable[bytes], byte: int) -> None:
        """By the value of one of their bytes."""
        parts = self._parts
        for record in records:
            parts[record[byte]] += record
        self._spill_if_many()

    def add_to(self, part: int, record: bytes) -> None:
        self._parts[part] += record
        if len(self._parts[part]) * COUNT > self._memory_bytes:
            self._spill_if_many()

    def size(self, part: int) -> int:
        return sum([size for _, size in self._spilled[part]], len(self._parts[part]))

    def take(self, part: int) -> Iterator[bytes]:
        """As `pieces`; the part is empty then."""
        yield from self.pieces(part)
        self._spilled[part], self._parts[part] = [], bytearray()

    def pieces(self, part: int) -> Iterator[bytes]:
        """A part bit by bit: each is no larger than the memory of all."""
        for offset, size in self._spilled[part]:
            yield self._spill.read(offset, size)
        if self._parts[part]:
            yield bytes(self._parts[part])

    def _spill_if_many(self) -> None:
        if sum(map(len, self._parts)) <= self._memory_bytes:
            return
        offset = self._spill.write(b"".join(self._parts))
        for part, held in enumerate(self._parts):
            if held:
                self._spilled[part].append((offset, len(held)))
                offset += len(held)
        self._parts = [bytearray() for _ in range(COUNT)]


def by_offset(offset: int, total: int) -> int:
    """The part of a place in `total` bytes: those of one part are after all of the parts before it."""
    return offset * COUNT // total
