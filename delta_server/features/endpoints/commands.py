"""`pack` of the command line, which first sweeps what deleted endpoints leave; and settings that `import-project`
brings."""

from typing import Any

import msgspec

from delta_server.core.errors import Invalid
from delta_server.features.accounts import service as accounts
from delta_server.features.endpoints import service, tasks
from delta_server.features.endpoints.schemas import DiffChange, EndpointChange, RetentionChange
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.contents import maintenance
from delta_server.storage.database import Tx
from delta_server.tasks.commands import Command, NoArguments, Progress


async def _pack(svc: Services, _: NoArguments, progress: Progress) -> tuple[int, int]:
    """Sweep, pack and merge everything now; bytes of the database before and after."""
    await accounts.note_command(svc, "pack")
    await svc.db.checkpoint()
    before = svc.db.stats().database_bytes
    await tasks.remove_deleted(svc)
    await maintenance.pack_everything(svc.contents, progress=progress)
    await svc.db.checkpoint()
    return before, svc.db.stats().database_bytes


class EndpointSettings(msgspec.Struct, frozen=True):
    """Of an endpoint that is made where there is none, as is its project; both are names."""

    project: str
    name: str
    description: str
    diff: dict[str, Any]
    retention: dict[str, Any]


async def _make(svc: Services, wanted: EndpointSettings, _: Progress) -> bool:
    """False where it is there: then it keeps its own. Raises Invalid."""
    try:
        diff = msgspec.convert(wanted.diff, DiffChange)
        retention = msgspec.convert(wanted.retention, RetentionChange)
    except msgspec.ValidationError as error:
        raise Invalid(f"settings of {wanted.name}: {error}") from None
    project, _name = await svc.db.write(projects.ensure_project, wanted.project)
    if not await svc.db.write(_insert, project, wanted.name):
        return False
    change = EndpointChange(description=wanted.description, diff=diff, retention=retention)
    await service.update_endpoint(svc, project, wanted.name, change)
    return True


def _insert(tx: Tx, project: int, name: str) -> bool:
    if not isinstance(service.find_or_name(tx, project, name), str):
        return False
    service.ensure(tx, project, name)
    return True


COMMANDS: dict[str, Command] = {
    "endpoint settings": Command(EndpointSettings, bool, _make),
    "pack": Command(NoArguments, tuple[int, int], _pack),
}
