"""A table as a Parquet file."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from delta_server.core.tables import writing
from delta_server.core.tables.shape import Column, ColumnType
from delta_server.core.tables.writing import BEGIN, END, TIME, RowView
from delta_server.storage.rowdelta import parquet_file

_TYPES: dict[ColumnType, str] = {
    "boolean": "BOOLEAN", "integer": "BIGINT", "double": "DOUBLE", "text": "VARCHAR", "json": "VARCHAR",
}  # fmt: skip
_TIMES = (TIME, BEGIN, END)
_PIECE_BYTES = 128 << 10


def pieces(
    names: Sequence[str], columns: Sequence[Column], rows: Iterable[RowView], directory: Path
) -> Iterator[bytes]:
    """Times are TIMESTAMPs of UTC. Every column may be null, so that the schema is that of the columns alone."""
    types = {f"f{number}": "BIGINT" if name in _TIMES else "VARCHAR" for number, name in enumerate(names)}
    types |= {f"c{number}": _TYPES[column.type] for number, column in enumerate(columns)}
    shown = [
        f"{f'make_timestamptz(f{number} * 1000)' if name in _TIMES else f'f{number}'} AS {_quoted(name)}"
        for number, name in enumerate(names)
    ]
    shown += [f"c{number} AS {_quoted(column.name)}" for number, column in enumerate(columns)]
    path = directory / "table.parquet"
    parquet_file.write_lines(path, writing.parquet_lines(names, columns, rows), types, ", ".join(shown), directory)
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_PIECE_BYTES), b"")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
