"""The process that compares two deliveries for the server: reading and joining millions of rows would keep the
interpreter's lock from requests. It is asked once, on stdin, and ends when nobody reads it any more.

Out of stdout come messages (storage/process_messages.py): a letter, then what it says.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from delta_server import rowdelta
from delta_server.core.datasets.manifest import Format
from delta_server.core.errors import Conflict, DeltaError, FieldError, Invalid, TooLarge, Unavailable
from delta_server.core.rowdelta.settings import Settings
from delta_server.storage import child, process_messages
from delta_server.storage.blobs.blobs import Blobs, BlobStoreFailed
from delta_server.storage.blobs.opening import open_blobs
from delta_server.storage.priority import lower_priority

ARGUMENT = "rowdelta-worker"
"""What the program is called with to be this."""
PROGRESS, SUMMARY, DATA, ERROR = b"p", b"s", b"d", b"e"
"""`[rows before, rows after, phase]`, a Summary, a piece of the output, a Failure."""
Output = Literal["summary", "ndjson", "csv", "parquet"]

_PROGRESS_S = 0.2


KINDS: dict[str, type[DeltaError]] = {
    kind.__name__: kind for kind in (BlobStoreFailed, Conflict, Invalid, TooLarge, Unavailable)
}


class Failure(msgspec.Struct, frozen=True):
    """A DeltaError: the name of its class in KINDS, and what it says."""

    kind: str
    message: str
    errors: tuple[FieldError, ...] = ()


class Stored(msgspec.Struct, frozen=True):
    """A delivery: its key in the blob store, and what its rows are written as."""

    key: str
    format: Format


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """`before` None has no rows. `spill` is an empty folder, which whoever asks deletes."""

    blobs: str
    data_dir: str
    spill: str
    before: Stored | None
    after: Stored
    settings: Settings
    output: Output


def main() -> None:
    child.begin()
    child.end_with_parent()
    lower_priority()
    leaving = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but messages may come out
    task = msgspec.json.decode(process_messages.read(sys.stdin.buffer) or b"", type=Task)
    try:
        _run(task, leaving)
    except FileNotFoundError:
        gone = Failure(Conflict.__name__, "a delivery was replaced or deleted while it was compared: try again")
        _send(leaving, ERROR, msgspec.json.encode(gone))
    except DeltaError as error:
        _send(leaving, ERROR, msgspec.json.encode(_failure(error)))


def _failure(error: DeltaError) -> Failure:
    kind = next((each.__name__ for each in type(error).__mro__ if each.__name__ in KINDS), Unavailable.__name__)
    return Failure(kind, error.message, error.errors)


def _run(task: Task, leaving: BinaryIO) -> None:
    last = 0.0

    def progress(rows_before: int, rows_after: int, phase: rowdelta.Phase) -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= _PROGRESS_S and phase != "write":
            last = now
            _send(leaving, PROGRESS, msgspec.json.encode((rows_before, rows_after, phase)))

    blobs, spill = open_blobs(task.blobs, Path(task.data_dir)), Path(task.spill)
    options = rowdelta.Options(spill_directory=spill, **msgspec.structs.asdict(task.settings))
    before = _source(blobs, task.before, spill, "the previous delivery")
    after = _source(blobs, task.after, spill, "the current delivery")
    with rowdelta.compare(before, after, options, progress) as delta:
        _send(leaving, SUMMARY, msgspec.json.encode(delta.summary))
        for piece in _pieces(delta, task.output, spill):
            _send(leaving, DATA, piece)


def _source(blobs: Blobs, part: Stored | None, spill: Path, name: str) -> rowdelta.Source:
    if part is None:
        return rowdelta.StreamSource(lambda: iter(()), name="nothing")
    if part.format != "parquet":
        return rowdelta.StreamSource(lambda: blobs.read(part.key), name=name, format=part.format)
    with tempfile.NamedTemporaryFile(dir=spill, suffix=".parquet", delete=False) as file:  # a format of many places
        for piece in blobs.read(part.key):
            file.write(piece)
    return rowdelta.FileSource(Path(file.name), "parquet", name=name)


def _pieces(delta: rowdelta.Delta, output: Output, spill: Path) -> Iterator[bytes]:
    if output == "parquet":
        delta.write_parquet(path := spill / "delta.parquet")
        with path.open("rb") as file:
            yield from iter(lambda: file.read(process_messages.PIECE_BYTES), b"")
    elif output != "summary":
        yield from process_messages.gathered(delta.ops() if output == "ndjson" else delta.csv())


def _send(leaving: BinaryIO, kind: bytes, payload: bytes) -> None:
    process_messages.write(leaving, kind + payload)
