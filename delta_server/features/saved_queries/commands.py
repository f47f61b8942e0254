"""Saved queries that `import-project` brings."""

from typing import Any

import msgspec

from delta_server.core.query.saved import Kind
from delta_server.features.projects import service as projects
from delta_server.features.saved_queries import service
from delta_server.services import Services
from delta_server.tasks.commands import Command, Progress


class MovedQuery(msgspec.Struct, frozen=True):
    """Of a project by name."""

    project: str
    name: str
    kind: Kind
    spec: dict[str, Any]
    view: str | None


async def _move(svc: Services, moved: MovedQuery, _: Progress) -> str:
    """Its id here. Raises Invalid, Conflict for too many."""
    project, _name = await svc.db.write(projects.ensure_project, moved.project)
    return await service.move(svc, project, moved.name, moved.kind, moved.spec, moved.view)


COMMANDS: dict[str, Command] = {"saved query move": Command(MovedQuery, str, _move)}
