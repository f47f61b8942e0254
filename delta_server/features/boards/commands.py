"""Boards that `import-project` brings, without their links: those are secrets."""

import msgspec

from delta_server.core.query.boards import Tile
from delta_server.features.boards import service
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.tasks.commands import Command, Progress


class MovedBoard(msgspec.Struct, frozen=True):
    """Of a project by name; its tiles name saved queries that are there."""

    project: str
    name: str
    tiles: list[Tile]


async def _move(svc: Services, moved: MovedBoard, _: Progress) -> None:
    """Raises Invalid, Conflict for too many."""
    project, _name = await svc.db.write(projects.ensure_project, moved.project)
    await service.move(svc, project, moved.name, moved.tiles)


COMMANDS: dict[str, Command] = {"board move": Command(MovedBoard, None, _move)}
