"""Writes of several callers in one call of the writer: what they have in common is read and written once."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from delta_server.core.errors import DeltaError
from delta_server.storage.database import Database, Tx
from delta_server.storage.sqlite.transaction import shutting_down
from delta_server.tasks.lanes import QueuedItem

T = TypeVar("T")
R = TypeVar("R")

TOGETHER = 64
"""What items may weigh in one call, which all others wait for."""


class _Joining(QueuedItem):
    __slots__ = ("item", "weight")

    def __init__(self, item: Any, weight: int) -> None:
        super().__init__()
        self.item = item
        self.weight = weight


class _Queue:
    """`is_asked`: the writer has a call that will take what waits. It clears that first, then takes: what comes behind
    that asks again."""

    __slots__ = ("is_asked", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[_Joining] = deque()
        self.is_asked = False


class JointWrites:
    """By key. Used on the event loop."""

    def __init__(self) -> None:
        self._queues: dict[int, _Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(
        self, db: Database, key: int, item: T, insert: Callable[[Tx, Sequence[T]], Sequence[R]], *, weight: int = 1
    ) -> R:
        """What `insert` makes of the item, when it is on disk. All of a key give the same `insert`, which gives a
        result for each: where it raises what is no DeltaError, each goes by itself. Raises as `insert` and `db.write`
        do."""
        queue = self._queues.setdefault(key, _Queue())
        joining = _Joining(item, weight)
        queue.waiting.append(joining)
        if not queue.is_asked:
            queue.is_asked = True
            task = asyncio.create_task(self._ask(db, key, queue, insert))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        found: R = await joining.answered()
        return found

    async def _ask(self, db: Database, key: int, queue: _Queue, insert: Callable[..., Any]) -> None:
        while True:
            taken: list[_Joining] = []
            try:
                await self._written(db, queue, taken, insert)
            except BaseException as error:
                queue.is_asked &= bool(taken)
                for each in taken or _all_of(queue):
                    each.fail(error if isinstance(error, Exception) else shutting_down())
                if not isinstance(error, Exception):
                    raise
            if queue.is_asked or not queue.waiting:
                break
            queue.is_asked = True
        if not queue.is_asked and self._queues.get(key) is queue:
            del self._queues[key]

    async def _written(self, db: Database, queue: _Queue, taken: list[_Joining], insert: Callable[..., Any]) -> None:
        try:
            results = await db.write(_take, queue, taken, insert)
        except Exception as error:
            if isinstance(error, DeltaError) or len(taken) < 2:
                raise
        else:
            for each, result in zip(taken, results, strict=True):
                each.answer(result)
            return
        for each in taken:
            try:
                [result] = await db.write(insert, [each.item])
                each.answer(result)
            except Exception as error:
                each.fail(error)


def _take(tx: Tx, queue: _Queue, taken: list[_Joining], insert: Callable[[Tx, Sequence[T]], Sequence[R]]) -> Any:
    queue.is_asked = False
    left = TOGETHER
    while queue.waiting and (not taken or queue.waiting[0].weight <= left):
        taken.append(queue.waiting.popleft())
        left -= taken[-1].weight
    return insert(tx, [each.item for each in taken]) if taken else ()


def _all_of(queue: _Queue) -> list[_Joining]:
    found = list(queue.waiting)
    queue.waiting.clear()
    return found
