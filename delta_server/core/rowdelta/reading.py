"""Reads the rows of one side once, and makes an entry of each (joining.py)."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from itertools import islice

from xxhash import xxh3_128

from delta_server.core.errors import DeltaError, Invalid, TooLarge
from delta_server.core.rowdelta.blocks import RowTooLarge, blocks
from delta_server.core.rowdelta.entries import EntryMaker, Made, parts_of
from delta_server.core.rowdelta.partitions import Partitions
from delta_server.core.rowdelta.ports import Assistant, Side, Source
from delta_server.core.rowdelta.row_keys import SAMPLE_ROWS
from delta_server.core.rowdelta.settings import Settings

_BATCH = 8
"""Blocks that go to an assistant at a time."""


class LacksKey(Invalid):
    """Rows without all fields of the key."""


class SideReader:
    """Reads all rows into `entries`. How many there were stands in `rows`, the digest of all in `digest`.

    An assistant, if there is one, makes the entries of every other batch of blocks meanwhile.
    """

    def __init__(
        self, side: Side, source: Source, fields: tuple[str, ...], settings: Settings, assistant: Assistant | None
    ) -> None:
        self.side, self.rows, self.size_bytes, self.digest = side, 0, 0, xxh3_128()
        self._source, self._settings, self._fields = source, settings, fields
        self._maker = EntryMaker(fields, settings)
        self._assistant = assistant
        self._line, self._lacking, self._first_lacking = 1, 0, 0
        self._too_large: RowTooLarge | None = None

    def read_into(self, entries: Partitions) -> Generator[None]:
        """Some blocks at a time. Raises Invalid: a line is not JSON; LacksKey at the end."""
        found = _blocks(self._source, self._settings)
        try:
            while some := self._next(found):
                if len(some) == 1:
                    self._add(some[0], self._made(some[0]), entries)
                else:
                    self._share(some, entries)
                yield
        finally:
            found.close()
        if self._too_large is not None:
            line = self._line + self._too_large.place
            raise TooLarge(f"{self.side}, line {line}: a row has more than {self._settings.max_row_bytes} bytes")
        if self._lacking:
            field = ", ".join(self._fields)
            raise LacksKey(
                f"{self.side}: {self._lacking} of {self.rows} rows lack the key field {field}, the first in line "
                f"{self._first_lacking}: name fields that all rows have",
                field="key_fields",
            )

    def _next(self, found: Iterator[bytes]) -> list[bytes]:
        """One block; twice a batch where somebody assists; none at the end."""
        count = 2 * _BATCH if self._assistant is not None and self._assistant.is_ready() else 1
        some: list[bytes] = []
        try:
            some.extend(islice(found, count))
        except RowTooLarge as error:
            self._too_large = error  # for when those before it were looked at
        return some

    def _made(self, block: bytes) -> Made:
        return self._maker.make(block, self.size_bytes, what=self.side, line=self._line)

    def _add(self, block: bytes, made: Made, entries: Partitions) -> None:
        entries.add(made.entries, 0)
        self._count(block, made)

    def _count(self, block: bytes, made: Made) -> None:
        self.digest.update(block)
        self._line += made.lines
        self.size_bytes += len(block)
        self.rows += made.rows
        self._first_lacking = self._first_lacking or made.first_lacking
        self._lacking += made.lacking

    def _share(self, some: list[bytes], entries: Partitions) -> None:
        """The first half is the assistant's. Where it finds anything to say of a row, so do we."""
        assert self._assistant is not None
        half = len(some) // 2
        given, own = b"".join(some[:half]), b"".join(some[half:])
        lines = given.count(b"\n")
        self._assistant.give(self.size_bytes, given)
        made: Made | DeltaError
        try:
            made = self._maker.make(own, self.size_bytes + len(given), what=self.side, line=self._line + lines)
        except DeltaError as error:
            made = error
        parted = self._assistant.take()
        if parted:
            entries.add_parts(parts_of(parted))
            self._count(given, Made([], lines, lines))
        else:
            self._add(given, self._made(given), entries)
        if isinstance(made, DeltaError):
            raise made
        self._add(own, made, entries)


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
