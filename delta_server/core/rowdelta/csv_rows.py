"""CSV (RFC 4180) in pieces, as NDJSON in pieces: each row an object of texts by the names in the first one."""

import codecs
import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.nearest import quoted
from delta_server.core.rowdelta import mistakes
from delta_server.core.rowdelta.blocks import RowTooLarge, blocks

MAX_LINE_BYTES = 8 << 20
_LONGEST_CELL = 1 << 24

csv.field_size_limit(_LONGEST_CELL)  # of the process, as core/formats/csv_rows.py has it; 128 kB by default

_ROWS = 500
"""Rows of a piece."""

_MARK = codecs.BOM_UTF8
_NOT_PLAIN = bytes(b for b in range(32) if b != ord("\n")) + b'"\\'
"""Bytes that are quotes, or that JSON has to escape."""

_encoder = msgspec.json.Encoder()


def ndjson(pieces: Iterable[bytes], what: str) -> Iterator[bytes]:
    """Raises Invalid, with the number of the line."""
    try:
        yield from _rows(blocks(pieces, MAX_LINE_BYTES), what)
    except RowTooLarge:
        raise Invalid(f"{what}: a line has more than {MAX_LINE_BYTES} bytes") from None
    except UnicodeDecodeError:
        raise Invalid(f"{what}: it is not in UTF-8: save it as CSV in UTF-8") from None


def _rows(lines: Iterator[bytes], what: str) -> Iterator[bytes]:
    """Blocks without quotes are split at their commas: a sixth of the time."""
    first = next(lines, b"").removeprefix(_MARK)
    head, _, rest = first.partition(b"\n")
    mistakes.check_separator(head, what)
    if b'"' in head:
        yield from _quoted(chain([first], lines), what, None, 0)
        return
    if not head.strip():
        if any(block.strip() for block in chain([rest], lines)):
            raise Invalid(f"{what}: the first line is blank: it has to name the columns")
        return
    line = head.rstrip(b"\r")
    if b"\r" in line:
        raise Invalid(f"{what}: its lines end with CR alone: save it with LF or CR LF")
    names = line.decode().split(",")
    _check_names(names, what)
    row = _row(names)
    done = 1
    for block in chain([rest], lines):
        text = block.replace(b"\r\n", b"\n") if b"\r" in block else block
        if len(text.translate(None, _NOT_PLAIN)) < len(text):
            yield from _quoted(chain([block], lines), what, names, done)
            return
        if not text.isascii():
            text.decode()
        filled, count = _filled(row, text)
        if count:
            yield filled
        else:
            yield from _quoted([block], what, names, done)  # has blank lines, or says which row it is
        done += count or block.count(b"\n")


def plain_names(head: bytes) -> tuple[str, ...] | None:
    """Of the columns in the first line, None where it has quotes or nothing. Raises Invalid: it cannot be that line."""
    line = head.removeprefix(_MARK).removesuffix(b"\n").removesuffix(b"\r")
    if not line.strip() or b'"' in line or b"\r" in line:
        return None
    try:
        names = line.decode().split(",")
    except UnicodeDecodeError:
        return None
    mistakes.check_separator(line, "")
    _check_names(names, "")
    return tuple(names)


def rows_of(names: Sequence[str], lines: list[bytes]) -> list[bytes]:
    """Lines without quotes, of as many cells as names, as `ndjson` makes them."""
    text = b"".join([line + b"\n" for line in lines])
    if len(text.translate(None, _NOT_PLAIN)) == len(text):
        filled, _ = _filled(_row(names), text)
    else:
        filled = _encoder.encode_lines([dict(zip(names, line.decode().split(","), strict=True)) for line in lines])
    return filled.split(b"\n")[:-1]


def empty_row_bytes(names: Sequence[str]) -> int:
    """The size of a row of JSON but for what is in its cells."""
    return sum(map(len, _row(names)))


def _row(names: Sequence[str]) -> list[bytes]:
    """The pieces of a row of JSON: every other one is a cell."""
    heads = [_encoder.encode(name) + b':"' for name in names]
    return [b"{" + heads[0], b"", *[piece for head in heads[1:] for piece in (b'",' + head, b"")], b'"}\n']


def _filled(row: list[bytes], text: bytes) -> tuple[bytes, int]:
    """Lines without quotes as NDJSON, column by column, and how many there are; none where one has more or fewer cells,
    or is blank. Each line end becomes a cell of its own, which shows where the rows end."""
    columns = len(row) // 2
    cells = text.replace(b"\n", b",\n,").split(b",")
    cells.pop()
    count, rest = divmod(len(cells), columns + 1)
    if rest or cells[columns :: columns + 1] != [b"\n"] * count or (columns == 1 and b"" in cells):
        return b"", 0
    filled = row * count
    for column in range(columns):
        filled[2 * column + 1 :: len(row)] = cells[column :: columns + 1]
    return b"".join(filled), count


def _quoted(lines: Iterable[bytes], what: str, names: list[str] | None, done: int) -> Iterator[bytes]:
    """What follows `done` lines; `names` are None where these are to come."""
    texts = (line + "\n" for block in lines for line in block.decode().split("\n")[:-1])
    reader = csv.reader(texts, strict=True)
    try:
        if names is None:
            names = next(reader, [])
            _check_names(names, what)
        last = reader.line_num
        while numbered := [(row, reader.line_num) for row in islice(reader, _ROWS)]:
            rows = [row for row, _ in numbered]
            if any(len(row) != len(names) for row in rows):
                rows = _without_blank(numbered, len(names), last, what, done)
            last = reader.line_num
            yield _encoder.encode_lines([dict(zip(names, row, strict=True)) for row in rows])
    except csv.Error as error:
        raise Invalid(f"{what}, line {done + reader.line_num}: it is not valid CSV: {error}") from None


def _check_names(names: list[str], what: str) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Invalid(f"{what}: two columns are named {quoted(twice)}: give each a name of its own in the first line")


def _without_blank(
    numbered: list[tuple[list[str], int]], cells: int, last: int, what: str, done: int
) -> list[list[str]]:
    """Each row comes with the line that it ends in, after `done` ones; `last` is that of the row before. What is in a
    row is not said, for it may be secret."""
    for row, end in numbered:
        if row and len(row) != cells:
            raise Invalid(f"{what}, line {done + last + 1}: the row has {len(row)} cells, not {cells}")
        last = end
    return [row for row, _ in numbered if row]
