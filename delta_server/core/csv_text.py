"""Rows as CSV (RFC 4180): UTF-8, lines end with CRLF, quotes where they are needed.

Spreadsheets take a cell that begins with = + - @ or a control character for a formula, and run it. Such texts are given
an apostrophe before it (OWASP, CSV Injection) unless that is switched off; numbers stay numbers.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def text(rows: Iterable[Sequence[Any]], *, escape_formulas: bool = True) -> bytes:
    """The rows' lines. None is an empty cell, lists and objects are JSON, true and false as JSON has them."""
    written = io.StringIO(newline="")
    cell = _escaped if escape_formulas else _cell
    csv.writer(written, lineterminator="\r\n").writerows([cell(value) for value in row] for row in rows)
    return written.getvalue().encode(errors="replace")


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, str | int | float | Decimal) and not isinstance(value, bool)):
        return value
    return msgspec.json.encode(value).decode()


def _escaped(value: Any) -> Any:
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else _cell(value)
