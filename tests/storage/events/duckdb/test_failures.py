"""What callers are told of DuckDB's errors, which repeat whatever the request said."""

import errno

import duckdb
import pytest

from delta_server.core.errors import Invalid, Unavailable
from delta_server.storage.events.duckdb import failures


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("could not convert 'abc'", "could not convert 'abc'"),
        ("cannot open segment://0123456789abcdef/1", "a value cannot be used in this query"),
        ("in /usr/lib/thing.so", "a value cannot be used in this query"),
        ("at 0x7f3a99 something", "a value cannot be used in this query"),
        ("a" * 10_000_000, "a" * 300 + "..."),
    ],
)
def test_it_is_one_short_line_without_anything_inside(said: str, told: str) -> None:
    """Ten million letters: what takes the square of their number would not end."""
    error = failures.translated(duckdb.ConversionException(f"Conversion Error: {said}\nLINE 1: SELECT"))
    assert isinstance(error, Invalid)
    assert error.message == told


FULL = "[Errno 28] No space left on device"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        duckdb.InvalidInputException(f"Invalid Input Error: Python exception occurred: OSError: {FULL}"),
        duckdb.IOException(f"IO Error: Could not write: OSError: {FULL}\n\nAt:\n  duckdb/virtual_files.py(75): write"),
        duckdb.Error(f"Unknown: OSError: {FULL}"),
    ],
)
def test_a_full_disk_is_nobodys_mistake(error: Exception) -> None:
    told = failures.translated(error)
    assert isinstance(told, Unavailable)
    assert "the disk is full" in told.message


def test_a_request_that_only_speaks_of_a_full_disk() -> None:
    error = duckdb.ConversionException("Conversion Error: could not convert 'No space left on device'")
    assert isinstance(failures.translated(error), Invalid)
