"""`export`: an endpoint's snapshots as the NDJSON that `import` reads, also while a server runs."""

import asyncio
import gzip
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, Protocol

import click
import msgspec
import zstandard
from msgspec import UNSET

from delta_server.cli import counting
from delta_server.cli import endpoint as endpoints
from delta_server.cli.histories import Line
from delta_server.cli.options import with_database
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.errors import DatabaseFailed, DeltaError
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.endpoints.service import EndpointRef
from delta_server.features.snapshots import exporting
from delta_server.features.snapshots.exporting import Exported
from delta_server.features.snapshots.importing import SOURCE
from delta_server.services import Services

Compression = Literal["zst", "gz", "none"]

_BROKEN_OFF = b'{"broken off'
"""What stands at the end of an export that failed: no line, and within a frame that has no end."""

HELP = """Write all snapshots of an endpoint to FILE, oldest first, as the lines that `import` reads.

\b
  {"at": "2026-01-31T12:00:00.000Z", "body": "{\\"EUR\\": 1.08}", "source": null, "metadata": {"run": 7}}

The document is in "body", byte for byte; "source" is left out where it is "import", "metadata" where there is none.
A FILE that ends in .zst or .gz is compressed; - is standard output. A server may run meanwhile.
"""


@click.command("export", help=HELP)
@click.option("--project", help="By name.  [default: the only one there is, or default]")
@click.option("--endpoint", required=True, help="The endpoint's name or id.")
@click.option("--from", "from_", help="Captured at this time or later: a time, a date, or an age such as 7d.")
@click.option("--to", help="Captured before this time.")
@click.option(
    "--compress", type=click.Choice(["zst", "gz", "none"]), help="Otherwise by the file's name.", metavar="zst|gz|none"
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@click.argument("file", default="-", metavar="[FILE]")
@with_database
def export(
    config: Config,
    project: str | None,
    endpoint: str,
    from_: str | None,
    to: str | None,
    compress: Compression | None,
    file: str,
    *,
    overwrite: bool,
) -> None:
    now_ms = time.time_ns() // 1_000_000
    span = TimelineSpan(
        times.EARLIEST_MS if from_ is None else times.parse_moment(from_, field="--from", now_ms=now_ms),
        times.LATEST_MS + 1 if to is None else times.parse_moment(to, field="--to", now_ms=now_ms),
        descending=False,
    )
    if file != "-" and Path(file).exists() and not overwrite:
        raise DeltaError(f"{file} exists: name another file, or pass --overwrite")
    count = asyncio.run(_export(config, project, endpoint, span, file, compress or _by_name(file)))
    if file != "-":
        size = counting.size(Path(file).stat().st_size)
        click.echo(f"{endpoint}: {counting.versions(count)} written to {file}, {size}")


def _by_name(file: str) -> Compression:
    return "zst" if file.endswith(".zst") else "gz" if file.endswith(".gz") else "none"


class _Out(Protocol):
    def write(self, data: bytes, /) -> object: ...


@contextmanager
def _target(file: str) -> Iterator[BinaryIO]:
    """A file has its name only once it is whole."""
    if file == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path, part = Path(file), Path(file + ".part")
    try:
        with part.open("wb") as raw:
            yield raw
        part.replace(path)
    except OSError as error:
        raise DeltaError(f"{error.filename or file}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _compressed(raw: BinaryIO, compression: Compression) -> Iterator[_Out]:
    """What is broken off is no whole frame, and without one it ends within a line: `import` refuses it."""
    if compression == "none":
        try:
            yield raw
        except DeltaError:
            raw.write(_BROKEN_OFF)
            raise
        return
    if compression == "gz":
        out = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)
        yield out
        out.close()
        return
    compressor = zstandard.ZstdCompressor(level=9).compressobj()
    try:
        yield _Zstd(lambda data: raw.write(compressor.compress(data)))
    except DeltaError:
        raw.write(compressor.compress(_BROKEN_OFF) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
        raise
    raw.write(compressor.flush())


class _Zstd(NamedTuple):
    write: Callable[[bytes], object]


async def _export(
    config: Config, project: str | None, name: str, span: TimelineSpan, file: str, compression: Compression
) -> int:
    """What cannot be exported at all is refused before anything is written."""
    async with endpoints.opened(config, project, name) as (services, endpoint):
        with _target(file) as raw, _compressed(raw, compression) as out:
            return await write(services, endpoint, span, out)


async def write(services: Services, endpoint: EndpointRef, span: TimelineSpan, out: _Out) -> int:
    """The endpoint's lines into `out`; how many."""
    total = await exporting.count(services, endpoint.project, endpoint, span)
    done = 0
    with counting.progress() as progress:
        bar = progress.add_task("exporting", total=total, counts="")
        async for snapshot in exporting.export(services, endpoint.project, endpoint, span):
            out.write(line(snapshot))
            done += 1
            progress.update(bar, completed=done, counts=counting.versions(done))
    return done


def line(snapshot: Exported) -> bytes:
    """Raises DatabaseFailed for a document that is not UTF-8."""
    try:
        text = snapshot.body.decode()
    except UnicodeDecodeError:
        raise DatabaseFailed(f"the document of {times.format(snapshot.captured_at)} is not UTF-8") from None
    metadata = UNSET if snapshot.metadata is None else msgspec.Raw(_on_one_line(snapshot.metadata))
    source = UNSET if snapshot.source == SOURCE else snapshot.source
    return msgspec.json.encode(Line(times.format(snapshot.captured_at), text, source, metadata)) + b"\n"


def _on_one_line(text: str) -> bytes:
    raw = text.encode()
    return bytes(msgspec.json.format(raw, indent=-1)) if b"\n" in raw or b"\r" in raw else raw
