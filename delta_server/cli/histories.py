"""Recorded histories outside of Delta: lines of NDJSON, and directories of dated documents; compressed or not."""

import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Protocol

import msgspec
import zstandard
from msgspec import UNSET, UnsetType

from delta_server.core import file_times, times
from delta_server.core.errors import Invalid
from delta_server.core.json import json_text
from delta_server.core.json.salvage import BYTE_ORDER_MARK
from delta_server.features.snapshots.importing import SOURCE, Version

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGIC = b"PK\x03\x04"
LARGEST_WINDOW = 1 << 27
READ_BYTES = 1 << 16


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version in a history file: when, and the document's exact text as a JSON string. `source` is UNSET where it
    is that of imports."""

    at: str
    body: str
    source: str | UnsetType | None = UNSET
    metadata: msgspec.Raw | UnsetType = UNSET


_decode = msgspec.json.Decoder(Line).decode

EXPECTED = 'expected {"at": "2026-01-31T12:00:00Z", "body": "the document as a JSON string"}'
_WRONG_TYPE = re.compile(r"Expected `(?P<wanted>[\w| ]+)`, got `(?P<got>\w+)`(?: - at `\$\.(?P<field>\w+)`)?")
_KINDS = {"str": "string", "int": "number", "float": "number", "bool": "boolean", "object": "object"}


def read_ndjson(file: BufferedReader, name: str, on_progress: Callable[[int], None]) -> Iterator[Version]:
    """Versions of lines of NDJSON, compressed with zstd or gzip or not; `on_progress` gets the bytes of the file read
    so far.

    `file` may be a pipe: it is read once and as it comes. Raises Invalid.
    """
    for number, line in enumerate(lines(file, name, on_progress), 1):
        line = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
        if not line or line.isspace():
            continue
        try:
            version = _decode(line)
            body = version.body.encode()
        except (msgspec.DecodeError, UnicodeError) as error:
            raise Invalid(f"{name}, line {number}: {_explain(error, line)}; {EXPECTED}") from None
        yield Version(
            times.parse(version.at, field=f"at (line {number})"),
            body,
            f"line {number}",
            source=SOURCE if version.source is UNSET else version.source,
            metadata=_metadata(version.metadata),
        )


def _metadata(raw: msgspec.Raw | UnsetType) -> str | None:
    text = "null" if raw is UNSET else bytes(raw).decode()
    return None if text == "null" else text


def _explain(error: Exception, line: bytes) -> str:
    """msgspec's words for the mistakes that are likely, said for people."""
    match = _WRONG_TYPE.fullmatch(str(error))
    if match is None:
        if isinstance(error, msgspec.DecodeError) and "truncated" in str(error):
            return json_text.reason(error, line)
        return str(error)
    field, got = match["field"], match["got"]
    if field == "body":
        return f"body is a JSON {_KINDS.get(got, got)}, not a JSON string that holds the document's text"
    wanted = _KINDS.get(match["wanted"].split(" ")[0])
    return f"{field or 'the line'} is a JSON {_KINDS.get(got, got)}, not a JSON {wanted}"


def lines(file: BufferedReader, name: str, on_progress: Callable[[int], None]) -> Iterator[bytes]:
    """Without what ends them. Raises Invalid as `pieces`."""
    waiting: list[bytes] = []
    for piece in pieces(file, name, on_progress):
        first, *others = piece.split(b"\n")
        waiting.append(first)
        for line in others:
            yield b"".join(waiting)
            waiting = [line]
    yield b"".join(waiting)


# Compression


def pieces(file: BufferedReader, name: str, on_progress: Callable[[int], None]) -> Iterator[bytes]:
    """What the file holds, unpacked if its first bytes say that it is zstd or gzip. Raises Invalid, for a file that
    ends within either too."""
    begin = file.read(len(ZSTD_MAGIC))
    if begin == _ZIP_MAGIC:
        raise Invalid("it is a ZIP archive: unpack it, and name the files that are in it")
    raw = _raw(file, begin, on_progress)
    if begin.startswith(GZIP_MAGIC) or (not begin and name.endswith(".gz")):
        return _unpacked(raw, lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), "gzip")
    if begin.startswith(ZSTD_MAGIC) or name.endswith(".zst"):
        context = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
        return _unpacked(raw, context.decompressobj, "zstd")
    return raw


def _raw(file: BufferedReader, begin: bytes, on_progress: Callable[[int], None]) -> Iterator[bytes]:
    done = len(begin)
    yield begin
    while piece := file.read1(READ_BYTES):
        done += len(piece)
        on_progress(done)
        yield piece


def _unpacked(packed: Iterator[bytes], begin: Callable[[], "_Decoder"], kind: str) -> Iterator[bytes]:
    """Of all the frames or members that follow each other; zeros behind the last one of gzip are padding."""
    decoder = begin()
    try:
        for piece in packed:
            while piece:
                if decoder.eof and kind == "gzip" and not (piece := piece.lstrip(b"\0")):
                    break
                if decoder.eof:
                    decoder = begin()
                yield decoder.decompress(piece)
                piece = decoder.unused_data if decoder.eof else b""
    except (zstandard.ZstdError, zlib.error) as error:
        raise Invalid(f"the file is not a {kind} file, or it is damaged: {error}") from None
    if not decoder.eof:
        raise Invalid("the file ends too early: it is not whole, copy it again")


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


# Directories


class Dated(msgspec.Struct, frozen=True):
    """A file that holds one document, with the time its name tells."""

    at: int
    name: str
    path: Path


def dated_files(directory: Path) -> list[Dated]:
    """The files in it and in the directories below, oldest first, without those whose names begin with a dot.

    Raises Invalid, which names the file, where a name tells no time.
    """
    found: list[Dated] = []
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            if not name.startswith("."):
                found.append(_dated(path, path.relative_to(directory).as_posix()))
    if not found:
        raise Invalid(f"there are no files in {directory}")
    return sorted(found, key=lambda file: (file.at, file.name))


def _dated(path: Path, name: str) -> Dated:
    at = file_times.parse(name)
    if at is None:
        raise Invalid(
            f"{name}: no time can be read from its name; names are like 2026-05-01.json, 20260501T120000Z.json or "
            "1777636800.json (seconds since 1970). Nothing was imported: rename it, or take it out of the directory"
        )
    return Dated(at, name, path)


def read_files(files: Sequence[Dated], on_progress: Callable[[int], None]) -> Iterator[Version]:
    """Each file's document; `on_progress` gets how many were read."""
    for number, dated in enumerate(files, 1):
        try:
            with dated.path.open("rb") as file:
                body = b"".join(pieces(file, dated.name, lambda done: None))
        except OSError as error:
            raise Invalid(f"{dated.name}: {error.strerror}") from None
        except Invalid as error:
            raise Invalid(f"{dated.name}: {error.message}") from None
        yield Version(dated.at, body, dated.name)
        on_progress(number)
