"""What handlers, tasks and commands are handed. Nothing else is global but constants and loggers."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

import msgspec

from delta_server.config import Config
from delta_server.storage.cache import Cache
from delta_server.storage.database import Clock, Database
from delta_server.tasks.signals import KeyedLocks, Signal

P = ParamSpec("P")
T = TypeVar("T")


class Cpu:
    """Runs pure work on a few threads, away from the event loop; zstd and xxhash release the GIL there."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def __call__(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._executor, lambda: fn(*args, **kwargs))


class Services(msgspec.Struct, frozen=True):
    config: Config
    db: Database
    clock: Clock
    cpu: Cpu
    cache: Cache
    endpoint_locks: KeyedLocks
    """By endpoint: appending a content encodes against the one before it, so appends to one endpoint take turns."""
    contents_changed: Signal
    """Contents were added or removed: deltas are to be computed."""
    deltas_changed: Signal
    keys_used: dict[int, int] = msgspec.field(default_factory=dict)
    """By API key's row, when it was last used, until the next of the periodic writes. Used on the event loop only."""
