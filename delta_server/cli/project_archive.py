"""A project as one file, for another server: parts (tasks/feeding.py) in one zstd frame with a checksum, read and
written as a stream.

    project     name, description, retention of events
    endpoint    name, description, how it is compared, retention, its rule for documents; its snapshots follow
    snapshot    when, from whom, metadata; its body is the document, byte for byte
    events      its body is lines (core/events/moved_event.py)
    saved_query, board, annotation
                what people made to look at it; boards name saved queries by the ids they had
    end         how many of each there are: without it the file is not whole
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast
from uuid import uuid4

import msgspec
import zstandard

from delta_server.core.errors import DeltaError
from delta_server.core.query.boards import Tile
from delta_server.core.query.saved import Kind
from delta_server.features.annotations.schemas import Kind as AnnotationKind
from delta_server.tasks import feeding
from delta_server.tasks.feeding import Part

FORMAT = 1
_LEVEL = 6
_WINDOW_LOG = 23


class ProjectHead(msgspec.Struct, frozen=True, tag_field="kind", tag="project"):
    name: str
    description: str
    event_retention: msgspec.Raw
    format: int = FORMAT


class RuleHead(msgspec.Struct, frozen=True):
    mode: Literal["warn", "reject"]
    source: Literal["given", "inferred"]
    schema: str


class EndpointHead(msgspec.Struct, frozen=True, tag_field="kind", tag="endpoint"):
    name: str
    description: str
    diff: dict[str, Any]
    retention: dict[str, Any]
    rule: RuleHead | None = None


class SnapshotHead(msgspec.Struct, frozen=True, tag_field="kind", tag="snapshot"):
    at: int
    source: str | None
    metadata: str | None


class EventsHead(msgspec.Struct, frozen=True, tag_field="kind", tag="events"):
    count: int


class QueryHead(msgspec.Struct, frozen=True, tag_field="kind", tag="saved_query"):
    id: str
    name: str
    query: Kind
    spec: msgspec.Raw
    view: str | None


class BoardHead(msgspec.Struct, frozen=True, tag_field="kind", tag="board"):
    name: str
    tiles: list[Tile]


class AnnotationHead(msgspec.Struct, frozen=True, tag_field="kind", tag="annotation"):
    begins_at: int
    end_at: int | None
    what: AnnotationKind
    text: str
    link: str | None


class EndHead(msgspec.Struct, frozen=True, tag_field="kind", tag="end"):
    """`views` are saved queries, boards and annotations."""

    endpoints: int
    snapshots: int
    events: int
    views: int = 0


Head = ProjectHead | EndpointHead | SnapshotHead | EventsHead | QueryHead | BoardHead | AnnotationHead | EndHead
_decode = msgspec.json.Decoder(Head).decode


class Writer:
    def __init__(self, out: BinaryIO) -> None:
        self._packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        self._out = out

    def write(self, head: Head, body: bytes = b"") -> None:
        for piece in feeding.framed(Part(msgspec.json.encode(head), body)):
            self._out.write(self._packer.compress(piece))

    def end(self) -> None:
        self._out.write(self._packer.compress(feeding.END) + self._packer.flush())


@contextmanager
def written(path: Path) -> Iterator[Writer]:
    """The file has its name only once it is whole, and is its owner's alone. Raises DeltaError."""
    part = path.with_name(f".{uuid4().hex}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            writer = Writer(out)
            yield writer
            writer.end()
        part.replace(path)
    except OSError as error:
        raise DeltaError(f"{error.filename or path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def read(file: BinaryIO, name: str) -> Iterator[tuple[Head, bytes]]:
    """Raises DeltaError for what is no such file, or ends too early."""
    whole: Literal["no", "yes"] = "no"
    unpacked = zstandard.ZstdDecompressor(max_window_size=1 << _WINDOW_LOG).stream_reader(file)
    try:
        for part in feeding.received(cast("BinaryIO", _Exact(unpacked))):
            if whole == "yes":
                raise DeltaError(f"{name} is damaged: it goes on after its end")
            head = _decode(part.head)
            whole = "yes" if isinstance(head, EndHead) else "no"
            yield head, part.body
    except (zstandard.ZstdError, msgspec.MsgspecError, RecursionError):
        raise DeltaError(f"{name} is damaged, or was not made by export-project") from None
    except ConnectionError:
        whole = "no"
    if whole == "no":
        raise DeltaError(f"{name} ends too early: it is not whole")


class _Exact:
    """zstandard's reader gives what a block holds: here as much as is asked for, where there is as much."""

    def __init__(self, reader: zstandard.ZstdDecompressionReader) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        pieces, left = [], size
        while left and (piece := self._reader.read(left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)
