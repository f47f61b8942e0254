"""Pieces of NDJSON, cut anew at line ends."""

from collections.abc import Iterable, Iterator

BLOCK_BYTES = 64 << 10
"""Bytes of a block, but where a line is longer: some hundred rows, so that what they take stays in the caches, and the
C library has the memory of each for the next, which it gives back from 128 kB on. It may have an eighth more, so that a
piece of this size is one block with what was left of the last, not one and a block of a row or two."""


class RowTooLarge(Exception):
    """`place`: the lines between the end of the last block and the one that is too long."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place


def blocks(pieces: Iterable[bytes], max_row_bytes: int) -> Iterator[bytes]:
    """Whole lines, each with its end. Raises RowTooLarge."""
    waiting = b""
    most = BLOCK_BYTES * 9 // 8
    for piece in _joined(pieces):
        text = waiting + piece if waiting else piece
        at = 0
        while end := text.rfind(b"\n", at, at + most) + 1 or text.find(b"\n", at + most) + 1:
            yield _checked(text[at:end], max_row_bytes)
            at = end
        waiting = text[at:]
        if len(waiting) > max_row_bytes:
            raise RowTooLarge(0)
    if waiting:
        yield _checked(waiting + b"\n", max_row_bytes)


def _joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """In pieces of a block or more."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= BLOCK_BYTES:
            yield held[0] if len(held) == 1 else b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _checked(block: bytes, max_row_bytes: int) -> bytes:
    if len(block) > max_row_bytes:
        for place, line in enumerate(block.split(b"\n")):
            if len(line) > max_row_bytes:
                raise RowTooLarge(place)
    return block
