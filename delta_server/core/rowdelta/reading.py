"""Reads the rows of one side once, and makes an entry of each (joining.py)."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from itertools import islice

import msgspec
from xxhash import xxh3_128

from delta_server.core.errors import DeltaError, Invalid, TooLarge
from delta_server.core.rowdelta import mistakes
from delta_server.core.rowdelta.blocks import RowTooLarge, blocks
from delta_server.core.rowdelta.entries import Made, Maker, parts_of, rows_of
from delta_server.core.rowdelta.partitions import Partitions
from delta_server.core.rowdelta.ports import Assistant, Side, Source
from delta_server.core.rowdelta.row_keys import SAMPLE_ROWS
from delta_server.core.rowdelta.settings import Settings

_BATCH = 32
"""Blocks that are shared with an assistant at a time."""
_READ, _GIVEN = 20, 30
"""How many of them are its, where they are there to be read, and where we unpack or convert them first: so both are
busy as long, for we count and keep besides."""


AHEAD = 3
"""Batches that an assistant who reads by itself has at a time, so that it always has some."""


class LacksKey(Invalid):
    """Rows without all fields of the key."""


class _Batch(msgspec.Struct):
    """Blocks, from `offset` on, of which the assistant has the first ones."""

    offset: int
    given: list[bytes]
    own: list[bytes]
    made: list[Made] = []


class SideReader:
    """Reads all rows into `entries`. How many there were stands in `rows`, the digest of all in `digest`.

    An assistant, if there is one, makes the entries of most of each batch of blocks meanwhile. `head`: the bytes before
    the first row.
    """

    def __init__(
        self, side: Side, source: Source, settings: Settings, maker: Maker, assistant: Assistant | None, head: int = 0
    ) -> None:
        self.side, self.rows, self.size_bytes, self.digest = side, 0, head, xxh3_128()
        self._source, self._settings, self._maker = source, settings, maker
        self._assistant, self._head = assistant, head
        self._offset, self._line, self._lacking, self._first_lacking = head, 1, 0, 0
        """The offset of what comes next, and the line up to which all is added."""
        self._too_large: RowTooLarge | None = None
        self._begin: bytes | None = None

    def read_into(self, entries: Partitions) -> Generator[None]:
        """Some blocks at a time. Raises Invalid: a line is not JSON; LacksKey at the end."""
        found = _blocks(self._source, self._settings, self._head)
        waiting: deque[_Batch] = deque()
        try:
            while some := self._next(found):
                ahead = AHEAD if len(some) > 1 and self._reads() else 0
                while len(waiting) > ahead:
                    self._take(waiting.popleft(), entries)
                batch = self._give(some)
                if batch.given:
                    self._make(batch)
                    waiting.append(batch)
                else:
                    self._add(batch, entries)
                yield
            while waiting:
                self._take(waiting.popleft(), entries)
        finally:
            found.close()
        if self._too_large is not None:
            line = self._line + self._too_large.place
            raise TooLarge(f"{self.side}, line {line}: a row has more than {self._settings.max_row_bytes} bytes")
        if self.rows == 1 and self._begin is not None:
            mistakes.check_one_row(self._begin, self.side)
        if self._lacking:
            field = ", ".join(self._maker.fields)
            raise LacksKey(
                f"{self.side}: {self._lacking} of {self.rows} rows lack the key field {field}, the first in line "
                f"{self._first_lacking}: name fields that all rows have",
                field="key_fields",
            )

    def _reads(self) -> bool:
        return self._assistant is not None and self._assistant.reads(self.side)

    def _next(self, found: Iterator[bytes]) -> list[bytes]:
        """One block; a batch where somebody assists; none at the end."""
        count = _BATCH if self._assistant is not None and self._assistant.is_ready() else 1
        some: list[bytes] = []
        try:
            some.extend(islice(found, count))
        except RowTooLarge as error:
            self._too_large = error  # for when those before it were looked at
        if self._begin is None and some:
            self._begin = mistakes.start(some[0])
        return some

    def _give(self, some: list[bytes]) -> _Batch:
        """Of a single block nothing is the assistant's."""
        is_there = self._reads() and self._source.read_at is not None
        given = len(some) * (_READ if is_there else _GIVEN) // _BATCH
        batch = _Batch(self._offset, some[:given], some[given:])
        if given:
            assert self._assistant is not None
            self._assistant.give(self.side, batch.offset, batch.given)
        self._offset += sum(map(len, some))
        return batch

    def _take(self, batch: _Batch, entries: Partitions) -> None:
        """Where the assistant finds anything to say of a row, so do we."""
        assert self._assistant is not None
        if parted := self._assistant.take():
            entries.add_parts(parts_of(parted))
            lines = rows_of(parted)
            self._count(batch.given, Made([], lines, lines))
        else:
            self._add(_Batch(batch.offset, [], batch.given), entries)
        self._add(batch, entries)

    def _make(self, batch: _Batch) -> None:
        """Of our blocks, before it is known in which line they begin."""
        offset = batch.offset + sum(map(len, batch.given))
        try:
            for block in batch.own:
                batch.made.append(self._maker.make(block, offset, what=self.side, line=0))
                offset += len(block)
        except DeltaError:
            batch.made.clear()

    def _add(self, batch: _Batch, entries: Partitions) -> None:
        """Our blocks. Where there is anything to say of a row they are made anew, to say in which line."""
        offset = batch.offset + sum(map(len, batch.given))
        for place, block in enumerate(batch.own):
            made = batch.made[place] if batch.made else None
            if made is None or made.lacking:
                made = self._maker.make(block, offset, what=self.side, line=self._line)
            entries.add(made.entries, 0)
            self._count([block], made)
            offset += len(block)

    def _count(self, some: list[bytes], made: Made) -> None:
        for block in some:
            self.digest.update(block)
            self.size_bytes += len(block)
        self._line += made.lines
        self.rows += made.rows
        self._first_lacking = self._first_lacking or made.first_lacking
        self._lacking += made.lacking


def sample(source: Source, settings: Settings) -> list[bytes]:
    """The first rows."""
    lines: list[bytes] = []
    with closing(_blocks(source, settings)) as found, suppress(RowTooLarge):  # found when all are read
        for block in found:
            lines += block.split(b"\n")
            if len(lines) >= SAMPLE_ROWS:
                break
    return lines[:SAMPLE_ROWS]


def _blocks(source: Source, settings: Settings, head: int = 0) -> Generator[bytes]:
    pieces = source.open()
    try:
        yield from blocks(_behind(pieces, head), settings.max_row_bytes)
    finally:
        close(pieces)


def _behind(pieces: Iterator[bytes], head: int) -> Iterator[bytes]:
    for piece in pieces:
        if head < len(piece):
            yield piece[head:]
            break
        head -= len(piece)
    yield from pieces


def close(pieces: Iterator[bytes]) -> None:
    """Of a generator at once, and not when it is collected."""
    end: Callable[[], None] | None = getattr(pieces, "close", None)
    if end is not None:
        end()
