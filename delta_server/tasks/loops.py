"""Background loops that stay up: what raises is logged once, waits a little longer each time, and runs again."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

import msgspec
import structlog

from delta_server.core.errors import Unavailable

S = TypeVar("S")
Sleep = Callable[[float], Awaitable[None]]

FIRST_BACKOFF_S = 1.0
MAX_BACKOFF_S = 60.0
HEALTHY_AFTER_S = 60.0
"""A loop that ran this long before failing starts again at the first backoff."""
CANCEL_AGAIN_S = 1.0

log = structlog.get_logger()


class Loop(msgspec.Struct, Generic[S], frozen=True):
    """`run` is given the services and never returns."""

    name: str
    run: Callable[[S], Awaitable[None]]


class LoopState(msgspec.Struct):
    """What health tells of one loop. Times are milliseconds since the epoch."""

    name: str
    running: bool
    started_at: int
    failures: int = 0
    last_error: str | None = None
    last_failed_at: int | None = None


class Supervisor:
    """Runs loops as asyncio tasks. `now_ms` and `sleep` are the clock; tests pass their own."""

    def __init__(self, now_ms: Callable[[], int], sleep: Sleep = asyncio.sleep) -> None:
        self._now_ms = now_ms
        self._sleep = sleep
        self._tasks: list[asyncio.Task[None]] = []
        self._states: list[LoopState] = []

    def start(self, loops: Iterable[Loop[S]], services: S) -> None:
        for loop in loops:
            state = LoopState(loop.name, running=True, started_at=self._now_ms())
            self._states.append(state)
            self._tasks.append(asyncio.create_task(self._supervise(loop, services, state), name=loop.name))

    def states(self) -> list[LoopState]:
        return list(self._states)

    async def stop(self) -> None:
        """Cancel all loops and wait until they are gone: again and again, for Python 3.11's asyncio.wait_for, which
        libraries use, forgets a cancellation that comes together with what it waits for."""
        left = set(self._tasks)
        while left:
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
        for state in self._states:
            state.running = False

    async def _supervise(self, loop: Loop[S], services: S, state: LoopState) -> None:
        in_a_row = 0
        while True:
            state.started_at, state.running = self._now_ms(), True
            try:
                await loop.run(services)
                raise RuntimeError("the loop ended; it should run until it is cancelled")
            except Exception as error:
                ran_s = (self._now_ms() - state.started_at) / 1000
                in_a_row = 1 if ran_s >= HEALTHY_AFTER_S else in_a_row + 1
                delay_s = backoff_s(in_a_row)
                state.running, state.failures = False, state.failures + 1
                state.last_error, state.last_failed_at = f"{type(error).__name__}: {error}", self._now_ms()
                # A full disk is reported where it is found, and lasts: no traceback each time.
                more = {"reason": error.message} if isinstance(error, Unavailable) else {"exc_info": error}
                log.error("background loop failed", loop=loop.name, retry_in_s=delay_s, **more)
            await self._sleep(delay_s)


def backoff_s(failures_in_a_row: int) -> float:
    return min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(failures_in_a_row - 1, 10))
