"""`import`: a recorded history from NDJSON, a directory of dated documents, or the versions of a file in git."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import click
import msgspec
from rich.progress import Progress, TaskID

from delta_server import app
from delta_server.cli import counting, histories
from delta_server.cli.git_history import GitHistory, git_path
from delta_server.cli.options import with_config
from delta_server.config.sections import Config
from delta_server.core.actor import COMMAND_LINE
from delta_server.core.errors import DeltaError
from delta_server.features.deltas import service as deltas
from delta_server.features.snapshots import commits
from delta_server.features.snapshots.commands import Done, Into, ensure_project, parts
from delta_server.features.snapshots.importing import Imported, Version, import_versions
from delta_server.services import Services
from delta_server.storage.database import ACTING
from delta_server.storage.sqlite.directory_lock import InUse
from delta_server.tasks import commands

OnProgress = Callable[[int], None]


class Source(msgspec.Struct, frozen=True):
    """A recorded history. `total` is how far there is to go (None: unknown); `read` gives the versions, which tell how
    far they are. Those of a `git` history get their places from its line of commits."""

    total: int | None
    read: Callable[[OnProgress], Iterator[Version]]
    git: GitHistory | None = None


SIGNALLED = 128
"""What is added to a signal's number in the exit code of what it ended, as shells do."""

HELP = """Load a recorded history. What is there already is skipped: after a failure, run it again.

\b
FILE is NDJSON, compressed with zstd or gzip or not; - is standard input. A line is
  {"at": "2026-01-31T12:00:00Z", "body": "{\\"EUR\\": 1.08}"}
where body is a JSON string that holds the document's text, kept byte for byte. It may
have a "source" (text or null) and "metadata" (an object) too: `export` writes such lines.

A DIRECTORY holds one document a file, with the time in the file's name: 2026-05-01.json,
data-20260501T120000Z.json, 2026/05/01.json, 1777636800.json (seconds since 1970); UTC if no zone is named.

With --git: every version of the file PATH (from the repository's top) along the first-parent line that leads to HEAD,
at its commit's time and with commit, author and message as metadata. A merge counts with what it holds itself.
Renames are not followed: import the older name too, to the same endpoint.
"""


@click.command("import", help=HELP)
@click.option("--project", help="By name; made when absent.  [default: the only one there is, or default]")
@click.option("--endpoint", required=True, help="The endpoint's name; made when absent.")
@click.option("--git", is_flag=True, help="The arguments are a git repository and a file in it.")
@click.argument("arguments", nargs=-1, required=True, metavar="FILE | DIRECTORY | --git REPOSITORY PATH")
@with_config
def import_(config: Config, project: str | None, endpoint: str, *, git: bool, arguments: tuple[str, ...]) -> None:
    if len(arguments) != (2 if git else 1):
        raise click.UsageError("give one FILE, one DIRECTORY, or --git REPOSITORY PATH")
    source = from_git(Path(arguments[0]), arguments[1]) if git else from_file(Path(arguments[0]))
    git_ends = source.git is not None and source.git.ends_with_the_file
    into = Into(project, endpoint, source.git is not None, git_ends)
    counts: list[Imported] = [Imported()]
    try:
        with interruptible():
            named = _import(config, into, source, counts.append)
    except DeltaError as error:
        raise DeltaError(f"{error.message}\n{_kept(counts[-1])}") from error
    except KeyboardInterrupt as interrupt:
        click.echo(f"\nInterrupted. {_kept(counts[-1])}", err=True)
        sys.exit(SIGNALLED + next(iter(interrupt.args), signal.SIGINT))
    _report(named, endpoint, counts[-1])
    if source.git is not None:
        for sentence in (*source.git.notes, *source.git.left_out):
            click.echo(sentence, err=True)
        sys.exit(1 if source.git.left_out else 0)


def _report(project: str, endpoint: str, done: Imported) -> None:
    why = " (not JSON, too large, or from before 1970 or in the future)" if done.refused else ""
    click.echo(
        f"{endpoint}: {counting.versions(done.stored)} stored, {done.skipped} were there already, "
        f"{done.refused} refused{why}, {counting.size(done.bytes)} read into the project {project}"
    )
    for reason in done.reasons:
        click.echo(f"refused: {reason}", err=True)
    if done.refused > len(done.reasons):
        click.echo(f"and {done.refused - len(done.reasons)} more", err=True)


def _kept(done: Imported) -> str:
    were = "was stored and is" if done.stored == 1 else "were stored and are"
    return (
        f"{counting.versions(done.stored)} {were} kept, {done.skipped} were there already; "
        "run the same command again to go on from there"
    )


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end reads that wait for more, too: asyncio's own handler only asks the event loop to."""
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


def from_file(path: Path) -> Source:
    """A file, a directory of dated ones, a pipe (a shell's process substitution), or standard input for `-`."""
    if str(path) == "-":
        return Source(None, _read_stdin)
    if path.is_dir():
        files = histories.dated_files(path)
        return Source(len(files), partial(histories.read_files, files))
    if not path.exists():
        raise click.UsageError(f"there is no file {path}")
    return Source(path.stat().st_size if path.is_file() else None, partial(_read_file, path))


def _read_stdin(on_progress: OnProgress) -> Iterator[Version]:
    with open(sys.stdin.fileno(), "rb", closefd=False) as file:
        yield from histories.read_ndjson(file, "standard input", on_progress)


def _read_file(path: Path, on_progress: OnProgress) -> Iterator[Version]:
    with path.open("rb") as file:
        yield from histories.read_ndjson(file, path.name, on_progress)


def from_git(repository: Path, path: str) -> Source:
    history = GitHistory(repository, git_path(path))
    return Source(len(history.versions), history.read, history)


def _import(config: Config, into: Into, source: Source, stored: Callable[[Imported], None]) -> str:
    """The project's name. The running server stores it, without one this process."""
    try:
        return asyncio.run(_import_here(config, into, source, stored))
    except InUse as error:
        try:
            return _import_there(config, into, source, stored)
        except OSError:  # not a server's: another command holds the directory
            raise error from None


async def _import_here(config: Config, into: Into, source: Source, stored: Callable[[Imported], None]) -> str:
    ACTING.set(COMMAND_LINE)
    async with app.open_services(config) as services:
        owner, name = await services.db.write(ensure_project, into.project)
        await run(services, owner, into.endpoint, source, stored)
        return name


def _import_there(config: Config, into: Into, source: Source, stored: Callable[[Imported], None]) -> str:
    """Its deltas are computed behind it, as those of all snapshots that a server takes."""
    with counting.progress() as progress:
        bar, on_progress = _bar(progress, source, stored)
        versions = source.read(lambda position: progress.update(bar, completed=position))
        line = None if source.git is None else source.git.line()
        sent = parts(versions, line)
        done: Done = commands.ask(config.storage.data_dir, "import", app.COMMANDS["import"], into, on_progress, sent)
    stored(done.imported)
    return done.project


async def run(
    services: Services,
    project: int,
    endpoint: str,
    source: Source,
    stored: Callable[[Imported], None] = lambda done: None,
) -> None:
    """Import with a progress bar, and compute the deltas. `stored` gets the counts after each commit."""
    with counting.progress() as progress:
        bar, on_progress = _bar(progress, source, stored)
        read = source.read(lambda position: progress.update(bar, completed=position))
        if (git := source.git) is not None:
            ends = git.ends_with_the_file
            read = await commits.placed(services, project, endpoint, read, git.line(), ends_with_the_file=ends)
        await import_versions(services, project, endpoint, read, on_progress)
        await _compute_deltas(services, progress)


def _bar(
    progress: Progress, source: Source, stored: Callable[[Imported], None]
) -> tuple[TaskID, Callable[[Imported], None]]:
    """And what to call with the counts after each commit."""
    bar = progress.add_task("importing", total=source.total, counts="")

    def on_progress(done: Imported) -> None:
        stored(done)
        progress.update(bar, counts=f"{done.stored} stored, {done.skipped} skipped")

    return bar, on_progress


async def _compute_deltas(services: Services, progress: Progress) -> None:
    total = services.db.peek(deltas.queue_length)
    bar = progress.add_task("computing deltas", total=total, counts="")
    while await deltas.compute_queued(services, lambda done: progress.advance(bar, done)):
        pass
