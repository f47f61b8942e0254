"""What handlers, tasks and commands are handed. Nothing else is global but constants and loggers."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import msgspec

from delta_server.config import Config
from delta_server.core.refusals import Refusals
from delta_server.storage.backup_stream import BackupStream
from delta_server.storage.cache import Cache
from delta_server.storage.database import Clock, Database
from delta_server.storage.eventlog import EventLog
from delta_server.storage.transaction import shutting_down
from delta_server.tasks.lanes import Lanes
from delta_server.tasks.live import Live
from delta_server.tasks.signals import Foreground, KeyedLocks, Signal

P = ParamSpec("P")
T = TypeVar("T")


class Cpu:
    """Runs pure work on a few threads of its own, away from the event loop; zstd and xxhash release the GIL there."""

    def __init__(self, threads: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def __call__(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """`fn`'s result. Raises Unavailable once closed."""
        try:
            future = self._executor.submit(fn, *args, **kwargs)
        except RuntimeError:  # closed, perhaps this very moment: no look at a flag beforehand would be sure
            raise shutting_down() from None
        return asyncio.wrap_future(future)

    async def close(self) -> None:
        """Give up what waits for a thread; what runs is waited for, elsewhere."""
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)


class Services(msgspec.Struct, frozen=True):
    config: Config
    db: Database
    clock: Clock
    cpu: Cpu
    """For what a write waits for, and for steps about as short as that: checking, encoding, reading a content."""
    spare_cpu: Cpu
    """For what may take long and what nobody waits for: comparing, searching histories, packing. It never keeps a write
    waiting for a thread."""
    cache: Cache
    eventlog: EventLog
    endpoint_locks: KeyedLocks
    """By endpoint: appending a content encodes against the one before it, so appends to one endpoint take turns."""
    person_locks: KeyedLocks
    """By project: what was told of users is applied in order of arrival, erasures are asked for in between."""
    contents_changed: Signal
    """Contents were added or removed: deltas are to be computed."""
    live: Live
    backups: BackupStream
    erasures_requested: Signal
    """Somebody asked for a person to be erased."""
    refusals: Refusals = msgspec.field(default_factory=Refusals)
    lanes: Lanes = msgspec.field(default_factory=Lanes)
    """By endpoint: what is to be appended to it waits here while others are, and then goes together."""
    foreground: Foreground = msgspec.field(default_factory=Foreground)
    """Snapshots that callers wait for."""
    keys_used: dict[int, int] = msgspec.field(default_factory=dict)
    """By API key's row, when it was last used, until the next of the periodic writes. Used on the event loop only."""
