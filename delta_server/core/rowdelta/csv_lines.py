"""Two sides of CSV compared by their lines: where both have the same columns and no quotes, equal lines are equal rows,
and only those that differ become JSON.

Whatever is otherwise, or wrong, is refused here: then the rows are compared as NDJSON (csv_rows.py), which says what.
"""

from collections.abc import Iterable, Mapping
from itertools import accumulate, repeat
from operator import add

import msgspec
from xxhash import xxh3_128_digest

from delta_server.core.diff.diff_settings import Fields
from delta_server.core.errors import DeltaError, Invalid
from delta_server.core.json import pointer
from delta_server.core.rowdelta import csv_rows
from delta_server.core.rowdelta.entries import Made, Maker
from delta_server.core.rowdelta.joining import ENTRY
from delta_server.core.rowdelta.ports import Side, Source
from delta_server.core.rowdelta.reading import close
from delta_server.core.rowdelta.settings import Settings
from delta_server.core.rowdelta.texts import changed_meanwhile

_LONGEST_HEAD = 64 << 10
_BUT_MARKS = bytes(b for b in range(256) if b not in b',"\r\n')
_LONGEST_ESCAPE = len(b"\\u0000")
_never = repeat(False)


class NotPlain(Invalid):
    """These rows cannot be compared so."""


class Table(msgspec.Struct, frozen=True):
    """What both sides have. `heads`: the bytes of each before its rows; `key`: the columns of the key, none for rows
    without one."""

    names: tuple[str, ...]
    heads: dict[Side, int]
    key: tuple[int, ...]


def table(texts: Mapping[Side, Source], fields: Fields, settings: Settings) -> Table | None:
    """None where the lines do not tell which rows are equal."""
    if len(texts) < 2 or settings.ignore or settings.tolerance or settings.trusted_hash:
        return None
    try:
        heads = {side: _head(source) for side, source in texts.items()}
        before, after = [csv_rows.plain_names(head) for head in heads.values()]
    except (DeltaError, OSError):
        return None  # said when it is read
    paths = pointer.key_paths(fields)
    if before is None or before != after or any(len(path) > 1 or path[0] not in before for path in paths):
        return None
    return Table(before, {side: len(head) for side, head in heads.items()}, tuple([before.index(p[0]) for p in paths]))


def _head(source: Source) -> bytes:
    """The first line, with its end."""
    found = b""
    pieces = source.open()
    try:
        for piece in pieces:
            found += piece
            if (end := found.find(b"\n") + 1) or len(found) > _LONGEST_HEAD:
                return found[:end]
        return found
    finally:
        close(pieces)


class LineMaker(Maker):
    def __init__(self, table: Table, fields: Fields, settings: Settings) -> None:
        super().__init__(fields)
        self._columns, self._key = len(table.names), table.key
        self._marks = b"," * (self._columns - 1) + b"\n"
        """What is left of a line without its cells."""
        self._longest = (settings.max_row_bytes - csv_rows.empty_row_bytes(table.names)) // _LONGEST_ESCAPE

    def make(self, block: bytes, offset: int, *, what: str, line: int) -> Made:
        """Raises NotPlain, which names no line."""
        lines = block.split(b"\n")
        lines.pop()
        count = len(lines)
        sizes = list(map(len, lines))
        offsets = map(add, accumulate(sizes, initial=offset), range(count))  # a line end each
        if block.translate(None, _BUT_MARKS) != self._marks * count:
            lines = self._without_returns(block, lines)
            sizes = list(map(len, lines))
        self._check(block, lines, sizes)
        digests = list(map(xxh3_128_digest, lines))
        keys = map(xxh3_128_digest, self._keys(lines)) if self._key else digests
        return Made(list(map(ENTRY.pack, keys, digests, offsets, sizes, _never)), count, count)

    def _without_returns(self, block: bytes, lines: list[bytes]) -> list[bytes]:
        """Where each is in front of a line end. Raises NotPlain: something else is the matter."""
        marks = block.translate(None, _BUT_MARKS).replace(b"\r\n", b"\n")
        if marks != self._marks * len(lines) or block.count(b"\r") != block.count(b"\r\n"):
            raise NotPlain("a line has quotes, or other cells than names")
        return [line.removesuffix(b"\r") for line in lines]

    def _check(self, block: bytes, lines: list[bytes], sizes: list[int]) -> None:
        if self._columns == 1 and b"" in lines:
            raise NotPlain("a line is blank")
        if len(block) > self._longest and max(sizes) > self._longest:
            raise NotPlain("a row may be too long")
        try:
            if not block.isascii():
                block.decode()
        except UnicodeDecodeError:
            raise NotPlain("it is not UTF-8") from None

    def _keys(self, lines: list[bytes]) -> Iterable[bytes]:
        if self._columns == 1:
            return lines
        if self._key == (0,):
            return [line[: line.index(b",")] for line in lines]
        if len(self._key) == 1:
            place = self._key[0]
            return [line.split(b",", place + 1)[place] for line in lines]
        rows = [line.split(b",") for line in lines]
        return [b",".join([row[place] for place in self._key]) for row in rows]


def as_json(table: Table, entries: list[bytes], lines: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The rows of entries, and these with what is said of them as JSON. Raises Conflict: a row is another by now."""
    found = list(ENTRY.iter_unpack(b"".join(entries)))
    if list(map(xxh3_128_digest, lines)) != [digest for _, digest, *_ in found]:
        raise changed_meanwhile()
    rows = csv_rows.rows_of(table.names, lines)
    made = [
        ENTRY.pack(key, xxh3_128_digest(row), offset, len(row), several)
        for (key, _, offset, _, several), row in zip(found, rows, strict=True)
    ]
    return made, rows
