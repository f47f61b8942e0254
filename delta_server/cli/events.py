"""`events stats`, `events seal` and `events compact`: what events take, and the background's work on them now."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from delta_server import app
from delta_server.cli.options import with_database
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.errors import DeltaError
from delta_server.features.accounts import service as accounts
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.eventlog import EventStats

R = TypeVar("R")
Named = tuple[int, str]
"""A project's id and name."""

_PROJECT = click.option("--project", help="The one project, by name.  [default: all]")


@click.group(help="Count, seal and merge stored events.")
def events() -> None:
    pass


@events.command(help="Tell how many events there are, and what they take.")
@_PROJECT
@with_database
def stats(config: Config, project: str | None) -> None:
    for name, counted in asyncio.run(_for_each(config, project, "counting", _stats)):
        click.echo(f"{name}: {_sentence(counted)}")


@events.command(help="Seal all events that wait, as the background would within the hour.")
@_PROJECT
@with_database
def seal(config: Config, project: str | None) -> None:
    done = asyncio.run(_for_each(config, project, "sealing", _seal))
    click.echo(f"{sum(count for _, count in done):,} events were sealed or written again")


@events.command(help="Seal all events, merge all segments that can be merged, and give the space back.")
@_PROJECT
@with_database
def compact(config: Config, project: str | None) -> None:
    done = asyncio.run(_for_each(config, project, "merging", _compact))
    for name, (before, after) in done:
        click.echo(f"{name}: {before.segments} segments became {after.segments}; {_sentence(after)}")


async def _for_each(
    config: Config, name: str | None, what: str, work: Callable[[Services, int], Awaitable[R]]
) -> list[tuple[str, R]]:
    """Raises InUse while a server holds the data directory, DeltaError for a project that is not there."""
    async with app.open_services(config) as services:
        found = await services.db.write(_projects, name)
        with _progress() as progress:
            tracked = progress.track(found, description=what)
            return [(name, await work(services, project)) for project, name in tracked]


def _projects(tx: Tx, name: str | None) -> list[Named]:
    found = [(project.id, project.name) for project in projects.all_of(tx, accounts.default_account(tx))]
    named = [project for project in found if name in (None, project[1])]
    if name is not None and not named:
        raise DeltaError(f"there is no project named {name}: {', '.join(name for _, name in found) or 'there is none'}")
    return named


async def _stats(services: Services, project: int) -> EventStats:
    return await services.event_maintenance.stats(project)


async def _seal(services: Services, project: int) -> int:
    return await services.event_maintenance.run_maintenance(project, seal=True)


async def _compact(services: Services, project: int) -> tuple[EventStats, EventStats]:
    before = await _stats(services, project)
    await services.event_maintenance.run_maintenance(project, seal=True, compact=True)
    await services.db.scrub()
    return before, await _stats(services, project)


def _sentence(found: EventStats) -> str:
    if found.first_at is None or found.last_at is None:
        return "no events"
    parts = [
        f"{found.waiting_events:,} events wait ({_mb(found.waiting_bytes)})",
        f"{found.sealed_events:,} are in {found.segments} segments ({_mb(found.segment_bytes)}{_share(found)})",
        f"{found.rollups} rollups ({_mb(found.rollup_bytes)})",
        f"from {times.format(found.first_at)} to {times.format(found.last_at)}",
    ]
    return ", ".join(parts)


def _share(found: EventStats) -> str:
    return f", {found.segment_bytes / found.json_bytes:.1%} of their JSON" if found.json_bytes else ""


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.2f} MB"


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
