"""`pack` of the command line: what deleted endpoints leave is swept first."""

from delta_server.features.accounts import service as accounts
from delta_server.features.endpoints import tasks
from delta_server.services import Services
from delta_server.storage.contents import maintenance
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


COMMANDS: dict[str, Command] = {"pack": Command(NoArguments, tuple[int, int], _pack)}
