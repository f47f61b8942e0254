"""`verify-table` of the command line: the manifest of a training table, made again."""

import msgspec

from delta_server.core.errors import Invalid, NotFound
from delta_server.core.tables.training import TrainingSpec
from delta_server.features.accounts import service as accounts
from delta_server.features.exports import training
from delta_server.features.projects import service as projects
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.tasks.commands import Command, Progress
from delta_server.tasks.feature_worker import TrainingManifest


class Remade(msgspec.Struct, frozen=True):
    """The table of a project by name, None where there is but one."""

    project: str | None
    spec: TrainingSpec


async def _manifest(svc: Services, remade: Remade, progress: Progress) -> TrainingManifest:
    """Raises NotFound for the project or an endpoint, and as `training.table`."""
    await accounts.note_command(svc, "verify-table")
    project = await svc.db.read(_project, remade.project)
    pieces = await training.table(svc, project, remade.spec, None)
    return msgspec.json.decode(b"".join([piece async for piece in pieces]), type=TrainingManifest)


def _project(tx: Tx, name: str | None) -> int:
    account = accounts.find_default_account(tx)
    if account is None:
        raise NotFound("there is no project")
    if name is not None:
        return projects.named(tx, account, name).id
    found = projects.all_of(tx, account)
    if len(found) != 1:
        raise Invalid(f"there are {len(found)} projects: name one with --project")
    return found[0].id


COMMANDS: dict[str, Command] = {"verify-table": Command(Remade, TrainingManifest, _manifest)}
