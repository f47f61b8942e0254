"""What is done for the database from time to time, whatever is in it."""

import ctypes
from contextlib import suppress
from typing import Protocol

from delta_server.storage import outbox
from delta_server.storage.database import Database, Threads

_TRIMMED_AT_ONCE = 2000


class HasDatabase(Protocol):
    """What is used of the services."""

    @property
    def db(self) -> Database: ...


class HasThreads(Protocol):
    """As above."""

    @property
    def spare_cpu(self) -> Threads: ...


async def checkpoint(svc: HasDatabase) -> None:
    await svc.db.checkpoint()


async def optimize(svc: HasDatabase) -> None:
    await svc.db.optimize()


async def trim_outbox(svc: HasDatabase) -> None:
    while await svc.db.write(outbox.trim, _TRIMMED_AT_ONCE):
        pass


async def give_back_memory(svc: HasThreads) -> None:
    await svc.spare_cpu(_trim)


def _trim() -> None:
    """Give the system the pages that glibc has free between those it uses: beside many large requests 30 to 60 MB each
    time, in 5 to 10 ms, without the interpreter's lock; 0.2 ms where there is nothing (malloc_trim(3))."""
    with suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
