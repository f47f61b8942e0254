"""What callers are told of DuckDB's errors, which repeat whatever the request said."""

import duckdb
import pytest

from delta_server.core.errors import Invalid
from delta_server.storage.events import failures


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
    error = failures.told(duckdb.ConversionException(f"Conversion Error: {said}\nLINE 1: SELECT"))
    assert isinstance(error, Invalid)
    assert error.message == told
