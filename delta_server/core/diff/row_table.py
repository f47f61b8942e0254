"""The rows of one comparison, kept so that any window of them costs what is in it: 20,000 rows are compared once, then
filtered in milliseconds and read some at a time.

Rows and records are MessagePack behind one another, with tables of where each ends; what filters and lines need of
every row (its kind, field and record) stands in arrays of its own.
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from delta_server.core.diff.record_rows import Record, RecordRows, Row, RowOp
from delta_server.core.diff.summary import Note
from delta_server.core.json import short_values, slices

OPS: tuple[RowOp, ...] = ("add", "remove", "replace", "move")
MOVED_RECORD = len(OPS)
"""Among the kinds of rows: a record that moved, which its head says; else a kind is the place in OPS."""
SAME = MOVED_RECORD + 1
"""Or what did not change."""

MOST_ROWS = 250_000
MOST_FIELDS = 1024
KEPT_BYTES = 10_000
"""Of a value; of a text KEPT_TEXT_BYTES, so that its words can be compared."""
KEPT_TEXT_BYTES = 1 << 16
TOO_MANY = f"only the first {MOST_ROWS:,} changes are rows"

INDEX: Final = "I"
_PLACE: Final = "Q"


class FieldRows(msgspec.Struct, frozen=True):
    """How many rows of each kind a field has."""

    path: str
    added: int
    removed: int
    replaced: int
    moved: int


class StoredRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`leaves` are those of an object or array; `whole`: the values are not cut."""

    at: str
    before: int | None
    after: int | None
    old: bytes | None
    new: bytes | None
    leaves: int | None
    whole: bool


class StoredRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`key` is JSON."""

    path: str
    label: str | None
    key: bytes | None


class RowTable(msgspec.Struct, frozen=True):
    """`kinds`, `field_of`, `record_of`, `row_ends`: of each row; `lone`, `record_ends`: of each record. A lone record
    has one row, which adds or removes it or says that it is the same."""

    kinds: bytes
    field_of: bytes
    record_of: bytes
    row_ends: bytes
    rows: bytes
    lone: bytes
    record_ends: bytes
    records: bytes
    fields: list[str]
    counts: list[FieldRows]
    keys: dict[str, tuple[list[str], bool]]
    """By pattern of an array: the fields of its key, and whether the settings name it."""
    notes: list[Note]

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def unchanged(self) -> int:
        """How many rows say what is the same."""
        return self.kinds.count(SAME)

    @property
    def size_bytes(self) -> int:
        parts = (self.kinds, self.field_of, self.record_of, self.row_ends, self.rows, self.lone, self.record_ends)
        texts = sum(len(field) for field in self.fields) + 64 * len(self.counts)
        return sum(map(len, parts)) + len(self.records) + texts

    def row(self, number: int) -> StoredRow:
        return _decode_row(_part(self.rows, self.row_ends, number))

    def record(self, number: int) -> StoredRecord:
        return _decode_record(_part(self.records, self.record_ends, number))

    def indexes(self, column: bytes) -> "memoryview[int]":
        """`field_of` or `record_of` as numbers."""
        return memoryview(column).cast(INDEX)


_encode_row = msgspec.msgpack.Encoder().encode
_decode_row = msgspec.msgpack.Decoder(StoredRow).decode
_decode_record = msgspec.msgpack.Decoder(StoredRecord).decode


def _part(parts: bytes, ends: bytes, number: int) -> memoryview:
    places = memoryview(ends).cast(_PLACE)
    return memoryview(parts)[places[number - 1] if number else 0 : places[number]]


def build(groups: Iterable[RecordRows], keys: dict[str, tuple[list[str], bool]]) -> RowTable:
    """The table of all rows."""
    making = _Making()
    for group in groups:
        if not making.add(group):
            break
    return making.table(keys)


class _Making:
    def __init__(self) -> None:
        self._kinds, self._lone = bytearray(), bytearray()
        self._field_of, self._record_of = array(INDEX), array(INDEX)
        self._row_ends, self._record_ends = array(_PLACE), array(_PLACE)
        self._rows, self._records = bytearray(), bytearray()
        self._fields: dict[str, list[int]] = {}
        self._numbers: dict[str, int] = {}
        self._is_cut = False

    def add(self, group: RecordRows) -> bool:
        """False once there are too many."""
        number = len(self._lone)
        only = group.rows[0]
        is_lone = (
            len(group.rows) == 1 and bool(group.record.path) and not only.at and only.op in ("add", "remove", "same")
        )
        self._lone.append(is_lone)
        self._records += _encode_row(_stored_record(group.record))
        self._record_ends.append(len(self._records))
        for row in group.rows:
            if len(self._kinds) == MOST_ROWS:
                self._is_cut = True
                return False
            self._field_of.append(self._numbers.setdefault(row.field, len(self._numbers)))
            if row.op == "same":
                self._kinds.append(SAME)
            else:
                op = OPS.index(row.op)
                self._kinds.append(MOVED_RECORD if row.op == "move" and not row.at else op)
                self._fields.setdefault(row.field, [0] * len(OPS))[op] += 1
            self._record_of.append(number)
            self._rows += _encode_row(_stored(row))
            self._row_ends.append(len(self._rows))
        return True

    def table(self, keys: dict[str, tuple[list[str], bool]]) -> RowTable:
        counts = [FieldRows(field, *by_op) for field, by_op in self._fields.items()]
        if len(counts) > MOST_FIELDS:
            counts.sort(key=lambda one: -(one.added + one.removed + one.replaced + one.moved))
        return RowTable(
            kinds=bytes(self._kinds),
            field_of=self._field_of.tobytes(),
            record_of=self._record_of.tobytes(),
            row_ends=self._row_ends.tobytes(),
            rows=bytes(self._rows),
            lone=bytes(self._lone),
            record_ends=self._record_ends.tobytes(),
            records=bytes(self._records),
            fields=list(self._numbers),
            counts=sorted(counts[:MOST_FIELDS], key=lambda one: one.path),
            keys=keys,
            notes=[Note("", TOO_MANY)] if self._is_cut else [],
        )


def _stored_record(record: Record) -> StoredRecord:
    return StoredRecord(record.path, record.label, msgspec.json.encode(record.key) if record.key else None)


def _stored(row: Row) -> StoredRow:
    sides: Sequence[bytes | None] = row.old, row.new
    kept = [None if raw is None else _kept(raw) for raw in sides]
    nested = next((raw for raw in (row.new, row.old) if raw is not None and raw[0] in b"{["), None)
    whole = all(raw is None or len(raw) == len(part or b"") for raw, part in zip(sides, kept, strict=True))
    leaves = None if nested is None else slices.leaf_count(nested)
    return StoredRow(row.at, row.before, row.after, kept[0], kept[1], leaves, whole)


def _kept(raw: bytes) -> bytes:
    if raw[0] == slices.QUOTE and len(raw) <= KEPT_TEXT_BYTES:
        return raw
    return short_values.shortened(raw, KEPT_BYTES)
