"""Annotations that `import-project` brings."""

import msgspec

from delta_server.features.annotations import service
from delta_server.features.annotations.schemas import Kind
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.tasks.commands import Command, Progress


class MovedAnnotation(msgspec.Struct, frozen=True):
    """Of a project by name. Times are in ms."""

    project: str
    begins_at: int
    end_at: int | None
    kind: Kind
    text: str
    link: str | None


async def _move(svc: Services, moved: MovedAnnotation, _: Progress) -> None:
    """Raises Invalid, Conflict for too many."""
    project, _name = await svc.db.write(projects.ensure_project, moved.project)
    await service.move(svc, project, moved)


COMMANDS: dict[str, Command] = {"annotation move": Command(MovedAnnotation, None, _move)}
