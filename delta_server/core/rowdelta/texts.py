"""The texts of rows, by where they are in their source."""

from collections.abc import Iterable, Iterator

from delta_server.core.errors import Conflict
from delta_server.core.rowdelta.joining import Location
from delta_server.core.rowdelta.ports import ReadAt

_WINDOW_BYTES = 64 << 10


class AscendingTexts:
    """Reads texts in the order of their offsets, many at a time."""

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        self._start, self._window = 0, b""

    def at(self, offset: int, size: int) -> bytes:
        place = offset - self._start
        if not 0 <= place <= len(self._window) - size:
            self._window = self._read_at(offset, max(size, _WINDOW_BYTES))
            self._start, place = offset, 0
        text = self._window[place : place + size]
        if len(text) < size:
            raise changed_meanwhile()
        return text


class PassingTexts:
    """The same of a source that can only be read from its beginning."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._start, self._piece = 0, b""

    def all_at(self, locations: Iterable[Location]) -> list[bytes]:
        """In the order of their offsets."""
        texts = []
        start, piece = self._start, self._piece
        end = start + len(piece)
        for offset, size in locations:
            if offset + size > end:
                texts.append(self._at(offset, size))
                start, piece = self._start, self._piece
                end = start + len(piece)
            else:
                texts.append(piece[offset - start : offset - start + size])
        return texts

    def _at(self, offset: int, size: int) -> bytes:
        while offset >= self._start + len(self._piece):
            self._start += len(self._piece)
            self._piece = self._next()
        text = self._piece[offset - self._start : offset - self._start + size]
        while len(text) < size:
            self._start += len(self._piece)
            self._piece = self._next()
            text += self._piece[: size - len(text)]
        return text

    def _next(self) -> bytes:
        piece = next(self._pieces, None)
        if piece is None:
            raise changed_meanwhile()
        return piece


def changed_meanwhile() -> Conflict:
    return Conflict("the rows changed while they were compared: compare again when they no longer do")
