"""`export-project` and `import-project`: a project as one file, and from it into another server. No keys, no members,
no webhooks, no addresses that are polled: those are secrets, or of the place they were."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import click
import msgspec

from delta_server import app
from delta_server.cli import carrying, counting, moved_views, project_archive
from delta_server.cli.carrying import Carrier
from delta_server.cli.moved_views import ViewHead, Views
from delta_server.cli.options import with_config, with_database
from delta_server.cli.project_archive import (
    EndHead,
    EndpointHead,
    EventsHead,
    ProjectHead,
    RuleHead,
    SnapshotHead,
    Writer,
)
from delta_server.config.sections import Config
from delta_server.core import times
from delta_server.core.actor import COMMAND_LINE
from delta_server.core.errors import DeltaError
from delta_server.core.events import moved_event
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.query.plan import Listing, Span
from delta_server.features.accounts import service as accounts
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.commands import EndpointSettings
from delta_server.features.enforcement import service as enforcement
from delta_server.features.events import service as events
from delta_server.features.events.commands import EventsInto, EventsMoved
from delta_server.features.projects import service as projects
from delta_server.features.projects.project_commands import MovedHere
from delta_server.features.schemas.commands import MovedRule
from delta_server.features.snapshots import exporting
from delta_server.features.snapshots.commands import Done, Into
from delta_server.features.snapshots.commands import parts as version_parts
from delta_server.features.snapshots.importing import Version
from delta_server.services import Services
from delta_server.storage.database import ACTING, Tx
from delta_server.tasks.feeding import Part

EVENTS_AT_ONCE = 1000
ALL_TIME = TimelineSpan(times.EARLIEST_MS, times.LATEST_MS + 1, descending=False)
_MOST_REASONS = 10
_ALL_EVENTS = Span(times.EARLIEST_MS, times.LATEST_MS + 1)

Counted = Callable[[int, int], None]
"""Called with the snapshots and events that have been written or stored."""


@click.command(
    "export-project",
    help="Write the project NAME to FILE: endpoints with their settings, all snapshots byte for byte, all events, "
    "saved queries, boards and annotations. "
    "A server may run meanwhile. Keys, members, webhooks, alerts and the addresses that are polled are not in it.",
)
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@with_database
def export_project(config: Config, name: str, file: Path, overwrite: bool) -> None:
    if file.exists() and not overwrite:
        raise DeltaError(f"{file} exists: name another file, or pass --overwrite")
    done = asyncio.run(_export(config, name, file))
    click.echo(f"{name}: {_said(done)} written to {file}, {counting.size(file.stat().st_size)}")


@click.command(
    "import-project",
    help="Make a project of FILE, which export-project has written. After a failure, run it again with "
    "--into-existing: what is there already is skipped. The server may run meanwhile.",
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", help="What it is called here.  [default: as it was]")
@click.option(
    "--into-existing", is_flag=True, help="Add to a project that is there: it and its endpoints keep their settings."
)
@with_config
def import_project(config: Config, file: Path, name: str | None, into_existing: bool) -> None:
    left = _LeftOut()
    with file.open("rb") as opened:
        try:
            project, done = asyncio.run(_import(config, opened, (str(file), name, into_existing), left))
        finally:
            for reason in left.reasons:
                click.echo(f"refused: {reason}", err=True)
            if left.refused > len(left.reasons):
                click.echo(f"and {left.refused - len(left.reasons)} more", err=True)
    click.echo(f"{project}: {_said(done)} read from {file}; what was there already was skipped")
    if left.settings:
        click.echo(f"endpoints that were there already and keep their settings: {left.settings}")
    if left.refused:
        raise DeltaError(f"{left.refused} of the snapshots were refused; all else was stored")


class _LeftOut:
    """What an import did not store: snapshots, with the reasons of the first, and settings of endpoints there are."""

    def __init__(self) -> None:
        self.refused = self.settings = 0
        self.reasons: list[str] = []

    def add(self, refused: int, reasons: Sequence[str]) -> None:
        self.refused += refused
        self.reasons = [*self.reasons, *reasons][:_MOST_REASONS]


def _said(done: EndHead) -> str:
    parts = [(done.endpoints, "endpoint"), (done.snapshots, "snapshot"), (done.events, "event")]
    parts += [(done.views, "view")] if done.views else []
    return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in parts)


async def _export(config: Config, name: str, file: Path) -> EndHead:
    async with app.open_for_reading(config) as svc:
        project, description = await svc.db.read(_project, name)
        total = await _snapshots(svc, project) + await _event_count(svc, project)
        with _bar("exporting", total) as counted, project_archive.written(file) as out:
            retention = msgspec.Raw(msgspec.json.encode(events.retention(svc, project)))
            out.write(ProjectHead(name, description, retention))
            return await write(svc, project, out, counted)


def _project(tx: Tx, name: str) -> tuple[int, str]:
    account = accounts.find_default_account(tx)
    if account is None:
        raise DeltaError(f"there is no project named {name}: there is none")
    found = projects.named(tx, account, name)
    return found.id, found.description


async def _snapshots(svc: Services, project: int) -> int:
    found = await svc.db.read(endpoints.all_of_project, project)
    refs = [endpoints.resolve(svc, project, one.endpoint.name) for one in found]
    return sum([await exporting.count(svc, project, ref, ALL_TIME) for ref in refs])


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Counted]:
    with counting.progress() as progress:
        bar = progress.add_task(what, total=total, counts="")

        def counted(snapshots: int, sent: int) -> None:
            said = f"{snapshots} snapshots, {sent} events"
            progress.update(bar, completed=snapshots + sent, counts=said)

        yield counted


async def _event_count(svc: Services, project: int) -> int:
    found = await svc.event_maintenance.stats(project)
    return found.waiting_events + found.sealed_events


async def write(svc: Services, project: int, out: Writer, counted: Counted) -> EndHead:
    """In constant memory: a page of snapshots, or a batch of events."""
    found, snapshots, sent = await svc.db.read(endpoints.all_of_project, project), 0, 0
    for shown in found:
        row = shown.endpoint
        settings = msgspec.json.decode(row.diff), msgspec.json.decode(row.retention)
        endpoint = endpoints.resolve(svc, project, row.name)
        out.write(EndpointHead(row.name, row.description, *settings, _rule(svc, endpoint.id)))
        async for one in exporting.export(svc, project, endpoint, ALL_TIME):
            out.write(SnapshotHead(one.captured_at, one.source, one.metadata), one.body)
            snapshots += 1
            counted(snapshots, sent)
    rows = svc.event_reader.stream_query(project, Listing(_ALL_EVENTS, ascending=True))
    try:
        [columns] = await anext(rows)
        async for batch in rows:
            for start in range(0, len(batch), EVENTS_AT_ONCE):
                some = batch[start : start + EVENTS_AT_ONCE]
                out.write(EventsHead(len(some)), moved_event.encoded(columns, some))
                sent += len(some)
                counted(snapshots, sent)
    finally:
        await rows.aclose()
    views = 0
    async for head in moved_views.heads(svc, project):
        out.write(head)
        views += 1
    end = EndHead(len(found), snapshots, sent, views)
    out.write(end)
    return end


def _rule(svc: Services, endpoint: int) -> RuleHead | None:
    rule = enforcement.rule_of(svc, endpoint)
    return None if rule is None or rule.mode == "off" else RuleHead(rule.mode, rule.source, rule.schema)


async def _import(
    config: Config, file: Any, asked: tuple[str, str | None, bool], left: _LeftOut
) -> tuple[str, EndHead]:
    """`asked`: the file's name, the project's, and whether that may be there."""
    ACTING.set(COMMAND_LINE)
    name, wanted, into_existing = asked
    pieces = project_archive.read(file, name)
    head, _ = next(pieces)
    if not isinstance(head, ProjectHead) or head.format != project_archive.FORMAT:
        raise DeltaError(f"{name} was made by another version of Delta: use that one")
    project, sections = wanted or head.name, _Sections(pieces, left)
    async with carrying.carrier(config) as carrier:
        with _bar("importing", None) as counted:
            if await carrier.run("project move", MovedHere(project, head.description, into_existing)):
                await carrier.run("events import", EventsInto(project, head.event_retention), iter(()))
            views = Views(carrier, project)
            while (section := await asyncio.to_thread(sections.next)) is not None:
                if isinstance(section, ViewHead):
                    await views.store(section)
                elif isinstance(section, EndpointHead):
                    await _import_endpoint(carrier, project, section, sections, left)
                else:
                    before = sections.stored_events
                    moved: EventsMoved = await carrier.run("events import", EventsInto(project), sections.events())
                    if moved.stored + moved.duplicates != sections.stored_events - before:
                        raise DeltaError(f"{name} does not hold the events it says: it is damaged")
                counted(sections.snapshots, sections.stored_events)
    return project, sections.counted()


async def _import_endpoint(
    carrier: Carrier, project: str, head: EndpointHead, sections: "_Sections", left: _LeftOut
) -> None:
    settings = EndpointSettings(project, head.name, head.description, head.diff, head.retention)
    if not await carrier.run("endpoint settings", settings):
        left.settings += 1
    elif head.rule is not None:
        rule = MovedRule(project, head.name, head.rule.mode, head.rule.source, head.rule.schema)
        await carrier.run("endpoint rule", rule)
    versions = version_parts(sections.versions(head.name), None)
    done: Done = await carrier.run("import", Into(project, head.name), versions)
    left.add(done.imported.refused, done.imported.reasons)


class _Sections:
    """What is read, an endpoint or all events at a time. The parts of one are read to their end before the next."""

    def __init__(self, pieces: Iterator[tuple[project_archive.Head, bytes]], left: _LeftOut) -> None:
        self._pieces = pieces
        self._left = left
        self._ahead: tuple[project_archive.Head, bytes] | None = None
        self._end: EndHead | None = None
        self.endpoints = self.snapshots = self.stored_events = self.views = 0

    def next(self) -> EndpointHead | EventsHead | ViewHead | None:
        """None at the end. Raises DeltaError for what is not in order."""
        head, body = self._ahead or next(self._pieces, (None, b""))
        self._ahead = None
        if isinstance(head, EndHead):
            self._end = head
            return self.next()
        if isinstance(head, EndpointHead):
            self.endpoints += 1
            return head
        if isinstance(head, EventsHead):
            self._ahead = head, body
            return head
        if isinstance(head, ViewHead):
            self.views += 1
            return head
        if head is not None:
            raise DeltaError("the file is not in order: it is damaged")
        return None

    def versions(self, endpoint: str) -> Iterator[Version]:
        for head, body in self._while(SnapshotHead):
            self.snapshots += 1
            if times.EARLIEST_MS <= head.at <= times.LATEST_MS:
                place = f"{endpoint} at {times.format(head.at)}"
                yield Version(head.at, body, place, source=head.source, metadata=head.metadata)
            else:
                self._left.add(1, [f"{endpoint}: the time of a snapshot is not in the years 1 to 9999"])

    def events(self) -> Iterator[Part]:
        for head, body in self._while(EventsHead):
            self.stored_events += head.count
            yield Part(b"events", body)

    def _while(self, kind: Any) -> Iterator[tuple[Any, bytes]]:
        first = [] if self._ahead is None else [self._ahead]
        self._ahead = None
        for head, body in chain(first, self._pieces):
            if not isinstance(head, kind):
                self._ahead = head, body
                return
            yield head, body

    def counted(self) -> EndHead:
        """Raises DeltaError where the file says that it holds more, or less."""
        found = EndHead(self.endpoints, self.snapshots, self.stored_events, self.views)
        if found != self._end:
            raise DeltaError("the file does not hold what it says: it is damaged")
        return found
