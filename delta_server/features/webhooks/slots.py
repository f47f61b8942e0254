"""How many deliveries are sent at once, in all and by project."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """`total` of them; whose projects wait are served in turn, and none has more than `of_project`. Used on the event
    loop only."""

    def __init__(self, total: int, of_project: int) -> None:
        self._free = total
        self._of_project = of_project
        self._held: Counter[int] = Counter()
        self._waiting: OrderedDict[int, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def held(self, project: int) -> AsyncIterator[None]:
        if self._free and self._held[project] < self._of_project:
            self._free -= 1
            self._held[project] += 1
        else:
            await self._wait(project)
        try:
            yield
        finally:
            self._release(project)

    async def _wait(self, project: int) -> None:
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(project, deque()).append(given)
        try:
            await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled():
                self._release(project)
            raise

    def _release(self, project: int) -> None:
        self._free += 1
        self._held[project] -= 1
        if not self._held[project]:
            del self._held[project]
        for next_project in list(self._waiting):
            if not self._free:
                return
            if self._held[next_project] < self._of_project:
                self._give(next_project)

    def _give(self, project: int) -> None:
        queue = self._waiting.pop(project)
        while queue and (given := queue.popleft()).done():
            pass
        if queue:
            self._waiting[project] = queue  # behind the others
        if not given.done():
            self._free -= 1
            self._held[project] += 1
            given.set_result(None)
