"""Limits counted in memory that does not grow, however many clients come.

A table of lines of 8 places, as a processor's cache is built: a client's hash picks the line, and is looked for in that
line only. A place is 16 bytes, the hash and the client's theoretical arrival time (core/rates.py). A time that has
passed says no more than an empty place does, so nothing has to be swept: a new client takes the place whose time is the
earliest. With 2 million places a million clients are known at once, in 32 MiB, of which the system gives those pages
that were used. When more come than fit, those who took least are forgotten first: whoever is near a limit stays.
"""

import mmap
import os
import struct
from collections.abc import Hashable
from contextlib import suppress

from delta_server.core import rates
from delta_server.core.rates import Rate, Verdict

PLACES = 1 << 21
_WAYS = 8
_LINE = struct.Struct(f"={2 * _WAYS}Q")
"""All hashes of a line, then their times."""
_NUMBER = struct.Struct("=Q")
_MASK = (1 << 64) - 1


class MemoryLimiter:
    """A Limiter. `places` is a power of two, at least 8."""

    def __init__(self, places: int = PLACES) -> None:
        self._lines = places // _WAYS
        self._memory = _zeros(self._lines * _LINE.size)
        self._secret = os.urandom(16)  # without it somebody could look for clients who share a place with another

    def take(self, who: tuple[Hashable, ...], rate: Rate, now_ms: int) -> Verdict:
        mark = hash((self._secret, *who)) & _MASK
        offset = mark % self._lines * _LINE.size
        line = _LINE.unpack_from(self._memory, offset)
        marks = line[:_WAYS]
        if mark in marks:
            way = marks.index(mark)
            verdict = rates.take(rate, line[_WAYS + way], now_ms * 1_000_000)
        else:
            times = line[_WAYS:]
            way = times.index(min(times))
            verdict = rates.take(rate, 0, now_ms * 1_000_000)
            _NUMBER.pack_into(self._memory, offset + 8 * way, mark)
        _NUMBER.pack_into(self._memory, offset + 8 * (_WAYS + way), verdict.arrival_ns)
        return verdict


def _zeros(size: int) -> mmap.mmap:
    """Memory that is taken from the system only where it is written, and shared with no child."""
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with suppress(OSError):  # a kernel without huge pages; one with them would give 2 MiB for each place
            memory.madvise(mmap.MADV_NOHUGEPAGE)
    return memory
