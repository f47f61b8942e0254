"""`import`: a recorded history from NDJSON, or from a file's versions in a git repository."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from delta_server import app
from delta_server.cli import histories
from delta_server.cli.options import with_config
from delta_server.config import Config
from delta_server.features.accounts import service as accounts
from delta_server.features.deltas import service as deltas
from delta_server.features.projects import service as projects
from delta_server.features.snapshots.importing import Imported, Version, import_versions
from delta_server.services import Services
from delta_server.storage.database import Tx

Told = Callable[[int], None]
Source = tuple[int, Callable[[Told], Iterator[Version]]]
"""How far there is to go, and the versions, which tell how far they are."""


@click.command("import", help="Load a history: FILE.ndjson[.zst] with lines {at, body}, or --git REPOSITORY PATH.")
@click.option("--project", default="default", show_default=True, help="Made when absent.")
@click.option("--endpoint", required=True, help="The endpoint's name; made when absent.")
@click.option("--git", is_flag=True, help="The arguments are a git repository and a file in it.")
@click.argument("arguments", nargs=-1, required=True, metavar="FILE | --git REPOSITORY PATH")
@with_config
def import_(config: Config, project: str, endpoint: str, *, git: bool, arguments: tuple[str, ...]) -> None:
    if len(arguments) != (2 if git else 1):
        raise click.UsageError("give one FILE, or --git REPOSITORY PATH")
    source = from_git(Path(arguments[0]), arguments[1]) if git else from_file(Path(arguments[0]))
    done = asyncio.run(_import(config, project, endpoint, source))
    click.echo(
        f"{endpoint}: {done.stored} versions stored, {done.skipped} were there already, "
        f"{done.refused} refused (no JSON, too large, or before 1970 or in the future), {done.bytes / 1e6:.1f} MB read"
    )


def from_file(path: Path) -> Source:
    if not path.is_file():
        raise click.UsageError(f"there is no file {path}")
    return path.stat().st_size, lambda told: histories.read_ndjson(path, told)


def from_git(repository: Path, path: str) -> Source:
    versions = histories.git_versions(repository, path)
    return len(versions), lambda told: histories.read_git(repository, path, versions, told)


async def _import(config: Config, project: str, endpoint: str, source: Source) -> Imported:
    async with app.open_services(config) as services:
        owner = await services.db.write(_ensure_project, project)
        return await run(services, owner, endpoint, source)


def _ensure_project(tx: Tx, name: str) -> int:
    return projects.ensure(tx, accounts.default_account(tx), name).id


async def run(services: Services, project: int, endpoint: str, source: Source) -> Imported:
    """Import with a progress bar, and compute the deltas."""
    total, versions = source
    with _progress() as progress:
        bar = progress.add_task("importing", total=total, counts="")

        def told(done: Imported) -> None:
            progress.update(bar, counts=f"{done.stored} stored, {done.skipped} skipped")

        read = versions(lambda position: progress.update(bar, completed=position))
        done = await import_versions(services, project, endpoint, read, told)
        await _compute_deltas(services, progress)
    return done


async def _compute_deltas(services: Services, progress: Progress) -> None:
    total = services.db.peek(deltas.queue_length)
    bar = progress.add_task("computing deltas", total=total, counts="")
    while await deltas.compute_queued(services):
        progress.update(bar, completed=total - services.db.peek(deltas.queue_length))


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeRemainingColumn(),
        transient=True,
    )
