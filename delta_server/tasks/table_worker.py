"""The process that makes a table of a history for the server: it is sent the versions, one after the other, and sends
back the file, once it has seen all of them. It ends when nobody reads it any more.

In go a TableTask, versions and an empty message; out come messages (storage/process_messages.py): a letter, then what
it says. Versions are the time in 8 bytes, the snapshot's id in 16 and the document; or PackedVersions.
"""

import os
import pickle
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias, TypeVar

import msgspec

from delta_server.core.diff.diff_settings import DiffSettings, KnownKeys, rules
from delta_server.core.errors import DeltaError, TooCostly
from delta_server.core.packs.handed_pack import HandedPack, HeldPacks, OpenPack
from delta_server.core.tables import writing
from delta_server.core.tables.intervals import IntervalReader
from delta_server.core.tables.request import TableRequest, column_names, rules_at
from delta_server.core.tables.writing import Form
from delta_server.storage import child, process_messages
from delta_server.storage.priority import lower_priority
from delta_server.storage.tables import parquet_table
from delta_server.storage.tables.interval_file import IntervalFile

T = TypeVar("T")

ARGUMENT = "table-worker"
"""What the program is called with to be this."""
DATA, ERROR = b"d", b"e"
"""A piece of the file, a pickled DeltaError."""

_WHOLE, _PACKED = b"w", b"p"
"""What a message with versions begins with."""
_VERSION = struct.Struct(">cq16s")
_MEMORY_BYTES = 2 << 30


class TableTask(msgspec.Struct, frozen=True, kw_only=True):
    spill: str
    now_ms: int
    request: TableRequest
    form: Form
    escape_formulas: bool
    settings: DiffSettings
    known: KnownKeys


class PackedVersion(msgspec.Struct, frozen=True, array_like=True, gc=False):
    at_ms: int
    snapshot: bytes
    position: int
    size: int
    hash: bytes


class PackedVersions(msgspec.Struct, frozen=True, array_like=True):
    """Some that are in one pack; `handed` None where this process holds it."""

    pack: int
    handed: HandedPack | None
    versions: list[PackedVersion]


_Version: TypeAlias = tuple[int, bytes, bytes]
"""Its time, its snapshot and the document."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PackedVersions).decode


def version_message(at_ms: int, snapshot: bytes, body: bytes) -> bytes:
    return _VERSION.pack(_WHOLE, at_ms, snapshot) + body


def packed_message(versions: PackedVersions) -> bytes:
    return _PACKED + _encode(versions)


def main() -> None:
    serve(TableTask, _run)


def serve(kind: type[T], run: Callable[[T, BinaryIO, BinaryIO], None]) -> None:
    """The one task of this process, which arrives first: `run` reads the other messages and writes pieces (DATA)."""
    child.begin()
    child.end_with_parent()
    lower_priority()
    limit_memory()
    leaving = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but messages may come out
    task = msgspec.json.decode(process_messages.read(sys.stdin.buffer) or b"", type=kind)
    try:
        run(task, sys.stdin.buffer, leaving)
    except MemoryError:
        error: DeltaError = TooCostly("the table takes more memory than it may: ask for less")
        process_messages.write(leaving, ERROR + pickle.dumps(error))
    except DeltaError as error:
        process_messages.write(leaving, ERROR + pickle.dumps(error))


def limit_memory() -> None:
    """Where the system can do it."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, most))


def _run(task: TableTask, arriving: BinaryIO, leaving: BinaryIO) -> None:
    Path(task.spill).mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=task.spill) as folder, IntervalFile(Path(folder)) as rows:
        at = rules_at(task.request.array or "", rules(task.settings, task.known))
        reader = IntervalReader(task.request, at, rows)
        try:
            for at_ms, snapshot, body in _versions(arriving):
                reader.read(at_ms, snapshot, body)
        except EOFError:
            return  # whoever asked is gone
        reader.finish(task.now_ms)
        for piece in process_messages.gathered(_pieces(task, reader, rows, Path(folder))):
            process_messages.write(leaving, DATA + piece)


def _versions(arriving: BinaryIO) -> Iterator[_Version]:
    """Raises EOFError where they break off, DatabaseFailed for what is damaged."""
    held = HeldPacks[OpenPack]()
    while message := process_messages.read(arriving):
        if message[:1] == _WHOLE:
            _, at_ms, snapshot = _VERSION.unpack_from(message)
            yield at_ms, snapshot, message[_VERSION.size :]
            continue
        run = _decode(memoryview(message)[1:])
        pack = held.get(run.pack) if run.handed is None else held.hold(run.pack, OpenPack(run.handed))
        assert pack is not None
        for each in run.versions:
            yield each.at_ms, each.snapshot, pack.content(each.position, each.size, each.hash)
    if message is None:
        raise EOFError


def _pieces(task: TableTask, reader: IntervalReader, rows: IntervalFile, folder: Path) -> Iterator[bytes]:
    request = task.request
    names = writing.fixed(is_sampled=request.every_ms is not None, has_key=request.array is not None)
    if request.fields:
        wanted = [(str(number), name) for number, name in enumerate(column_names(request.fields))]
        columns = reader.shape.named(wanted, names)
    else:
        columns = reader.shape.columns(names)
    found = rows.intervals() if request.every_ms is None else rows.samples()
    if task.form == "parquet":
        return parquet_table.pieces(names, columns, found, folder)
    return writing.pieces(task.form, names, columns, found, escape_formulas=task.escape_formulas)
