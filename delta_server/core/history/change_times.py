"""The times at which a field changed, in few bytes.

A chunk is its first time, the key of its row, and the later ones. An open chunk takes times at its end, in any order,
four bytes each: milliseconds after the first. A sealed one has the gaps between its times in order, in units of their
greatest common divisor, all lowest bytes first, then all second ones, and so on; zstd where that is smaller. That is
about 2.5 bytes a time for a page that somebody commits every hour or so, and half a byte for what is read by the clock.
"""

import math
import struct
from collections.abc import Sequence
from itertools import accumulate, pairwise

import msgspec

from delta_server.core.packs import small

MOST_OPEN = 112
MOST_BYTES = 472
"""An entry of an index keeps so much, with its checksum, in its page of 2,048 bytes; what is longer takes a page of its
own."""

_OPEN, _SEALED, _SMALLER = b"\x00", b"\x01", b"\x02"
_OFFSET = 4
_FARTHEST = 1 << 8 * _OFFSET
_MOST_RAW = 1 << 20
_LEVEL = 9

_Gaps = tuple[int, int, bytes]
"""The unit in ms, how many bytes each gap has, and those bytes."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Gaps).decode


def is_open(later: bytes | None) -> bool:
    return later is None or later[:1] == _OPEN


def length_of_open(later: bytes | None) -> int:
    return 1 if later is None else 1 + len(later) // _OFFSET


def appended(first: int, later: bytes | None, times: Sequence[int]) -> bytes | None:
    """An open chunk with more times, none of them before the first; None where it has no place for them."""
    if length_of_open(later) + len(times) > MOST_OPEN or max(times) - first >= _FARTHEST:
        return None
    return (later or _OPEN) + struct.pack(f"<{len(times)}I", *[time - first for time in times])


def sealed(times: Sequence[int]) -> bytes | None:
    """What is later in a sealed chunk of these times, in order; None for one time."""
    if len(times) == 1:
        return None
    gaps = [after - before for before, after in pairwise(times)]
    unit = math.gcd(*gaps)
    width = -(-(max(gaps) // unit).bit_length() // 8)
    every = struct.pack(f"<{len(gaps)}Q", *[gap // unit for gap in gaps])
    raw = _encode((unit, width, b"".join(every[plane::8] for plane in range(width))))
    smaller = small.packed(raw, level=_LEVEL)
    return _SMALLER + smaller if len(smaller) < len(raw) else _SEALED + raw


def decoded(first: int, later: bytes | None) -> list[int]:
    """All times of a chunk, in order."""
    if later is not None and later[:1] == _OPEN:
        data = later[1:]
        return sorted({first, *(first + offset for offset in struct.unpack(f"<{len(data) // _OFFSET}I", data))})
    unit, steps = in_steps(later)
    return [first + unit * step for step in steps]


def in_steps(later: bytes | None) -> tuple[int, list[int]]:
    """The times of a sealed chunk as so many units after the first; and that unit, in ms."""
    if later is None:
        return 1, [0]
    kind, data = later[:1], later[1:]
    if kind == _SMALLER:
        data = small.unpacked(data, most_bytes=_MOST_RAW)
    unit, width, planes = _decode(data)
    count = len(planes) // width
    every = bytearray(8 * count)
    for plane in range(width):
        every[plane::8] = planes[plane * count : (plane + 1) * count]
    return unit, list(accumulate(struct.unpack(f"<{count}Q", every), initial=0))
