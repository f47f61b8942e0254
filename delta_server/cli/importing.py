"""`import`: a recorded history from NDJSON, or from a file's versions in a git repository."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from delta_server import app
from delta_server.cli import histories
from delta_server.cli.options import with_config
from delta_server.config import Config
from delta_server.core.errors import DeltaError
from delta_server.features.accounts import service as accounts
from delta_server.features.deltas import service as deltas
from delta_server.features.projects import service as projects
from delta_server.features.snapshots.importing import Imported, Version, import_versions
from delta_server.services import Services
from delta_server.storage.database import Tx

Told = Callable[[int], None]
Source = tuple[int | None, Callable[[Told], Iterator[Version]]]
"""How far there is to go (None: unknown), and the versions, which tell how far they are."""

INTERRUPTED = 130


HELP = """Load a recorded history. What is there already is skipped: after a failure, run it again.

\b
FILE is NDJSON, compressed with zstd or not; - is standard input. A line is
  {"at": "2026-01-31T12:00:00Z", "body": "{\\"EUR\\": 1.08}"}
where body is a JSON string that holds the document's text, kept byte for byte.

With --git: every version of the file PATH (from the repository's top) that leads to HEAD, at its commit's time.
Renames are not followed: import the older name too, to the same endpoint.
"""


@click.command("import", help=HELP)
@click.option("--project", default="default", show_default=True, help="Made when absent.")
@click.option("--endpoint", required=True, help="The endpoint's name; made when absent.")
@click.option("--git", is_flag=True, help="The arguments are a git repository and a file in it.")
@click.argument("arguments", nargs=-1, required=True, metavar="FILE | --git REPOSITORY PATH")
@with_config
def import_(config: Config, project: str, endpoint: str, *, git: bool, arguments: tuple[str, ...]) -> None:
    if len(arguments) != (2 if git else 1):
        raise click.UsageError("give one FILE, or --git REPOSITORY PATH")
    source = from_git(Path(arguments[0]), arguments[1]) if git else from_file(Path(arguments[0]))
    so_far: list[Imported] = [Imported()]
    try:
        with _interruptible():
            asyncio.run(_import(config, project, endpoint, source, so_far.append))
    except DeltaError as error:
        raise DeltaError(f"{error.message}\n{_kept(so_far[-1])}") from error
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted. {_kept(so_far[-1])}", err=True)
        sys.exit(INTERRUPTED)
    done = so_far[-1]
    click.echo(
        f"{endpoint}: {done.stored} versions stored, {done.skipped} were there already, "
        f"{done.refused} refused (no JSON, too large, or before 1970 or in the future), {done.bytes / 1e6:.1f} MB read"
    )
    for reason in done.reasons:
        click.echo(f"refused: {reason}", err=True)
    if done.refused > len(done.reasons):
        click.echo(f"and {done.refused - len(done.reasons)} more", err=True)


def _kept(done: Imported) -> str:
    return (
        f"{done.stored} versions were stored and are kept, {done.skipped} were there already; "
        "run the same command again to go on from there"
    )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends reads that wait for more, too: asyncio's own handler only asks the event loop, which stands still."""
    before = signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def from_file(path: Path) -> Source:
    """A file, a pipe (a shell's process substitution), or standard input for `-`."""
    if str(path) == "-":
        return None, _read_stdin
    if not path.exists() or path.is_dir():
        raise click.UsageError(f"there is no file {path}")
    return path.stat().st_size if path.is_file() else None, partial(_read_file, path)


def _read_stdin(told: Told) -> Iterator[Version]:
    with open(sys.stdin.fileno(), "rb", closefd=False) as file:
        yield from histories.read_ndjson(file, "standard input", told)


def _read_file(path: Path, told: Told) -> Iterator[Version]:
    with path.open("rb") as file:
        yield from histories.read_ndjson(file, path.name, told)


def from_git(repository: Path, path: str) -> Source:
    path = histories.git_path(path)
    versions = histories.git_versions(repository, path)
    return len(versions), lambda told: histories.read_git(repository, path, versions, told)


async def _import(
    config: Config, project: str, endpoint: str, source: Source, stored: Callable[[Imported], None]
) -> None:
    async with app.open_services(config) as services:
        owner = await services.db.write(_ensure_project, project)
        await run(services, owner, endpoint, source, stored)


def _ensure_project(tx: Tx, name: str) -> int:
    return projects.ensure(tx, accounts.default_account(tx), name).id


async def run(
    services: Services,
    project: int,
    endpoint: str,
    source: Source,
    stored: Callable[[Imported], None] = lambda done: None,
) -> None:
    """Import with a progress bar, and compute the deltas. `stored` gets the counts after each commit."""
    total, versions = source
    with _progress() as progress:
        bar = progress.add_task("importing", total=total, counts="")

        def told(done: Imported) -> None:
            stored(done)
            progress.update(bar, counts=f"{done.stored} stored, {done.skipped} skipped")

        read = versions(lambda position: progress.update(bar, completed=position))
        await import_versions(services, project, endpoint, read, told)
        await _compute_deltas(services, progress)


async def _compute_deltas(services: Services, progress: Progress) -> None:
    total = services.db.peek(deltas.queue_length)
    bar = progress.add_task("computing deltas", total=total, counts="")
    while await deltas.compute_queued(services, lambda done: progress.advance(bar, done)):
        pass


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
