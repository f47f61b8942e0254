"""An upload's lines, and what is kept of them and of what became of them, as bytes."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
import zstandard

from delta_server.core.errors import FieldError, Invalid
from delta_server.core.sync.changes import Prepared
from delta_server.core.sync.judging import Status
from delta_server.features.sync.uploads.store import MOST_LINES_OF_PART

LINES_OF_PART, BYTES_OF_PART = MOST_LINES_OF_PART, 1 << 20
"""What the one writer takes at a time, in 5 ms."""
MOST_WRONG = 20
"""Wrong lines that a refusal names."""
_LEVEL = 1


class Line(msgspec.Struct, frozen=True, array_like=True):
    data_type: str
    record_id: str
    kind: int
    content: bytes | None
    checksum: bytes | None
    base: int | None
    updated_at: int | None

    def change(self, change_id: str) -> Prepared:
        return Prepared(change_id, self.record_id, self.kind, self.content, self.checksum, self.base, self.updated_at)


class Result(msgspec.Struct, frozen=True, array_like=True):
    """What became of a line. `overwrote` is a version that the device did not know, `conflict_id` of a conflict that
    waits."""

    data_type: str
    record_id: str
    status: Status
    version: int | None
    overwrote: int | None = None
    conflict_id: str | None = None
    message: str | None = None


class PackedLines(msgspec.Struct, frozen=True):
    lines: int
    size_bytes: int
    content: bytes


def refused(wrong: Sequence[tuple[int, str]]) -> Invalid:
    """A part with lines, by their numbers, that cannot be kept."""
    errors = [FieldError(f"[{number}]", message) for number, message in wrong]
    number, message = wrong[0]
    return Invalid(f"line {number}: {message}; nothing of this part was kept", errors=errors)


def parts(lines: Iterable[tuple[Line, int]]) -> Iterator[PackedLines]:
    """Of lines with their sizes."""
    some: list[Line] = []
    total = 0
    for line, size in lines:
        if some and (len(some) == LINES_OF_PART or total + size > BYTES_OF_PART):
            yield PackedLines(len(some), total, _packed(some))
            some, total = [], 0
        some.append(line)
        total += size
    if some:
        yield PackedLines(len(some), total, _packed(some))


def _packed(rows: Sequence[Line] | Sequence[Result]) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL).compress(msgspec.msgpack.encode(rows))


def lines_of(content: bytes) -> list[Line]:
    return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(content), type=list[Line])


def packed_results(results: Sequence[Result]) -> bytes:
    return _packed(results)


def results_of(content: bytes) -> list[Result]:
    return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(content), type=list[Result])
