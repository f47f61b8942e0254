"""CSV (RFC 4180) in pieces, as NDJSON in pieces: each row an object of texts by the names in the first one."""

import codecs
import csv
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.nearest import quoted

_ROWS = 500
"""Rows of a piece."""

_MAX_LINE_CHARS = 8 << 20
_encoder = msgspec.json.Encoder()


def ndjson(pieces: Iterable[bytes], what: str) -> Iterator[bytes]:
    """Raises Invalid, with the number of the line."""
    reader = csv.reader(_lines(pieces, what), strict=True)
    try:
        names = next(reader, None)
        if names is None:
            return
        _check_names(names, what)
        while rows := list(islice(reader, _ROWS)):
            if any(len(row) != len(names) for row in rows):
                rows = _without_blank(rows, names, f"{what}, before line {reader.line_num + 1}")
            yield _encoder.encode_lines([dict(zip(names, row, strict=True)) for row in rows])
    except csv.Error as error:
        raise Invalid(f"{what}, line {reader.line_num}: it is not valid CSV: {error}") from None


def _check_names(names: list[str], what: str) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Invalid(f"{what}: two columns are named {quoted(twice)}: give each a name of its own in the first line")


def _without_blank(rows: list[list[str]], names: list[str], where: str) -> list[list[str]]:
    kept = [row for row in rows if row]
    for row in kept:
        if len(row) != len(names):
            raise Invalid(f"{where}: the row that begins with {quoted(row[0])} has {len(row)} cells, not {len(names)}")
    return kept


def _lines(pieces: Iterable[bytes], what: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    waiting = ""
    try:
        for piece in pieces:
            lines = (waiting + decoder.decode(piece)).split("\n")
            waiting = lines.pop()
            if len(waiting) > _MAX_LINE_CHARS:
                raise Invalid(f"{what}: a line has more than {_MAX_LINE_CHARS} characters")
            for line in lines:
                yield line + "\n"
        waiting += decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise Invalid(f"{what}: it is not in UTF-8: save it as CSV in UTF-8") from None
    if waiting:
        yield waiting
