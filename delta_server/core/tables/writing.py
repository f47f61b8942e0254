"""Rows of a table as text: CSV, JSON, NDJSON, and the NDJSON that DuckDB makes Parquet of."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Literal, Protocol

import msgspec

from delta_server.core import csv_text, ids, times
from delta_server.core.json import slices
from delta_server.core.tables.shape import Column, ColumnType

Form = Literal["csv", "json", "ndjson", "parquet"]

TIME, KEY, BEGIN, END, SNAPSHOT = "time", "key", "valid_from", "valid_to", "snapshot"


class RowView(Protocol):
    @property
    def key(self) -> str | None: ...
    @property
    def record(self) -> bytes: ...
    @property
    def begin_ms(self) -> int: ...
    @property
    def end_ms(self) -> int | None: ...
    @property
    def snapshot(self) -> bytes: ...
    @property
    def time_ms(self) -> int | None: ...


_ROWS = 500
"""Rows of a piece of CSV."""

_Fixed = Callable[[RowView], Any]
_SHOWN: dict[str, _Fixed] = {
    TIME: lambda row: _instant(row.time_ms),
    KEY: lambda row: row.key,
    BEGIN: lambda row: times.format(row.begin_ms),
    END: lambda row: _instant(row.end_ms),
    SNAPSHOT: lambda row: ids.text(row.snapshot),
}
_FOR_PARQUET: dict[str, _Fixed] = _SHOWN | {
    TIME: lambda row: row.time_ms,
    BEGIN: lambda row: row.begin_ms,
    END: lambda row: row.end_ms,
}
_AS_THEY_ARE: tuple[ColumnType, ...] = ("boolean", "integer", "double")
_string = msgspec.json.Decoder(str).decode


def fixed(*, is_sampled: bool, has_key: bool) -> list[str]:
    """The columns in front of those of the fields."""
    return [*([TIME] if is_sampled else []), *([KEY] if has_key else []), BEGIN, END, SNAPSHOT]


def pieces(
    form: Literal["csv", "json", "ndjson"],
    names: Sequence[str],
    columns: Sequence[Column],
    rows: Iterable[RowView],
    *,
    escape_formulas: bool = True,
) -> Iterator[bytes]:
    """`names` are the fixed ones."""
    if form == "csv":
        yield csv_text.text([[*names, *(column.name for column in columns)]], escape_formulas=escape_formulas)
        left = iter(rows)
        while some := list(islice(left, _ROWS)):
            cells = ([*(_SHOWN[name](row) for name in names), *map(_cell, _found(columns, row))] for row in some)
            yield csv_text.text(cells, escape_formulas=escape_formulas)
        return
    between, end = (b",\n", b"\n]\n") if form == "json" else (b"\n", b"\n")
    begin = b"[\n" if form == "json" else b""
    for row in rows:
        yield begin + _line(_SHOWN, names, columns, row)
        begin = between
    yield end if begin == between else b"[\n]\n" if form == "json" else b""


def parquet_lines(names: Sequence[str], columns: Sequence[Column], rows: Iterable[RowView]) -> Iterator[bytes]:
    """Times are milliseconds; what is not of its column's type, and JSON, is text. Members are numbered; what is null
    is left out."""
    labels = [(b',"c%d":' % number, column) for number, column in enumerate(columns)]
    plain = {column.path[0]: (label, column.type in _AS_THEY_ARE) for label, column in labels if len(column.path) == 1}
    deep = [(label, column) for label, column in labels if len(column.path) != 1]
    deep_columns = [column for _, column in deep]
    for row in rows:
        cells = {f"f{number}": _FOR_PARQUET[name](row) for number, name in enumerate(names)}
        line = [msgspec.json.encode(cells)[:-1]]
        for name, value in (_members(row.record) or {}).items() if plain else ():
            if name in plain and (raw := bytes(value)) != b"null":
                label, is_as_it_is = plain[name]
                line += label, raw if is_as_it_is or raw[0] == slices.QUOTE else _text(raw)
        for (label, column), found in zip(deep, _found(deep_columns, row) if deep else (), strict=True):
            if found is not None and (raw := bytes(found)) != b"null":
                line += label, raw if column.type in _AS_THEY_ARE or raw[0] == slices.QUOTE else _text(raw)
        line.append(b"}\n")
        yield b"".join(line)


def _line(fixed_: dict[str, _Fixed], names: Sequence[str], columns: Sequence[Column], row: RowView) -> bytes:
    cells: dict[str, Any] = {name: fixed_[name](row) for name in names}
    cells.update({column.name: value for column, value in zip(columns, _found(columns, row), strict=True)})
    return msgspec.json.encode(cells)


def _found(columns: Sequence[Column], row: RowView) -> list[msgspec.Raw | None]:
    if len(columns) == 1 and not columns[0].path:
        return [msgspec.Raw(slices.minified(row.record))]
    opened: dict[tuple[str, ...], dict[str, msgspec.Raw] | None] = {(): _members(row.record)}
    return [_at(column.path, opened) for column in columns]


def _at(path: tuple[str, ...], opened: dict[tuple[str, ...], dict[str, msgspec.Raw] | None]) -> msgspec.Raw | None:
    value = _members_at(path[:-1], opened).get(path[-1])
    return None if value is None else msgspec.Raw(slices.minified(bytes(value)))


def _members_at(
    path: tuple[str, ...], opened: dict[tuple[str, ...], dict[str, msgspec.Raw] | None]
) -> dict[str, msgspec.Raw]:
    if path not in opened:
        value = _members_at(path[:-1], opened).get(path[-1])
        opened[path] = None if value is None else _members(bytes(value))
    return opened[path] or {}


def _members(raw: bytes) -> dict[str, msgspec.Raw] | None:
    return slices.members(raw) if raw[0] == slices.OPEN_OBJECT else None


def _cell(value: msgspec.Raw | None) -> Any:
    """As csv_text takes it; numbers keep their digits."""
    if value is None:
        return None
    raw = bytes(value)
    kind = slices.kind(raw)
    if kind == "string":
        return _string(raw)
    if kind == "number":
        return Decimal(raw.decode())
    return None if kind == "null" else value


def _text(raw: bytes) -> bytes:
    return msgspec.json.encode(slices.minified(raw).decode())


def _instant(at_ms: int | None) -> str | None:
    return None if at_ms is None else times.format(at_ms)
