"""Work that repeats in time, declared by the features.

A period is measured on the monotonic clock from the end of one run to the start of the next, so a run never overlaps
itself and a wall clock that is set back or forward neither stalls nor bunches the runs.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from delta_server.tasks.loops import Loop, Sleep

S = TypeVar("S")

FIRST_RUN_S = 60.0
"""The first run comes this soon after the start at the latest: a server restarted every day still sweeps."""


class Periodic(msgspec.Struct, Generic[S], frozen=True):
    """`Periodic("merge old packs", contents.merge, every_s=3600)`."""

    name: str
    run: Callable[[S], Awaitable[None]]
    every_s: float


def as_loop(periodic: Periodic[S], sleep: Sleep = asyncio.sleep) -> Loop[S]:
    """The loop that runs it for ever; a run that raises is retried with the supervisor's backoff."""

    async def repeat(services: S) -> None:
        await sleep(min(periodic.every_s, FIRST_RUN_S))
        while True:
            await periodic.run(services)
            await sleep(periodic.every_s)

    return Loop(periodic.name, repeat)
