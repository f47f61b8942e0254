"""Makes the entries of a block of rows (joining.py)."""

import re
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from itertools import accumulate, repeat
from operator import add, call
from struct import Struct
from typing import Any

import msgspec
from msgspec import UNSET
from xxhash import xxh3_128_digest

from delta_server.core.errors import DeltaError
from delta_server.core.rowdelta.blocks import blocks
from delta_server.core.rowdelta.joining import ENTRY
from delta_server.core.rowdelta.partitions import COUNT
from delta_server.core.rowdelta.row_keys import RowReader
from delta_server.core.rowdelta.settings import Settings

_digest: Callable[[Any], bytes] = xxh3_128_digest
_never = repeat(False)
_PLAIN_NAME = re.compile(r'/[^/*~"\\]+', re.ASCII)
_SIZES = Struct(f">{COUNT}I")


class Made(msgspec.Struct, frozen=True):
    """`lacking`: rows without all fields of the key, the first in line `first_lacking`; there are no entries then."""

    entries: list[bytes]
    rows: int
    lines: int
    lacking: int = 0
    first_lacking: int = 0


class Maker(ABC):
    """`fields` are those of the key."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.fields = fields

    @abstractmethod
    def make(self, block: bytes, offset: int, *, what: str, line: int) -> Made:
        """Of the block at `offset`, which begins with line `line` of `what`. Raises Invalid: something is wrong."""

    def parted(self, pieces: Iterable[bytes], offset: int) -> bytes:
        """Of whole lines in pieces, block by block: the sizes of all parts, then their entries; nothing where there is
        anything to say of a row, or of a piece."""
        parts: list[list[bytes]] = [[] for _ in range(COUNT)]
        append_of = [part.append for part in parts].__getitem__
        try:
            for block in blocks(pieces, sys.maxsize):
                made = self.make(block, offset, what="", line=1)
                if made.rows < made.lines or made.lacking:
                    return b""
                first_bytes = b"".join(made.entries)[:: ENTRY.size]
                deque(map(call, map(append_of, first_bytes), made.entries), maxlen=0)
                offset += len(block)
        except (DeltaError, OSError):
            return b""
        joined = list(map(b"".join, parts))
        return b"".join([_SIZES.pack(*map(len, joined)), *joined])


class EntryMaker(Maker):
    """Of rows of JSON."""

    def __init__(self, fields: tuple[str, ...], settings: Settings) -> None:
        super().__init__(fields)
        ignored = tuple([name[1:] for name in settings.ignore if _PLAIN_NAME.fullmatch(name)])
        self._hash = settings.trusted_hash
        self._ignored = () if self._hash else ignored
        self._reader = RowReader(fields, (self._hash,) if self._hash else ignored)

    def make(self, block: bytes, offset: int, *, what: str, line: int) -> Made:
        """Of the block at `offset`, which begins with line `line`. Raises Invalid: a line is not JSON."""
        lines = block.split(b"\n")
        lines.pop()
        count = len(lines)
        rows, blank = self._reader.read(block, lines, what, line)
        sizes = list(map(len, lines))
        offsets: Iterable[int] = map(add, accumulate(sizes, initial=offset), range(count))  # a line end each
        if blank:
            offsets = list(offsets)
            for column in (lines, sizes, offsets):
                _delete(column, blank)
        digests = self._digests(lines, rows)
        if not self._reader.fields:
            return Made(list(map(ENTRY.pack, digests, digests, offsets, sizes, _never)), len(rows), count)
        keys, lacking = self._reader.keys(rows)
        if lacking:
            places = [place for place in range(count) if place not in blank]
            return Made([], len(rows), count, lacking, line + places[keys.index(None)])
        return Made(list(map(ENTRY.pack, map(_digest, keys), digests, offsets, sizes, _never)), len(rows), count)

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


def rows_of(parted: bytes) -> int:
    return (len(parted) - _SIZES.size) // ENTRY.size


def parts_of(parted: bytes) -> list[bytes]:
    ends = list(accumulate(_SIZES.unpack_from(parted), initial=_SIZES.size))
    return list(map(parted.__getitem__, map(slice, ends, ends[1:])))


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
