"""Many small records, kept apart by where they belong; in memory while they fit, else on disk.

Those of one part keep the order in which they came, whatever goes to disk and when.
"""

from collections.abc import Iterator

from delta_server.core.rowdelta.ports import Spill

COUNT = 256
_LOOSE = 1 << 14
"""Records that are kept as they are, at most: an append to a list takes a third of the time of one to a bytearray, but
twice the memory."""


class Partitions:
    def __init__(self, spill: Spill, memory_bytes: int) -> None:
        self._spill = spill
        self._memory_bytes = memory_bytes
        self._loose: list[list[bytes]] = [[] for _ in range(COUNT)]
        self._appends = [part.append for part in self._loose]
        self._loose_count = 0
        self._most_loose = min(_LOOSE, memory_bytes // 128)
        self._kept = [bytearray() for _ in range(COUNT)]
        self._kept_bytes = 0
        self._spilled: list[list[tuple[int, int]]] = [[] for _ in range(COUNT)]

    def add(self, records: list[bytes], byte: int) -> None:
        """By the value of one of their bytes."""
        appends = self._appends
        for record in records:
            appends[record[byte]](record)
        self._count(len(records))

    def add_parts(self, parts: list[bytes]) -> None:
        """Records of all parts, in their order."""
        self._pack()
        for kept, part in zip(self._kept, parts, strict=True):
            kept += part
            self._kept_bytes += len(part)
        self._spill_if_many()

    def add_to(self, part: int, record: bytes) -> None:
        self._appends[part](record)
        self._count(1)

    def size(self, part: int) -> int:
        self._pack()
        return sum([size for _, size in self._spilled[part]], len(self._kept[part]))

    def take(self, part: int) -> Iterator[bytes]:
        """As `pieces`; the part is empty then."""
        yield from self.pieces(part)
        self._kept_bytes -= len(self._kept[part])
        self._spilled[part], self._kept[part] = [], bytearray()

    def pieces(self, part: int) -> Iterator[bytes]:
        """A part bit by bit: each is no larger than the memory of all."""
        self._pack()
        for offset, size in self._spilled[part]:
            yield self._spill.read(offset, size)
        if self._kept[part]:
            yield bytes(self._kept[part])

    def _count(self, added: int) -> None:
        self._loose_count += added
        if self._loose_count > self._most_loose:
            self._pack()
            self._spill_if_many()

    def _pack(self) -> None:
        if not self._loose_count:
            return
        for kept, loose in zip(self._kept, self._loose, strict=True):
            if loose:
                packed = b"".join(loose)
                kept += packed
                self._kept_bytes += len(packed)
                loose.clear()
        self._loose_count = 0

    def _spill_if_many(self) -> None:
        if self._kept_bytes <= self._memory_bytes:
            return
        offset = self._spill.write(b"".join(self._kept))
        for part, kept in enumerate(self._kept):
            if kept:
                self._spilled[part].append((offset, len(kept)))
                offset += len(kept)
        self._kept = [bytearray() for _ in range(COUNT)]
        self._kept_bytes = 0


def by_offset(offset: int, total: int) -> int:
    """The part of a place in `total` bytes: those of one part are after all of the parts before it."""
    return offset * COUNT // total
