"""What is sent about a happening: its type, time and data, as Standard Webhooks has them."""

from uuid import UUID

import msgspec

from delta_server.core import times
from delta_server.core.webhooks.filters import Subject


class Message(msgspec.Struct, frozen=True):
    """`data` is a JSON object."""

    kind: str
    at_ms: int
    data: bytes
    subject: Subject = Subject()


def id_of(number: int, at_ms: int) -> str:
    """The id of the delivery with this number, a UUIDv7: its time is the happening's, and the number stands in it, so
    that it is found without an index."""
    bits = at_ms << 80 | 0x7 << 76 | 0x2 << 62 | number
    return str(UUID(int=bits))


def number_in(id: bytes) -> int:
    """The number of what `id_of` made; of any other UUID some number."""
    return int.from_bytes(id) & ((1 << 62) - 1)


def body(kind: str, at_ms: int, data: bytes, *, test: bool) -> bytes:
    mark = b',"test":true' if test else b""
    return b'{"type":"%b","timestamp":"%b","data":%b%b}' % (kind.encode(), times.format(at_ms).encode(), data, mark)
