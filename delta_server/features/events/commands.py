"""`events ...` of the command line."""

from collections.abc import AsyncIterator

import msgspec

from delta_server.core.errors import NotFound
from delta_server.features.accounts import service as accounts
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.eventlog import EventStats
from delta_server.tasks.commands import Command, Progress


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


COMMANDS: dict[str, Command] = {
    "events stats": Command(Chosen, list[tuple[str, EventStats]], _stats),
    "events seal": Command(Chosen, int, _seal),
    "events compact": Command(Chosen, list[tuple[str, Merged]], _compact),
}
