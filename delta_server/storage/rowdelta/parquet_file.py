"""Rows from Parquet files, and operations into one: by DuckDB, in little memory."""

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from delta_server.core.errors import DeltaError, Invalid
from delta_server.core.rowdelta import writing
from delta_server.core.rowdelta.operations import Operation
from delta_server.core.rowdelta.summary import Summary
from delta_server.storage.rowdelta import parquet_values

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ROWS = 2048
_READ_MEMORY, _WRITE_MEMORY = "96MB", "256MB"
"""DuckDB's limits; of the latter the buffers for long lines are seldom touched."""
_LONGEST_LINE = 32 << 20
_SPECIAL = re.compile(r"([*?\[])")
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def read(path: Path, what: str = "") -> Iterator[bytes]:
    """NDJSON of the rows, in their order. Decimals are numbers, bytes are base64, times are as ISO 8601 has them, and
    numbers that JSON has not are the texts nan, inf and -inf. `what` is its name in messages.

    Raises Invalid."""
    import duckdb

    what = what or path.name
    try:
        with _connection(_READ_MEMORY) as connection:
            yield from _lines(connection, _literally(path))
    except duckdb.Error as error:
        reason = _first_line(error).replace(_literally(path), what).replace(str(path.absolute()), what)
        raise Invalid(f"{what} cannot be read as Parquet: {reason}") from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Invalid(f"{what} has a value that JSON cannot say: {_first_line(error)}") from None


def _lines(connection: "DuckDBPyConnection", place: str) -> Iterator[bytes]:
    connection.execute("SET TimeZone = 'UTC'")
    file = "read_parquet(?, hive_partitioning = false)"
    columns = connection.execute(f"FROM {file} LIMIT 0", [place]).description or ()
    changes = [parquet_values.change(kind) for _, kind, *_ in columns]
    selected = ", ".join([parquet_values.selected(name, kind) for name, kind, *_ in columns])
    names = [name for name, *_ in columns]
    found = connection.execute(f"SELECT {selected} FROM {file}", [place])
    while rows := found.fetchmany(_ROWS):
        values = [
            column if made is None else map(made, column)
            for column, made in zip(zip(*rows, strict=True), changes, strict=True)
        ]
        yield _encoder.encode_lines([dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)])


def _literally(path: Path) -> str:
    """The path as a pattern of DuckDB that fits nothing but it."""
    return _SPECIAL.sub(r"[\1]", str(path.absolute()))


def write(path: Path, operations: Iterable[Operation], summary: Summary, directory: Path) -> None:
    """All columns are texts. Raises DeltaError where the file cannot be written."""
    names = writing.columns(summary)
    rows = writing.table(operations)
    batches = iter(lambda: list(islice(rows, _ROWS)), [])
    lines = (_encoder.encode_lines([dict(zip(names, row, strict=True)) for row in some]) for some in batches)
    write_lines(path, lines, dict.fromkeys(names, "VARCHAR"), "*", directory)


def write_lines(path: Path, lines: Iterable[bytes], columns: Mapping[str, str], selected: str, directory: Path) -> None:
    """NDJSON whose members are `columns`, by DuckDB's types, as `selected` shows them. Raises DeltaError where the file
    cannot be written."""
    import duckdb

    with tempfile.NamedTemporaryFile(dir=directory, suffix=".ndjson") as file, _connection(_WRITE_MEMORY) as connection:
        for some in lines:
            file.write(some)
        file.flush()
        read = f"read_json(?, format = 'newline_delimited', columns = ?, maximum_object_size = {_LONGEST_LINE})"
        try:
            connection.execute(
                f"COPY (SELECT {selected} FROM {read}) TO {_quoted(path)} (FORMAT parquet, COMPRESSION zstd)",
                [file.name, dict(columns)],
            )
        except duckdb.Error as error:
            raise DeltaError(f"{path} cannot be written: {_first_line(error)}") from None


def _connection(memory: str) -> "DuckDBPyConnection":
    import duckdb

    return duckdb.connect(config={"threads": 1, "memory_limit": memory, "temp_directory": ""})


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
