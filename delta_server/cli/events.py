"""`events stats`, `events seal` and `events compact`: what events take, and the background's work on them now; and
`events import`."""

import click

from delta_server.cli import running
from delta_server.cli.event_imports import import_events
from delta_server.cli.options import with_database
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.features.events.commands import Chosen
from delta_server.storage.eventlog import EventStats

_PROJECT = click.option("--project", help="The one project, by name.  [default: all]")


@click.group(help="Import, count, seal and merge events.")
def events() -> None:
    pass


events.add_command(import_events)


@events.command(help="Tell how many events there are, and what they take.")
@_PROJECT
@with_database
def stats(config: Config, project: str | None) -> None:
    for name, counted in running.run(config, "events stats", Chosen(project), doing="counting"):
        click.echo(f"{name}: {_sentence(counted)}")


@events.command(help="Seal all events that wait, as the background would within the hour.")
@_PROJECT
@with_database
def seal(config: Config, project: str | None) -> None:
    count = running.run(config, "events seal", Chosen(project), doing="sealing")
    click.echo(f"{count:,} events were sealed or written again")


@events.command(help="Seal all events, merge all segments that can be merged, and give the space back.")
@_PROJECT
@with_database
def compact(config: Config, project: str | None) -> None:
    for name, merged in running.run(config, "events compact", Chosen(project), doing="merging"):
        before, after = merged.before, merged.after
        click.echo(f"{name}: {before.segments} segments became {after.segments}; {_sentence(after)}")


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
