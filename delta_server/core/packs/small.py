"""Small values in zstd frames, packed one by one in great number. To make a compressor takes three times as long as to
pack 400 bytes with it, so they are kept: who packs takes one that nobody uses, and puts it back."""

from collections import defaultdict
from typing import TypeVar

import zstandard

T = TypeVar("T")

SMALL_BYTES = 64 << 10
"""What is larger is packed and unpacked by one of its own: its tables and window would be kept for ever."""

_compressors: defaultdict[int, list[zstandard.ZstdCompressor]] = defaultdict(list)
"""By level. As many as there were threads that packed at once."""
_decompressors: list[zstandard.ZstdDecompressor] = []


def packed(raw: bytes, *, level: int) -> bytes:
    if len(raw) > SMALL_BYTES:
        return zstandard.ZstdCompressor(level=level).compress(raw)
    idle = _compressors[level]
    compressor = _taken(idle) or zstandard.ZstdCompressor(level=level)
    try:
        return compressor.compress(raw)
    finally:
        idle.append(compressor)


def unpacked(data: bytes, *, most_bytes: int) -> bytes:
    """Raises ZstdError for what is damaged, or takes more than `most_bytes` where the frame does not say its size."""
    if len(data) > SMALL_BYTES:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=most_bytes)
    decompressor = _taken(_decompressors) or zstandard.ZstdDecompressor()
    try:
        return decompressor.decompress(data, max_output_size=most_bytes)
    finally:
        _decompressors.append(decompressor)


def _taken(idle: list[T]) -> T | None:
    """One, of which no other thread gets hold; None where all are used."""
    try:
        return idle.pop()
    except IndexError:
        return None
