"""Pieces of NDJSON, cut anew at line ends."""

from collections.abc import Iterable, Iterator

from delta_server.core.errors import TooLarge

BLOCK_BYTES = 128 << 10
"""Bytes of a block, but where a line is longer: some hundred rows, so that what they take stays in the caches."""


def blocks(pieces: Iterable[bytes], *, max_row_bytes: int, what: str) -> Iterator[bytes]:
    """Whole lines, each with its end. Raises TooLarge."""
    rows, waiting = 0, b""
    for piece in _joined(pieces):
        text = waiting + piece if waiting else piece
        at = 0
        while True:
            end = text.rfind(b"\n", at, at + BLOCK_BYTES) + 1 or text.find(b"\n", at + BLOCK_BYTES) + 1
            if not end:
                break
            block = text if at == 0 and end == len(text) else text[at:end]
            _check(block, rows, max_row_bytes, what)
            yield block
            rows += block.count(b"\n")
            at = end
        waiting = text[at:]
        if len(waiting) > max_row_bytes:
            raise _too_large(what, rows + 1, max_row_bytes)
    if waiting:
        _check(waiting, rows, max_row_bytes, what)
        yield waiting + b"\n"


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


def _check(block: bytes, rows: int, max_row_bytes: int, what: str) -> None:
    if len(block) <= max_row_bytes:
        return
    for number, line in enumerate(block.split(b"\n"), rows + 1):
        if len(line) > max_row_bytes:
            raise _too_large(what, number, max_row_bytes)


def _too_large(what: str, number: int, max_row_bytes: int) -> TooLarge:
    return TooLarge(f"{what}, line {number}: a row has more than {max_row_bytes} bytes")
