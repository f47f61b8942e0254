"""Many small records, kept apart by where they belong; in memory while they fit, else on disk.

Those of one part keep the order in which they came, whatever goes to disk and when.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import call

from delta_server.core.rowdelta.ports import Spill

COUNT = 256
_LOOSE_BYTES = 720 << 10
"""Of records that are kept as they are, at most: an append to a list takes a third of the time of one to a bytearray,
but twice the memory."""


class Partitions:
    def __init__(self, spill: Spill, memory_bytes: int) -> None:
        self._spill = spill
        self._memory_bytes = memory_bytes
        self._loose: list[list[bytes]] = [[] for _ in range(COUNT)]
        self._appends = [part.append for part in self._loose]
        self._loose_bytes = 0
        self._most_loose = min(_LOOSE_BYTES, memory_bytes // 3)
        self._kept: list[list[bytes]] = [[] for _ in range(COUNT)]
        self._kept_bytes = 0
        self._spilled: list[list[tuple[int, int]]] = [[] for _ in range(COUNT)]

    def add(self, records: list[bytes], byte: int) -> None:
        """By the value of one of their bytes; all are of one size."""
        if not records:
            return
        self.add_all(b"".join(records)[byte :: len(records[0])], records)

    def add_all(self, parts: Iterable[int], records: list[bytes]) -> None:
        """Each to the part of the same place; all are of one size."""
        deque(map(call, map(self._appends.__getitem__, parts), records), maxlen=0)
        self._count(len(records) * len(records[0]) if records else 0)

    def add_parts(self, parts: list[bytes]) -> None:
        """Records of all parts, in their order."""
        deque(map(call, self._appends, parts), maxlen=0)
        self._count(sum(map(len, parts)))

    def add_to(self, part: int, record: bytes) -> None:
        self._appends[part](record)
        self._count(len(record))

    def size(self, part: int) -> int:
        self._pack()
        return sum([size for _, size in self._spilled[part]], sum(map(len, self._kept[part])))

    def take(self, part: int) -> Iterator[bytes]:
        """As `pieces`; the part is empty then."""
        yield from self.pieces(part)
        self._kept_bytes -= sum(map(len, self._kept[part]))
        self._spilled[part], self._kept[part] = [], []

    def pieces(self, part: int) -> Iterator[bytes]:
        """A part bit by bit: each is no larger than the memory of all."""
        self._pack()
        for offset, size in self._spilled[part]:
            yield self._spill.read(offset, size)
        if self._kept[part]:
            yield b"".join(self._kept[part])

    def _count(self, added_bytes: int) -> None:
        self._loose_bytes += added_bytes
        if self._loose_bytes > self._most_loose:
            self._pack()
            self._spill_if_many()

    def _pack(self) -> None:
        if not self._loose_bytes:
            return
        for kept, loose in zip(self._kept, self._loose, strict=True):
            if loose:
                packed = b"".join(loose)
                kept.append(packed)
                self._kept_bytes += len(packed)
                loose.clear()
        self._loose_bytes = 0

    def _spill_if_many(self) -> None:
        if self._kept_bytes <= self._memory_bytes:
            return
        offset = self._spill.write_all(list(chain.from_iterable(self._kept)))  # joined they would be there twice
        for part, kept in enumerate(self._kept):
            if kept:
                size = sum(map(len, kept))
                self._spilled[part].append((offset, size))
                offset += size
        self._kept = [[] for _ in range(COUNT)]
        self._kept_bytes = 0


def by_offset(offset: int, total: int) -> int:
    """The part of a place in `total` bytes: those of one part are after all of the parts before it."""
    return offset * COUNT // total
