"""What changed, in a settled order: first what is removed, in the order of `before`, then what is added and changed, in
that of `after`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from operator import add
from struct import Struct
from typing import Literal

import msgspec

from delta_server.core.diff.diff_settings import Fields
from delta_server.core.json import slices
from delta_server.core.rowdelta.joining import Location
from delta_server.core.rowdelta.partitions import COUNT, Partitions, by_offset
from delta_server.core.rowdelta.ports import ReadAt
from delta_server.core.rowdelta.row_keys import RowReader
from delta_server.core.rowdelta.texts import AscendingTexts, changed_meanwhile

RECORD = Struct(">QIQI")
"""Where a row is on the side that orders it, and on the other: offset and size, of which 0 means nowhere."""

_offset = Struct(">Q16x").iter_unpack
_sizes = Struct(">8xI8xI").unpack_from

_NOWHERE: Location = 0, 0
_BATCH, _BATCH_BYTES = 512, 256 << 10


class Operation(msgspec.Struct, frozen=True):
    """What happened to one row. `key`: its fields as they are written, null where rows have no key."""

    op: Literal["add", "change", "remove"]
    key: dict[str, msgspec.Raw] | None
    before: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    after: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Operations:
    """`added`, `changed` and `removed` count them. `read` and `ends` are of both sides: what reads a row's text at its
    place, and a place past all. `memory_bytes`: for lines that were made while their rows were in memory."""

    def __init__(
        self,
        read: Sequence[ReadAt],
        ends: Sequence[int],
        fields: Fields,
        partitions: Callable[[], Partitions],
        memory_bytes: int,
    ) -> None:
        self.added = self.changed = self.removed = 0
        self._read, self._ends = read, ends
        self._reader = RowReader(fields)
        self._gone, self._here = partitions(), partitions()
        self._kept: list[tuple[bytes, bytes]] = []
        """Records, and the lines of their operations."""
        self._kept_bytes, self._memory_bytes = 0, memory_bytes

    def add(self, before: Location | None, after: Location | None) -> None:
        if after is None:
            assert before is not None
            self.removed += 1
            self._gone.add_to(by_offset(before[0], self._ends[0]), RECORD.pack(*before, *_NOWHERE))
            return
        if before is None:
            self.added += 1
        else:
            self.changed += 1
        self._here.add_to(by_offset(after[0], self._ends[1]), RECORD.pack(*after, *(before or _NOWHERE)))

    @property
    def keeps_lines(self) -> bool:
        return self._kept_bytes < self._memory_bytes

    def add_changed(self, records: list[bytes], lines: bytes) -> None:
        """Rows with the same key, where they are after and before, with the lines of their operations, or none."""
        self.changed += len(records)
        if lines:
            self._kept.append((b"".join(records), lines))
            self._kept_bytes += len(lines) + len(records) * RECORD.size
        self._here.add_all([by_offset(offset, self._ends[1]) for (offset,) in _offset(b"".join(records))], records)

    def __iter__(self) -> Iterator[Operation]:
        after_at = AscendingTexts(self._read[1])
        here = (self._here_texts(records, after_at) for records in self._here_records())
        for before, after in chain(self._gone_texts(), here):
            for key, old, new in zip(self._keys(before, after), before, after, strict=True):
                yield Operation(_kind(old, new), key, _raw(old), _raw(new))

    def lines(self) -> Iterator[list[bytes]]:
        """The same as lines of JSON, many at a time."""
        for before, after in self._gone_texts():
            yield lines_of(self._reader, before, after)
        after_at = AscendingTexts(self._read[1])
        kept, ready = sorted(self._kept, reverse=True), dict[bytes, bytes]()
        for records in self._here_records():
            while kept and kept[-1][0][: RECORD.size] <= records[-1]:
                ready.update(_one_by_one(*kept.pop()))
            if others := [record for record in records if record not in ready]:
                texts = self._here_texts(others, after_at)
                ready.update(zip(others, lines_of(self._reader, *texts), strict=True))
            yield list(map(ready.pop, records))

    def _gone_texts(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Rows before and after, of which an empty one is none. Raises Conflict: a row is another by now."""
        before = AscendingTexts(self._read[0]).all_at
        for records in batches(_in_order(self._gone)):
            rows = before([(offset, size) for offset, size, _, _ in map(RECORD.unpack, records)])
            yield rows, [b""] * len(rows)

    def _here_records(self) -> Iterator[list[bytes]]:
        return batches(_in_order(self._here))

    def _here_texts(self, records: list[bytes], after: AscendingTexts) -> tuple[list[bytes], list[bytes]]:
        places = list(map(RECORD.unpack, records))
        rows = after.all_at([(offset, size) for offset, size, _, _ in places])
        old = [self._read[0](offset, size) if size else b"" for _, _, offset, size in places]
        if list(map(len, old)) != [size for *_, size in places]:
            raise changed_meanwhile()
        return old, rows

    def _keys(self, before: list[bytes], after: list[bytes]) -> Sequence[dict[str, msgspec.Raw] | None]:
        return self._reader.keys_of(_any(before, after)) if self._reader.fields else [None] * len(before)


def lines_of(reader: RowReader, before: list[bytes], after: list[bytes]) -> list[bytes]:
    """Operations as JSON, with the fields that are the reader's."""
    keys = reader.key_texts(_any(before, after)) if reader.fields else [b"null"] * len(before)
    return list(map(_line, keys, before, after))


def _one_by_one(records: bytes, lines: bytes) -> Iterator[tuple[bytes, bytes]]:
    ends = lines.split(b"\n")
    ends.pop()
    return zip(_records(records), map(add, ends, repeat(b"\n")), strict=True)


def _records(text: bytes) -> list[bytes]:
    return [text[at : at + RECORD.size] for at in range(0, len(text), RECORD.size)]


def _any(before: list[bytes], after: list[bytes]) -> list[bytes]:
    return [new or old for old, new in zip(before, after, strict=True)]


def _kind(before: bytes, after: bytes) -> Literal["add", "change", "remove"]:
    if not after:
        return "remove"
    return "change" if before else "add"


def _raw(row: bytes) -> msgspec.Raw | msgspec.UnsetType:
    return msgspec.Raw(row.strip(slices.WHITESPACE)) if row else msgspec.UNSET


def _line(key: bytes, before: bytes, after: bytes) -> bytes:
    """As msgspec encodes an Operation, in a quarter of the time."""
    if not after:
        return b'{"op":"remove","key":%b,"before":%b}\n' % (key, before.strip(slices.WHITESPACE))
    if not before:
        return b'{"op":"add","key":%b,"after":%b}\n' % (key, after.strip(slices.WHITESPACE))
    texts = key, before.strip(slices.WHITESPACE), after.strip(slices.WHITESPACE)
    return b'{"op":"change","key":%b,"before":%b,"after":%b}\n' % texts


def batches(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Of records that begin as RECORD does, so many at a time that their rows take little memory."""
    records = iter(records)
    while some := list(islice(records, _BATCH)):
        sizes = [size + other_size for size, other_size in map(_sizes, some)]
        if sum(sizes) <= _BATCH_BYTES:
            yield some
        else:
            yield from _small(some, sizes)


def _small(records: list[bytes], sizes: list[int]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size_bytes = 0
    for record, size in zip(records, sizes, strict=True):
        batch.append(record)
        size_bytes += size
        if size_bytes >= _BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


def _in_order(records: Partitions) -> Iterator[bytes]:
    for part in range(COUNT):
        text = b"".join(records.pieces(part))
        yield from sorted(_records(text))
