"""Rows as CSV (RFC 4180): UTF-8, lines end with CRLF, quotes where they are needed.

Spreadsheets take a cell that begins with = + - @ or a control character for a formula, and run it. Such texts are given
an apostrophe before it (OWASP, CSV Injection); numbers stay numbers.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def text(rows: Iterable[Sequence[Any]]) -> bytes:
    """The rows' lines. None is an empty cell, lists and objects are JSON, true and false as JSON has them."""
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows([_cell(value) for value in row] for row in rows)
    return written.getvalue().encode(errors="replace")


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA) else value
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return _cell(msgspec.json.encode(value).decode())
