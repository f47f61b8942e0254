"""`events ...` of the command line."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from delta_server.core.errors import Invalid, NotFound
from delta_server.core.events import moved_event
from delta_server.core.events.event import Event
from delta_server.features.accounts import service as accounts
from delta_server.features.events import service
from delta_server.features.events.schemas import NewRetention
from delta_server.features.profiles import service as profiles
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.eventlog import EventStats
from delta_server.tasks.commands import Command, Progress
from delta_server.tasks.feeding import Feed


class Chosen(msgspec.Struct, frozen=True):
    """The one project of that name, None for all."""

    project: str | None


class Merged(msgspec.Struct, frozen=True):
    before: EventStats
    after: EventStats


async def _stats(svc: Services, chosen: Chosen, progress: Progress) -> list[tuple[str, EventStats]]:
    """By name of the project. Raises NotFound."""
    return [(name, await svc.event_maintenance.stats(id)) async for name, id in _each(svc, chosen, progress)]


async def _seal(svc: Services, chosen: Chosen, progress: Progress) -> int:
    """How many events were sealed or written again. Raises NotFound."""
    await accounts.note_command(svc, "events seal")
    return sum(
        [await svc.event_maintenance.run_maintenance(id, seal=True) async for _, id in _each(svc, chosen, progress)]
    )


async def _compact(svc: Services, chosen: Chosen, progress: Progress) -> list[tuple[str, Merged]]:
    """By name of the project. Raises NotFound."""
    await accounts.note_command(svc, "events compact")
    done = []
    async for name, id in _each(svc, chosen, progress):
        before = await svc.event_maintenance.stats(id)
        await svc.event_maintenance.run_maintenance(id, seal=True, compact=True)
        await svc.db.scrub()
        done.append((name, Merged(before, await svc.event_maintenance.stats(id))))
    return done


async def _each(svc: Services, chosen: Chosen, progress: Progress) -> AsyncIterator[tuple[str, int]]:
    found = await svc.db.read(_projects, chosen.project)
    for done, (name, id) in enumerate(found):
        progress(done, len(found))
        yield name, id
    progress(len(found), len(found))


def _projects(tx: Tx, name: str | None) -> list[tuple[str, int]]:
    account = accounts.find_default_account(tx)
    found = [] if account is None else [(project.name, project.id) for project in projects.all_of(tx, account)]
    named = [project for project in found if name in (None, project[0])]
    if name is not None and not named:
        raise NotFound(f"there is no project named {name}: {', '.join(each for each, _ in found) or 'there is none'}")
    return named


class EventsInto(msgspec.Struct, frozen=True):
    """A project by name, which is made where there is none, and how long it keeps events, where that is to be set."""

    project: str
    retention: msgspec.Raw = msgspec.Raw(b"null")


class EventsMoved(msgspec.Struct, frozen=True):
    stored: int
    duplicates: int


async def _move(svc: Services, into: EventsInto, _: Progress, feed: Feed) -> EventsMoved:
    """Store events of another server as they are, each once; bodies of parts are lines (core/events/moved_event.py).
    Raises Invalid, Unavailable."""
    project, _name = await svc.db.write(projects.ensure_project, into.project)
    if bytes(into.retention) != b"null":
        try:
            await service.set_retention(svc, project, msgspec.json.decode(into.retention, type=NewRetention))
        except msgspec.DecodeError as error:
            raise Invalid(f"the retention of events: {error}") from None
    stored = duplicates = 0
    while (part := await asyncio.get_running_loop().run_in_executor(feed.thread, next, feed.parts, None)) is not None:
        moved, updates = await svc.cpu(_read, part.body, svc.config.events.event_bytes, stored + duplicates)
        known = await svc.event_writer.append_events(project, moved, updates)
        stored, duplicates = stored + len(moved) - len(known), duplicates + len(known)
        svc.topics.wake("events", project)
        if updates is not None:
            await profiles.apply_updates(svc, project)
    return EventsMoved(stored, duplicates)


def _read(lines: bytes, event_bytes: int, before: int) -> tuple[list[Event], profiles.PackedUpdates | None]:
    moved = moved_event.decoded(lines, event_bytes, before)
    updates = moved_event.profile_updates(moved)
    return moved, profiles.pack_updates(updates) if updates else None


COMMANDS: dict[str, Command] = {
    "events import": Command(EventsInto, EventsMoved, _move, fed=True),
    "events stats": Command(Chosen, list[tuple[str, EventStats]], _stats),
    "events seal": Command(Chosen, int, _seal),
    "events compact": Command(Chosen, list[tuple[str, Merged]], _compact),
}
