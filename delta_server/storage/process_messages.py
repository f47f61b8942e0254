"""Messages between the server and its processes: the length in 4 bytes, big-endian, then the bytes."""

from typing import BinaryIO

LENGTH_BYTES = 4


def packed(payload: bytes) -> bytes:
    return len(payload).to_bytes(LENGTH_BYTES) + payload


def read(stream: BinaryIO) -> bytes | None:
    """The next one, None at the end."""
    head = stream.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    return stream.read(int.from_bytes(head))


def write(stream: BinaryIO, payload: bytes) -> None:
    stream.write(packed(payload))
    stream.flush()
