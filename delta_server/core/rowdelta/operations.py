"""What changed, in a settled order: first what is removed, in the order of `before`, then what is added and changed, in
that of `after`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from struct import Struct
from typing import Literal

import msgspec

from delta_server.core.diff.diff_settings import Fields
from delta_server.core.json import slices
from delta_server.core.rowdelta.joining import Location
from delta_server.core.rowdelta.partitions import COUNT, Partitions, by_offset
from delta_server.core.rowdelta.ports import ReadAt
from delta_server.core.rowdelta.row_keys import RowReader
from delta_server.core.rowdelta.texts import AscendingTexts

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
    place, and a place past all."""

    def __init__(
        self, read: Sequence[ReadAt], ends: Sequence[int], fields: Fields, partitions: Callable[[], Partitions]
    ) -> None:
        self.added = self.changed = self.removed = 0
        self._read, self._ends = read, ends
        self._fields, self._reader = fields, RowReader(fields)
        self._gone, self._here = partitions(), partitions()

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

    def add_changed(self, records: list[bytes]) -> None:
        """Rows with the same key, where they are after and before."""
        self.changed += len(records)
        self._here.add_all([by_offset(offset, self._ends[1]) for (offset,) in _offset(b"".join(records))], records)

    def __iter__(self) -> Iterator[Operation]:
        before, after = [AscendingTexts(read).at for read in self._read]
        for records in batches(_in_order(self._gone)):
            rows = [before(offset, size) for offset, size, _, _ in map(RECORD.unpack, records)]
            for key, row in zip(self._keys(rows), rows, strict=True):
                yield Operation("remove", key, before=_raw(row))
        for records in batches(_in_order(self._here)):
            places = list(map(RECORD.unpack, records))
            rows = [after(offset, size) for offset, size, _, _ in places]
            old = [self._read[0](offset, size) if size else None for _, _, offset, size in places]
            for key, row, was in zip(self._keys(rows), rows, old, strict=True):
                yield Operation("change" if was else "add", key, _raw(was), _raw(row))

    def _keys(self, rows: list[bytes]) -> Sequence[dict[str, msgspec.Raw] | None]:
        return self._reader.keys_of(rows) if self._fields else [None] * len(rows)


def _raw(row: bytes | None) -> msgspec.Raw | msgspec.UnsetType:
    return msgspec.UNSET if row is None else msgspec.Raw(row.strip(slices.WHITESPACE))


def batches(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Of records that begin as RECORD does, so many at a time that their rows take little memory."""
    batch: list[bytes] = []
    size_bytes = 0
    for record in records:
        batch.append(record)
        size, other_size = _sizes(record)
        size_bytes += size + other_size
        if len(batch) == _BATCH or size_bytes >= _BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


def _in_order(records: Partitions) -> Iterator[bytes]:
    for part in range(COUNT):
        text = b"".join(records.pieces(part))
        yield from sorted([text[at : at + RECORD.size] for at in range(0, len(text), RECORD.size)])
