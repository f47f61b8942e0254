"""What is done for the database from time to time, whatever is in it."""

from typing import Protocol

from delta_server.storage import outbox
from delta_server.storage.database import Database

_TRIMMED_AT_ONCE = 2000


class HasDatabase(Protocol):
    """What is used of the services."""

    @property
    def db(self) -> Database: ...


async def checkpoint(svc: HasDatabase) -> None:
    await svc.db.checkpoint()


async def optimize(svc: HasDatabase) -> None:
    await svc.db.optimize()


async def trim_outbox(svc: HasDatabase) -> None:
    while await svc.db.write(outbox.trim, _TRIMMED_AT_ONCE):
        pass
