"""The loop that computes deltas behind the writes. The queue is in the database, so nothing is lost by a crash."""

import asyncio
from itertools import count

import structlog

from delta_server.core.errors import Unavailable
from delta_server.features.deltas import service, store
from delta_server.services import Services

POLL_S = 30.0
PROJECTS_AT_ONCE = 2
"""One project whose deltas take minutes keeps no other waiting."""
PAUSE_S = 0.02
"""While deltas are computed, other projects' are looked for so often at most, and only when contents have changed."""
PEEKED = 32
"""So few endpoints are looked up on the event loop: a reader's thread takes longer to be woken."""

logger = structlog.get_logger()


async def retry_failed(svc: Services) -> None:
    await svc.db.write(store.retry_failed)


async def compute(svc: Services) -> None:
    """Compute what waits, then wait for more; for ever. Raises Unavailable when nothing could be computed."""
    computing = _ProjectQueue(svc)
    try:
        while True:
            seen = computing.changed.count
            if await computing.begin_more():
                await computing.wait_for_some(since=seen)
            elif not await service.compute_queued(svc):
                await computing.changed.wait(POLL_S, since=seen)
    finally:
        await computing.stop()


class _ProjectQueue:
    """Deltas of PROJECTS_AT_ONCE projects at the same time, a share of each by turns."""

    def __init__(self, svc: Services) -> None:
        self._svc = svc
        self.changed = svc.topics.signal("contents")
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._served: dict[int, int] = {}
        self._turn = count()
        self._put_off: dict[int, float] = {}

    async def begin_more(self) -> bool:
        """Whether any is being computed."""
        if len(self._tasks) < PROJECTS_AT_ONCE and self._svc.db.peek(store.has_work):
            waiting = self._svc.db.peek(store.waiting, PEEKED)
            if waiting is None:
                waiting = await self._svc.db.read(store.waiting) or {}
            now = asyncio.get_running_loop().time()
            self._put_off = {project: until for project, until in self._put_off.items() if until > now}
            free = [project for project in waiting if project not in self._tasks and project not in self._put_off]
            self._served = {project: self._served.get(project, -1) for project in waiting}
            for project in sorted(free, key=self._served.__getitem__)[: PROJECTS_AT_ONCE - len(self._tasks)]:
                self._served[project] = next(self._turn)
                computing = service.compute_some(self._svc, project, waiting[project], is_alone=len(waiting) == 1)
                self._tasks[project] = asyncio.create_task(computing)
        return bool(self._tasks)

    async def wait_for_some(self, *, since: int) -> None:
        """Until one project's share is done, or contents have changed since `changed` counted `since` and
        others may wait."""
        tasks = self._tasks.values()
        if len(self._tasks) < PROJECTS_AT_ONCE:
            changed = asyncio.create_task(self.changed.wait(POLL_S, since=since))
            try:
                await asyncio.wait({*tasks, changed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
            await asyncio.wait(tasks, timeout=PAUSE_S, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for project in [project for project, task in self._tasks.items() if task.done()]:
            self._end(project, self._tasks.pop(project))

    def _end(self, project: int, task: asyncio.Task[None]) -> None:
        try:
            task.result()
        except Unavailable as error:
            if not self._tasks:
                raise
            logger.warning("deltas of a project put off", project=project, reason=error.message)
            self._put_off[project] = asyncio.get_running_loop().time() + POLL_S

    async def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
