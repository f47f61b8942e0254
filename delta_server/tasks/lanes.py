"""Work that takes turns by key, and takes up together what came in while the last of it was done."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, TypeVar

from delta_server.storage.sqlite.transaction import shutting_down

T = TypeVar("T")


class QueuedItem:
    """One who waits for a turn. `done` says that nobody does any more."""

    __slots__ = ("_future",)

    def __init__(self) -> None:
        self._future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    @property
    def done(self) -> bool:
        return self._future.done()

    def answer(self, result: Any) -> None:
        if not self._future.done():
            self._future.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self._future.done():
            self._future.set_exception(error)

    async def answered(self) -> Any:
        return await self._future


W = TypeVar("W", bound=QueuedItem)


class BatchQueues:
    """Used on the event loop only."""

    def __init__(self) -> None:
        self._queues: dict[int, deque[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def join(self, key: int, item: W, serve: Callable[[deque[W]], Awaitable[None]]) -> None:
        """Queue `item` up; the first of a queue has it served: `serve` takes the next round from its left, answers or
        fails all of it, and is called until nobody waits."""
        queue = self._queues.get(key)
        if queue is not None:
            queue.append(item)
            return
        queue = self._queues[key] = deque([item])
        # A task of its own, in a context of its own: it outlives the request that began it.
        task = asyncio.get_running_loop().create_task(self._serve_queue(key, queue, serve), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_queue(self, key: int, queue: deque[W], serve: Callable[[deque[W]], Awaitable[None]]) -> None:
        try:
            while queue:
                await serve(queue)
        finally:
            del self._queues[key]
            for item in queue:
                item.fail(shutting_down())
