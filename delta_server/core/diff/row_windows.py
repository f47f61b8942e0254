"""Which rows of a comparison a filter leaves, on which lines they stand, and what a window of them says.

A ledger has a line for each row, and one that heads each record; but a record that was added or removed is one line,
and that one moved is said by its head.
"""

from array import array
from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core.diff import text_diff
from delta_server.core.diff.diff_settings import matcher
from delta_server.core.diff.record_rows import RowKind, RowOp
from delta_server.core.diff.row_table import INDEX, MOVED_RECORD, OPS, SAME, RowTable, StoredRecord, StoredRow
from delta_server.core.diff.text_diff import TextRun
from delta_server.core.folding import fold
from delta_server.core.json import pointer, short_values, slices, surrogates

RAIL = 1000
WINDOW_BYTES = 2 << 20
"""A window ends when its rows are so large, once it has one,"""
COMPARED_BYTES = 1 << 20
"""or texts of so many bytes were compared for it."""

T = TypeVar("T")

_FILLED = 7  # tenths of a line that its mark takes on the rail: neighbours stay apart
_CONTEXT = 60  # characters of equal text that stay beside a change where a text is cut

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(float_hook=str).decode

RowText = tuple[Literal["=", "-", "+", "…"], str]
"""A run of a text; of `…` so many equal characters are left out."""


class RowFilter(msgspec.Struct, frozen=True, array_like=True):
    """What rows have: one of the `ops`, if any are named; a field that one of the patterns `fields` means; the text `q`
    in their path, label or values, whatever its case."""

    ops: tuple[RowOp, ...] = ()
    fields: tuple[str, ...] = ()
    q: str = ""


class Matched(msgspec.Struct, frozen=True):
    """The numbers of the rows that a filter leaves, and their lines; `records` that have changes among them. `rail` has
    a byte for each thousandth of all lines: which kinds are there, a bit each in the order of OPS. `unchanged` of the
    rows say what is the same."""

    rows: bytes
    lines: bytes
    line_count: int
    records: int
    rail: bytes
    unchanged: int = 0

    def __len__(self) -> int:
        return len(self.rows) // array(INDEX).itemsize

    @property
    def size_bytes(self) -> int:
        return len(self.rows) + len(self.lines) + len(self.rail)


class ChangeRow(msgspec.Struct, frozen=True, gc=False):
    """One change, or what is the `same`. `n` is its number among all rows, `line` its place among the filtered ones
    with their heads, `group` that of its record among all.

    `record` is the path of the record, `` for the document, and `at` the place in it. `before` and `after` are places
    in an array. `old_text` and `new_text` are of numbers that doubles would round.
    """

    n: int
    line: int
    group: int
    op: RowKind
    field: str
    record: str
    at: str
    cut: bool
    label: str | UnsetType = UNSET
    key: msgspec.Raw | UnsetType = UNSET
    before: int | UnsetType = UNSET
    after: int | UnsetType = UNSET
    old: msgspec.Raw | UnsetType = UNSET
    new: msgspec.Raw | UnsetType = UNSET
    old_text: str | UnsetType = UNSET
    new_text: str | UnsetType = UNSET
    leaves: int | UnsetType = UNSET
    text: list[RowText] | UnsetType = UNSET


def matched(table: RowTable, wanted: RowFilter) -> Matched:
    """The rows that `wanted` leaves."""
    rows: Sequence[int] = range(len(table))
    if wanted.ops:
        ops = {OPS.index(op) for op in wanted.ops}
        kinds = ops | ({MOVED_RECORD} if "move" in wanted.ops else set())
        rows = [n for n, kind in enumerate(table.kinds) if kind in kinds]
    if wanted.fields:
        meant = _meant(table.fields, wanted.fields)
        field_of = table.indexes(table.field_of)
        rows = [n for n in rows if meant[field_of[n]]]
    if wanted.q:
        rows = _with_text(table, rows, fold(wanted.q))
    return _on_lines(table, rows)


def _meant(fields: Sequence[str], patterns: Sequence[str]) -> bytes:
    """Of each field whether one of the patterns means it."""
    matchers = [matcher(pointer.parse_pattern(pattern)) for pattern in patterns]
    return bytes(any(means(steps) for means in matchers) for steps in map(pointer.parse_pattern, fields))


def _with_text(table: RowTable, rows: Sequence[int], text: str) -> list[int]:
    record_of, field_of = table.indexes(table.record_of), table.indexes(table.field_of)
    in_fields = [text in fold(field) for field in table.fields]
    number, in_record, found = -1, False, []
    for n in rows:
        if record_of[n] != number:
            number = record_of[n]
            record = table.record(number)
            in_record = text in fold(f"{record.path}\n{record.label or ''}")
        if in_record or in_fields[field_of[n]] or _has_text(table.row(n), text):
            found.append(n)
    return found


def _has_text(row: StoredRow, text: str) -> bool:
    return text in fold(row.at) or any(text in fold(_readable(raw)) for raw in (row.old, row.new) if raw is not None)


def _readable(raw: bytes) -> str:
    """A value as it is read: without escapes."""
    if b"\\" not in raw:
        return raw.decode()
    value = _decode(raw)
    return value if isinstance(value, str) else _encode(value).decode().replace('\\"', '"').replace("\\\\", "\\")


def _on_lines(table: RowTable, rows: Sequence[int]) -> Matched:
    record_of, kinds, lone = table.indexes(table.record_of), table.kinds, table.lone
    lines = array(INDEX)
    line, head, number = 0, 0, -1
    changed: set[int] = set()
    for n in rows:
        if record_of[n] != number:
            number, head = record_of[n], line
            line += 0 if lone[number] else 1
        if kinds[n] != SAME:
            changed.add(number)
        if kinds[n] == MOVED_RECORD:
            lines.append(head)
        else:
            lines.append(line)
            line += 1
    has_document = 0 in changed and not table.record(0).path
    return Matched(
        rows=array(INDEX, rows).tobytes(),
        lines=lines.tobytes(),
        line_count=line,
        records=len(changed) - has_document,
        rail=_rail(table, rows, lines, line),
        unchanged=sum(1 for n in rows if kinds[n] == SAME) if SAME in kinds else 0,
    )


def _rail(table: RowTable, rows: Sequence[int], lines: Sequence[int], count: int) -> bytes:
    rail = bytearray(RAIL)
    for n, line in zip(rows, lines, strict=True):
        kind = table.kinds[n]
        if kind == SAME:
            continue
        bit = 1 << (OPS.index("move") if kind == MOVED_RECORD else kind)
        begin = line * RAIL // count
        for place in range(begin, max(begin + 1, (line * RAIL + _FILLED * RAIL // 10) // count)):
            rail[place] |= bit
    return bytes(rail)


class Window(msgspec.Struct, frozen=True):
    """From row `start` of the filtered ones up to `count` of them."""

    start: int
    count: int
    value_limit: int
    text_from: int


def written(table: RowTable, found: Matched, window: Window) -> bytes:
    """The rows of a window as a JSON array; fewer where they are large."""
    numbers, lines = memoryview(found.rows).cast(INDEX), memoryview(found.lines).cast(INDEX)
    writer = _WindowWriter(table, window)
    end = min(window.start + window.count, len(numbers))
    rows: list[bytes] = []
    size = 0
    for place in range(window.start, end):
        row = _encode(writer.row(numbers[place], lines[place]))
        size += len(row)
        rows.append(row)
        if size > WINDOW_BYTES or writer.compared_bytes > COMPARED_BYTES:
            break
    return surrogates.restore(b"[%b]" % b",".join(rows))


class _WindowWriter:
    def __init__(self, table: RowTable, window: Window) -> None:
        self._table, self._window = table, window
        self._record_of, self._field_of = table.indexes(table.record_of), table.indexes(table.field_of)
        self._read: tuple[int, StoredRecord | None] = (-1, None)
        self.compared_bytes = 0

    def row(self, number: int, line: int) -> ChangeRow:
        table, group = self._table, self._record_of[number]
        kind, row, record = table.kinds[number], table.row(number), self._record(group)
        limit = self._window.value_limit
        old, new = (None if raw is None else short_values.shortened(raw, limit) for raw in (row.old, row.new))
        return ChangeRow(
            n=number,
            line=line,
            group=group,
            op="same" if kind == SAME else "move" if kind == MOVED_RECORD else OPS[kind],
            field=table.fields[self._field_of[number]],
            record=record.path,
            at=row.at,
            cut=not row.whole or (old, new) != (row.old, row.new),
            label=_or_unset(record.label),
            key=UNSET if record.key is None else msgspec.Raw(record.key),
            before=_or_unset(row.before),
            after=_or_unset(row.after),
            old=UNSET if old is None else msgspec.Raw(old),
            new=UNSET if new is None else msgspec.Raw(new),
            old_text=_exact(row.old, limit),
            new_text=_exact(row.new, limit),
            leaves=_or_unset(row.leaves),
            text=self._text(row),
        )

    def _record(self, number: int) -> StoredRecord:
        read, record = self._read
        if record is None or read != number:
            record = self._table.record(number)
            self._read = number, record
        return record

    def _text(self, row: StoredRow) -> list[RowText] | UnsetType:
        old, new = row.old, row.new
        if not row.whole or old is None or new is None or old[0] != slices.QUOTE or new[0] != slices.QUOTE:
            return UNSET
        if max(len(old), len(new)) <= self._window.text_from:
            return UNSET
        self.compared_bytes += len(old) + len(new)
        return _fitted(text_diff.of_slices(old, new), self._window.value_limit)


def _or_unset(value: "T | None") -> "T | UnsetType":
    return UNSET if value is None else value


def _exact(raw: bytes | None, limit: int) -> str | UnsetType:
    return raw[:limit].decode() if raw is not None and short_values.is_rounded(raw) else UNSET


def _fitted(runs: list[TextRun], limit: int) -> list[RowText]:
    """The runs of a text longer than `limit` with what changed and some of what is around it, as far as that goes."""
    if sum(len(text) for _, text in runs) <= limit:
        return list(runs)
    fitted: list[RowText] = []
    room = limit
    for place, (sign, text) in enumerate(runs):
        head, tail = _CONTEXT if place else 0, _CONTEXT if place < len(runs) - 1 else 0
        if sign == "=" and len(text) > head + tail:
            parts: list[RowText] = [
                (sign, text[:head]), ("…", str(len(text) - head - tail)), (sign, text[len(text) - tail :])
            ]  # fmt: skip
            if not head:
                del parts[0]
            if not tail:
                parts.pop()
        else:
            parts = [(sign, text[: max(0, room)])]
            if len(text) > room:
                parts.append(("…", str(len(text) - max(0, room))))
        fitted += parts
        room -= sum(len(text) for _, text in parts)
        if room <= 0:
            break
    return fitted
