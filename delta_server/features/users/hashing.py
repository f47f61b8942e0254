"""Passwords are hashed a few at a time: each takes 19 MiB and 20 ms of a core."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from delta_server.core import passwords
from delta_server.core.errors import Unavailable
from delta_server.services import Services

_AT_ONCE = 2
_WAITING = 256


class Hashing:
    """Both raise Unavailable when too many wait."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def matches(self, svc: Services, hash: str | None, password: str, *, check: Callable[[], None]) -> bool:
        """False for users without a password, after as long. `check` is called when the turn has come: it raises for
        who has failed too often while this one waited."""
        async with self._turn():
            check()
            return await svc.spare_cpu(passwords.matches, hash or passwords.NOBODYS, password) and hash is not None

    async def hashed(self, svc: Services, password: str) -> str:
        async with self._turn():
            return await svc.spare_cpu(passwords.hashed, password, os.urandom(passwords.SALT_BYTES))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= _WAITING:
            raise Unavailable("too many people are signing in: try again in a moment", retry_after_s=5)
        self._waiting += 1
        try:
            async with self._turns:
                yield
        finally:
            self._waiting -= 1
