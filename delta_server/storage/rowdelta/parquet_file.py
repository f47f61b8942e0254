"""Rows from Parquet files, and operations into one: by DuckDB, in little memory."""

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

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ROWS = 2048
_READ_MEMORY, _WRITE_MEMORY = "96MB", "256MB"
"""DuckDB's limits; of the latter the buffers for long lines are seldom touched."""
_LONGEST_LINE = 32 << 20
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def read(path: Path) -> Iterator[bytes]:
    """NDJSON of the rows, in their order. Decimals are numbers, times are as ISO 8601 has them, bytes are base64.

    Raises Invalid."""
    import duckdb

    try:
        with _connection(_READ_MEMORY) as connection:
            found = connection.execute("FROM read_parquet(?)", [str(path)])
            names = [column[0] for column in found.description or ()]
            while rows := found.fetchmany(_ROWS):
                yield _encoder.encode_lines([dict(zip(names, row, strict=True)) for row in rows])
    except duckdb.Error as error:
        raise Invalid(f"{path.name} cannot be read as Parquet: {_first_line(error)}") from None


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
