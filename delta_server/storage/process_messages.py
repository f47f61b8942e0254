"""Messages between the server and its processes: the length in 4 bytes, big-endian, then the bytes."""

from typing import IO

LENGTH_BYTES = 4


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
