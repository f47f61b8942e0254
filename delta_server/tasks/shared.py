"""Answers that many want at the same time, made once."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from contextvars import Context
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from delta_server.tasks.signals import Signal

T = TypeVar("T")


def _small(_: object) -> int:
    return 0


class RequestCoalescer(Generic[T]):
    """Keeps the last few answers by key; a request for one that is being made waits for it. What makes an answer goes
    on when they have left, and an error is raised to those who wait, not kept. Used on the event loop only."""

    def __init__(self, most: int, *, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._tasks: OrderedDict[Hashable, asyncio.Task[T]] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}

    async def get(
        self,
        key: Hashable,
        make: Callable[[], Coroutine[None, None, T]],
        *,
        keep: bool = True,
        size: Callable[[T], int] = _small,
    ) -> T:
        """The answer that `key` stands for, which takes so many bytes. With `keep` false it is shared only while it is
        being made."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(make(), context=Context())
            self._tasks[key] = task
            task.add_done_callback(lambda ended: self._ended(key, ended, size if keep else None))
        self._tasks.move_to_end(key)
        return await asyncio.shield(task)

    def _ended(self, key: Hashable, task: asyncio.Task[T], size: Callable[[T], int] | None) -> None:
        if size is None or task.cancelled() or task.exception() is not None:
            del self._tasks[key]
        else:
            self._sizes[key] = size(task.result())
        while len(self._tasks) > self._most or sum(self._sizes.values()) > self._most_bytes:
            oldest = next((key for key, task in self._tasks.items() if task.done()), None)
            if oldest is None:
                return
            del self._tasks[oldest]
            self._sizes.pop(oldest, None)


class LastLooks(Generic[T]):
    """The last look for each signal that streams wait for: those that it wakes together, and that have got equally far,
    see the same. Used on the event loop only."""

    def __init__(self) -> None:
        self._last: WeakKeyDictionary[Signal, tuple[Hashable, int, T]] = WeakKeyDictionary()

    def get(self, signal: Signal, reached: Hashable, look: Callable[[], T]) -> T:
        last = self._last.get(signal)
        if last is not None and last[:2] == (reached, signal.count):
            return last[2]
        found = look()
        self._last[signal] = reached, signal.count, found
        return found

    def forget(self, signal: Signal) -> None:
        self._last.pop(signal, None)
