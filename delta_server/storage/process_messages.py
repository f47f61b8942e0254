"""Messages between the server and its processes: the length in 4 bytes, big-endian, then the bytes."""

from collections.abc import Iterable, Iterator
from typing import IO

LENGTH_BYTES = 4
PIECE_BYTES = 128 << 10


def packed(payload: bytes) -> bytes:
    return len(payload).to_bytes(LENGTH_BYTES) + payload


def read(stream: IO[bytes]) -> bytes | None:
    """The next one; None at the end, and of one that was cut short because its sender died."""
    head = stream.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    size = int.from_bytes(head)
    payload = stream.read(size)
    return payload if len(payload) == size else None


def write(stream: IO[bytes], payload: bytes) -> None:
    stream.write(packed(payload))
    stream.flush()


def gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Small pieces together: a message each costs more than a line does."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
