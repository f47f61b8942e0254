"""The rows of a table while it is made: in files without a name, so that memory does not grow with the history."""

import os
import struct
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from delta_server.core.errors import TooCostly, Unavailable
from delta_server.storage.rowdelta.spill_file import SpillFile

MOST_BYTES = 8 << 30
"""Of rows on disk; the moments of samples count too."""

_ENTRY = struct.Struct("<QIqq16s")
"""Where its record is, the length of that, from when and until when it was in force, the snapshot."""
_END_AT = struct.calcsize("<QIq")
_END = struct.Struct("<q")
_OPEN_END = (1 << 63) - 1
_WAITING = 4096
_SAMPLE = struct.Struct("<qq")
_AT_ONCE = 4096


class Interval(msgspec.Struct, frozen=True, gc=False):
    """`end_ms` None: it is still in force. `time_ms` is the moment of a sample."""

    key: str | None
    record: bytes
    begin_ms: int
    end_ms: int | None
    snapshot: bytes
    time_ms: int | None = None


class _StoredRecord(msgspec.Struct, frozen=True, array_like=True):
    key: str | None
    record: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_StoredRecord).decode


class IntervalFile:
    """See `Rows` in core/tables/intervals.py. Raises TooCostly when it grows too large, Unavailable when the disk is
    full."""

    def __init__(self, directory: Path) -> None:
        self._records, self._samples = SpillFile(directory), SpillFile(directory)
        with tempfile.TemporaryFile(dir=directory) as file:
            self._index = os.dup(file.fileno())
        self._waiting = bytearray()
        self._written = self._size = self._sampled = 0

    def begin(self, key: str | None, record: bytes, at_ms: int, snapshot: bytes) -> int:
        stored = _encode(_StoredRecord(key, record))
        self._grow(len(stored) + _ENTRY.size)
        self._waiting += _ENTRY.pack(self._records.write(stored), len(stored), at_ms, _OPEN_END, snapshot)
        row = (self._written + len(self._waiting)) // _ENTRY.size - 1
        if len(self._waiting) >= _WAITING * _ENTRY.size:
            self._flush()
        return row

    def end(self, row: int, at_ms: int) -> None:
        at = row * _ENTRY.size + _END_AT
        if at >= self._written:
            _END.pack_into(self._waiting, at - self._written, at_ms)
        else:
            os.pwrite(self._index, _END.pack(at_ms), at)

    def sample(self, at_ms: int, rows: Sequence[int]) -> None:
        self._grow(len(rows) * _SAMPLE.size)
        self._samples.write(array("q", [part for row in rows for part in (at_ms, row)]).tobytes())
        self._sampled += len(rows)

    def intervals(self) -> Iterator[Interval]:
        """In the order in which they began."""
        self._flush()
        for first in range(0, self._written, _AT_ONCE * _ENTRY.size):
            entries = os.pread(self._index, _AT_ONCE * _ENTRY.size, first)
            for entry in _ENTRY.iter_unpack(entries):
                yield self._interval(*entry)

    def samples(self) -> Iterator[Interval]:
        """In the order of their moments."""
        self._flush()
        for first in range(0, self._sampled, _AT_ONCE):
            count = min(_AT_ONCE, self._sampled - first)
            for at_ms, row in _SAMPLE.iter_unpack(self._samples.read(first * _SAMPLE.size, count * _SAMPLE.size)):
                entry = _ENTRY.unpack(os.pread(self._index, _ENTRY.size, row * _ENTRY.size))
                yield self._interval(*entry, time_ms=at_ms)

    def close(self) -> None:
        self._records.close()
        self._samples.close()
        os.close(self._index)

    def __enter__(self) -> "IntervalFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _interval(
        self, offset: int, size: int, begin_ms: int, end_ms: int, snapshot: bytes, *, time_ms: int | None = None
    ) -> Interval:
        stored = _decode(self._records.read(offset, size))
        end = None if end_ms == _OPEN_END else end_ms
        return Interval(stored.key, stored.record, begin_ms, end, snapshot, time_ms)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MOST_BYTES:
            raise TooCostly(f"the table has more than {MOST_BYTES >> 30} GiB: ask for a shorter range or fewer fields")

    def _flush(self) -> None:
        try:
            view = memoryview(self._waiting)
            while view:
                done = os.pwrite(self._index, view, self._written)
                self._written += done
                view = view[done:]
        except OSError as error:
            raise Unavailable(f"rows cannot be kept on disk: {error.strerror}", retry_after_s=60) from None
        self._waiting = bytearray()
