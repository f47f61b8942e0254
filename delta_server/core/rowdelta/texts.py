"""The texts of rows, by where they are in their source."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from delta_server.core.errors import Conflict
from delta_server.core.rowdelta.joining import Location
from delta_server.core.rowdelta.ports import ReadAt

_WINDOW_BYTES = 64 << 10


class Texts(ABC):
    """Reads texts in the order of their offsets, from a piece that is in memory until it is passed."""

    def __init__(self) -> None:
        self._start, self._piece = 0, b""

    @abstractmethod
    def _at(self, offset: int, size: int) -> bytes:
        """One that is not all in the piece, which is another then. Raises Conflict: there is none."""

    def at(self, offset: int, size: int) -> bytes:
        place = offset - self._start
        if 0 <= place <= len(self._piece) - size:
            return self._piece[place : place + size]
        return self._at(offset, size)

    def all_at(self, locations: Iterable[Location]) -> list[bytes]:
        texts = []
        start, piece = self._start, self._piece
        end = start + len(piece)
        for offset, size in locations:
            if start <= offset and offset + size <= end:
                texts.append(piece[offset - start : offset - start + size])
            else:
                texts.append(self._at(offset, size))
                start, piece = self._start, self._piece
                end = start + len(piece)
        return texts


class AscendingTexts(Texts):
    """Of what can be read at any place, many at a time."""

    def __init__(self, read_at: ReadAt) -> None:
        super().__init__()
        self._read_at = read_at

    def _at(self, offset: int, size: int) -> bytes:
        self._start, self._piece = offset, self._read_at(offset, max(size, _WINDOW_BYTES))
        if len(self._piece) < size:
            raise changed_meanwhile()
        return self._piece[:size]


class PassingTexts(Texts):
    """Of a source that can only be read from its beginning."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces

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
