"""`datasets`: deliveries of rows, compared without a server."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from delta_server import rowdelta
from delta_server.cli.counting import steps
from delta_server.core.errors import DeltaError
from delta_server.storage.blobs.opening import open_blobs
from delta_server.storage.rowdelta.sources import text_format

EQUAL, DIFFERENT = 0, 1
"""Exit codes, as those of diff; 2 is trouble."""

_WINDOW_BYTES = 1 << 27


class Trouble(click.ClickException):
    exit_code = 2


@click.group(help="Compare deliveries of rows.")
def datasets() -> None:
    pass


@datasets.command(
    help="List what changed from the rows of BEFORE to those of AFTER: files or addresses (s3://bucket/key) of NDJSON, "
    "CSV or Parquet, packed with gzip or zstd or not, with rows in any order. Exit code 0: they are equal; 1: they "
    "differ; 2: trouble."
)
@click.option("--key", "key_fields", multiple=True, help="A field of the key, such as id or a/b.  [default: found]")
@click.option("--ignore", multiple=True, help="A place in a row that does not count, such as /updated_at.")
@click.option("--tolerance", type=float, help="Numbers that differ by no more are equal.")
@click.option("--trusted-hash", metavar="FIELD", help="A field that differs whenever its row does.")
@click.option("--summary", is_flag=True, help="Print the counts alone, as JSON.")
@click.option("--format", "kind", type=click.Choice(["ndjson", "csv", "parquet"]), default="ndjson", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write there, not to standard output.")
@click.option(
    "--temp-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="For what does not fit."
)
@click.argument("before")
@click.argument("after")
def diff(
    before: str,
    after: str,
    *,
    summary: bool,
    kind: str,
    output: Path | None,
    temp_dir: Path | None,
    **settings: Any,
) -> None:
    if kind == "parquet" and output is None and not summary:
        raise click.UsageError("Parquet goes into a file: name it with --output")
    try:
        options = rowdelta.Options(
            spill_directory=temp_dir or Path(tempfile.gettempdir()), two_processes=True, **settings
        )
        with ExitStack() as opened:
            delta = _compared(opened, before, after, options)
            _write(delta, "summary" if summary else kind, output)
            click.echo(_counts(delta.summary), err=True)
            sys.exit(EQUAL if delta.summary.equal else DIFFERENT)
    except BrokenPipeError:
        raise  # whoever reads has read enough: click's matter
    except (DeltaError, OSError) as error:
        raise Trouble(error.message if isinstance(error, DeltaError) else _reason(error)) from error


def _reason(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _compared(opened: ExitStack, before: str, after: str, options: rowdelta.Options) -> rowdelta.Delta:
    sources = [_source(opened, place) for place in (before, after)]
    files = [source for source in sources if isinstance(source, rowdelta.FileSource)]
    of = sum([file.size_bytes for file in files]) if len(files) == len(sources) else 0
    with steps("reading") as step:

        def progress(_: int, __: int, phase: rowdelta.Phase) -> None:
            if of and phase in ("before", "after"):
                step(sum([file.passed for file in files]), of)

        return opened.enter_context(rowdelta.compare(sources[0], sources[1], options, progress))


def _source(opened: ExitStack, place: str) -> rowdelta.FileSource | rowdelta.StreamSource:
    """A file, or what a blob store has at an address such as s3://bucket/key."""
    if "://" not in place:
        return opened.enter_context(rowdelta.FileSource(Path(place), window_bytes=_WINDOW_BYTES))
    folder, _, key = place.rpartition("/")
    if key.lower().endswith(".parquet"):
        raise DeltaError(f"{place}: Parquet is read from files only: copy it here first")
    blobs = open_blobs(folder, Path())
    return rowdelta.StreamSource(lambda: blobs.read(key), name=key, format=text_format(key), window_bytes=_WINDOW_BYTES)


def _write(delta: rowdelta.Delta, kind: str, output: Path | None) -> None:
    if kind == "parquet":
        assert output is not None
        delta.write_parquet(output)
        return
    with ExitStack() as opened:
        file: BinaryIO = sys.stdout.buffer if output is None else opened.enter_context(output.open("wb"))
        if kind == "summary":
            file.write(msgspec.json.encode(delta.summary) + b"\n")
        else:
            file.writelines(delta.ops() if kind == "ndjson" else delta.csv())
        file.flush()


def _counts(found: rowdelta.Summary) -> str:
    counts = f"{found.added} added, {found.changed} changed, {found.removed} removed, {found.unchanged} unchanged"
    key = f"by {', '.join(found.key_fields)}" if found.key_fields else "without a key"
    twice = found.duplicates_before, found.duplicates_after
    return f"{counts}, {key}" + (f"; {twice[0]} and {twice[1]} rows have the key of another" if any(twice) else "")
