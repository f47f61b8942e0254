"""A backup while it is read: a file, or a pipe, that cannot be read twice."""

from typing import BinaryIO

import xxhash
import zstandard

_HEADER_BYTES = 18  # of a zstd frame at most (RFC 8878 3.1.1)
_CHECKSUM_BYTES = 4
_PLAIN = b"SQLite format 3\0"


class BackupSource:
    """`read_bytes` is how much of it has been read.

    zstandard reads a frame whose checksum was cut off, and one with something behind it that is no whole frame, without
    an error. So the last bytes are compared here: they are the low half of xxh64 of what was unpacked (RFC 8878 3.1.1).
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._begin = file.read(_HEADER_BYTES)
        self._last = b""
        self._unpacked = xxhash.xxh64()
        self.read_bytes = 0
        self.is_plain = self._begin.startswith(_PLAIN)
        """An SQLite file, not compressed."""
        self._has_checksum = not self.is_plain and _has_checksum(self._begin)

    def content_bytes(self) -> int:
        """How long it says that it is, unpacked; -1 where it does not. Raises ZstdError."""
        return zstandard.frame_content_size(self._begin)

    def read(self, size: int) -> bytes:
        piece, self._begin = self._begin or self._file.read(size), b""
        self.read_bytes += len(piece)
        self._last = (self._last + piece[-_CHECKSUM_BYTES:])[-_CHECKSUM_BYTES:]
        return piece

    def count(self, unpacked: bytes) -> None:
        """The next piece of what was unpacked."""
        if self._has_checksum:
            self._unpacked.update(unpacked)

    def ends_with_checksum(self) -> bool:
        """Once all is read; also where there is none."""
        low_half = self._unpacked.intdigest() & 0xFFFFFFFF
        return not self._has_checksum or self._last == low_half.to_bytes(_CHECKSUM_BYTES, "little")


def _has_checksum(begin: bytes) -> bool:
    try:
        return bool(zstandard.get_frame_parameters(begin).has_checksum)
    except zstandard.ZstdError:
        return False
