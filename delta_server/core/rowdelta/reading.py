"""Reads the rows of one side once, and makes an entry of each (joining.py)."""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from itertools import accumulate, repeat
from operator import add
from typing import Any

from msgspec import UNSET
from xxhash import xxh3_128, xxh3_128_digest

from delta_server.core.errors import Invalid, TooLarge
from delta_server.core.rowdelta.blocks import RowTooLarge, blocks
from delta_server.core.rowdelta.joining import ENTRY
from delta_server.core.rowdelta.partitions import Partitions
from delta_server.core.rowdelta.ports import Side, Source
from delta_server.core.rowdelta.row_keys import SAMPLE_ROWS, RowReader
from delta_server.core.rowdelta.settings import Settings

_digest: Callable[[Any], bytes] = xxh3_128_digest
_never = repeat(False)
_PLAIN_NAME = re.compile(r'/[^/*~"\\]+', re.ASCII)


class LacksKey(Invalid):
    """Rows without all fields of the key."""


class SideReader:
    """Reads all rows into `entries`. How many there were stands in `rows`, the digest of all in `digest`."""

    def __init__(self, side: Side, source: Source, fields: tuple[str, ...], settings: Settings) -> None:
        self.side, self.rows, self.size_bytes, self.digest = side, 0, 0, xxh3_128()
        self._source, self._settings = source, settings
        ignored = tuple([name[1:] for name in settings.ignore if _PLAIN_NAME.fullmatch(name)])
        self._hash = settings.trusted_hash
        self._ignored = () if self._hash else ignored
        self._reader = RowReader(fields, (self._hash,) if self._hash else ignored)
        self._line, self._lacking, self._first_lacking = 1, 0, 0

    def read_into(self, entries: Partitions) -> Iterator[None]:
        """Block by block. Raises Invalid: a line is not JSON; LacksKey at the end."""
        try:
            for block in _blocks(self._source, self._settings):
                entries.add(self._entries(block), 0)
                yield
        except RowTooLarge as error:
            line = self._line + error.place
            raise TooLarge(
                f"{self.side}, line {line}: a row has more than {self._settings.max_row_bytes} bytes"
            ) from None
        if self._lacking:
            field = ", ".join(self._reader.fields)
            raise LacksKey(
                f"{self.side}: {self._lacking} of {self.rows} rows lack the key field {field}, the first in line "
                f"{self._first_lacking}: name fields that all rows have",
                field="key_fields",
            )

    def _entries(self, block: bytes) -> list[bytes]:
        lines = block.split(b"\n")
        lines.pop()
        rows, blank = self._reader.read(block, lines, self.side, self._line)
        sizes = list(map(len, lines))
        offsets = list(map(add, accumulate(sizes, initial=self.size_bytes), range(len(lines))))  # a line end each
        self.digest.update(block)
        self._line += len(lines)
        self.size_bytes += len(block)
        self.rows += len(rows)
        if blank:
            for column in (lines, sizes, offsets):
                _delete(column, blank)
        digests = self._digests(lines, rows)
        if not self._reader.fields:
            return list(map(ENTRY.pack, digests, digests, offsets, sizes, _never))
        keys = self._reader.keys(rows)
        if None in keys:
            self._note_lacking(keys, blank)
            return []
        return list(map(ENTRY.pack, map(_digest, keys), digests, offsets, sizes, _never))

    def _digests(self, lines: list[bytes], rows: list[Any]) -> list[bytes]:
        if self._hash:
            hashes = self._reader.other(rows, 0)
            return [xxh3_128_digest(line if raw is UNSET else raw) for line, raw in zip(lines, hashes, strict=True)]
        for place, name in enumerate(self._ignored):
            member = b'"%b":' % name.encode()
            lines = [
                _without(line, member, raw) for line, raw in zip(lines, self._reader.other(rows, place), strict=True)
            ]
        return list(map(xxh3_128_digest, lines))

    def _note_lacking(self, keys: list[bytes | None], blank: list[int]) -> None:
        if not self._lacking:
            line = self._line - len(keys) - len(blank)
            places = [place for place in range(len(keys) + len(blank)) if place not in blank]
            self._first_lacking = line + places[keys.index(None)]
        self._lacking += keys.count(None)


def sample(source: Source, settings: Settings) -> list[bytes]:
    """The first rows."""
    lines: list[bytes] = []
    with closing(_blocks(source, settings)) as found, suppress(RowTooLarge):  # found when all are read
        for block in found:
            lines += block.split(b"\n")
            if len(lines) >= SAMPLE_ROWS:
                break
    return lines[:SAMPLE_ROWS]


def _blocks(source: Source, settings: Settings) -> Generator[bytes]:
    pieces = source.open()
    try:
        yield from blocks(pieces, settings.max_row_bytes)
    finally:
        close(pieces)


def close(pieces: Iterator[bytes]) -> None:
    """Of a generator at once, and not when it is collected."""
    end: Callable[[], None] | None = getattr(pieces, "close", None)
    if end is not None:
        end()


def _delete(column: list[Any], places: list[int]) -> None:
    for place in reversed(places):
        del column[place]


def _without(line: bytes, member: bytes, raw: Any) -> bytes:
    """The row without the value of a member, where its place is certain; equal results are of rows that are equal but
    for it. Where it is not, the canonical forms tell later."""
    if raw is UNSET or line.count(member) != 1:
        return line
    head, _, tail = line.partition(member)
    value = bytes(raw)
    rest = tail.lstrip(b" ")
    return head + member + rest[len(value) :] if rest.startswith(value) else line
