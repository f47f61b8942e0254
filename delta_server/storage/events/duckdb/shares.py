"""The memory for queries, in two shares: an instance of DuckDB each.

Within an instance whoever comes last finds the memory full, however little it needs. So a project whose query comes
while another's are running is given the other instance, the smaller one; and a query that found no memory and was not
alone is run again, alone in the larger one.

While several projects call, queries run in processes of their own, SQL always does: they have a quarter each, and what
needs more is run again in a process with half, one at a time and once all else of its project has ended. So all queries
together hold little more than the memory for queries, whoever asks for what.

The background is given the smaller instance, and the larger one for what does not fit: never while a process has half.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol, TypeVar

from delta_server.core.errors import Unavailable
from delta_server.storage.cold.pieces import ColdPieces
from delta_server.storage.events.duckdb.instance import Instance
from delta_server.storage.events.options import Events
from delta_server.storage.events.query.read_connections import ReadViews
from delta_server.storage.sqlite.connection import Tuning

A = TypeVar("A", covariant=True)

MAX_COUNTED = 7 / 8
"""Of the memory for queries, what DuckDB is given: it takes more than it counts. With 512 MiB and three queries
that fill them at once, the server was 650 MiB with all of it and is 581 MiB with this, 100 of it not for queries."""
LARGER, SMALLER = 3 / 4, 1 / 4
"""Of that. The smaller one has a quarter of the threads too: with one a query runs on its caller's thread, and
waits for none of DuckDB's own, which step back (priority.py)."""

ALONE = 1 / 2
"""Of the memory for queries, what a process has whose query needs more than a quarter while several projects call."""


def counted_bytes(options: Events) -> float:
    """What DuckDB is given, wherever it runs."""
    return options.query_memory_bytes * MAX_COUNTED


class Apart(Protocol[A]):
    """What may answer a query outside of the server, asked when its turn has come."""

    def shared(self, *, is_behind: bool) -> Awaitable[A] | None:
        """With a part of the memory; behind others or not. None when it does not."""

    def alone(self) -> Awaitable[A] | None:
        """With half of it, when no other query needs it. None when it does not."""


class SharedJob(Protocol):
    """A piece of work in one of the instances. `was_alone`: there was no other in it at the same time. `has_caller`: it
    is nothing of the background. `ends_soon`: it is no stream either."""

    project: int
    instance: Instance
    was_alone: bool
    has_caller: bool
    ends_soon: bool


class InstancePool:
    """Used on the event loop, but for `close`."""

    def __init__(
        self, database: Path, options: Events, tuning: Tuning, spill: Path, cold: ColdPieces | None = None
    ) -> None:
        self._read_views = ReadViews(database, tuning, cold)
        self._seconds = options.query_seconds
        counted = counted_bytes(options)
        threads = options.query_threads or os.cpu_count() or 1

        def instance(share: float, threads: int, spill: Path) -> Instance:
            return Instance(self._read_views, memory_bytes=int(counted * share), threads=threads, spill=spill)

        self.larger = instance(LARGER, threads, spill)
        self.smaller = instance(SMALLER, max(1, threads // 4), spill.with_name(f"{spill.name}-2"))
        self._apart: Counter[int] = Counter()
        self._clearing = asyncio.Lock()
        self.large_turn = asyncio.Lock()
        """Half in a process and the background's work in the larger instance take turns."""
        self._cleared_for: int | None = None
        self._ended = asyncio.Event()

    def choose(self, project: int, jobs: Collection[SharedJob]) -> Instance:
        """The instance with the fewest jobs of other projects; of two without any, where its own are. The background's
        do not count."""
        if self._cleared_for is not None:
            return self.smaller

        def crowded(instance: Instance) -> tuple[int, int]:
            here = [job.project for job in list(jobs) if job.instance is instance and job.has_caller]
            own = here.count(project)
            return len(here) - own, -own

        return min(self.larger, self.smaller, key=crowded)

    def had_all_memory(self, job: SharedJob) -> bool:
        """The job had all the memory that a query can have."""
        return job.instance is self.larger and job.was_alone

    def needs_all_memory(self, project: int) -> bool:
        """A query of the project that needs much has the larger instance, or waits for it: its next ones queue up."""
        return self._cleared_for == project

    @contextmanager
    def apart(self, project: int) -> Iterator[None]:
        """A query of the project runs in a process of its own, with a part of the memory."""
        self._apart[project] += 1
        try:
            yield
        finally:
            self._apart -= Counter({project: 1})
            self._ended.set()

    @asynccontextmanager
    async def exclusive(
        self, project: int, jobs: Collection[SharedJob], *, in_process: bool = False
    ) -> AsyncIterator[None]:
        """The larger share here, or half `in_process`, when the queries in that instance and all of the project have
        ended; meanwhile those of others are given the smaller one. Raises Unavailable when they do not end in time."""
        async with self._in_turn(self._clearing):
            try:
                self._cleared_for = project
                await self._ended_before(project, jobs)
                async with self._in_turn(self.large_turn) if in_process else nullcontext():
                    yield
            finally:
                self._cleared_for = None

    @asynccontextmanager
    async def _in_turn(self, lock: asyncio.Lock) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._seconds):
                await lock.acquire()
        except TimeoutError:
            raise _was_full() from None
        try:
            yield
        finally:
            lock.release()

    def ended(self) -> None:
        """Some job has."""
        self._ended.set()

    def close(self) -> None:
        for instance in (self.larger, self.smaller):
            instance.close()
        self._read_views.close()

    async def _ended_before(self, project: int, jobs: Collection[SharedJob]) -> None:
        def hinders(job: SharedJob) -> bool:
            return job.ends_soon and (job.instance is self.larger or job.project == project)

        try:
            async with asyncio.timeout(self._seconds):
                while self._apart[project] or any(map(hinders, list(jobs))):
                    self._ended.clear()
                    await self._ended.wait()
        except TimeoutError:
            raise _was_full() from None


def mark_shared(new: SharedJob, jobs: Collection[SharedJob]) -> None:
    """Note which jobs share an instance."""
    for other in list(jobs):
        if other.instance is new.instance:
            other.was_alone = new.was_alone = False


def _was_full() -> Unavailable:
    return Unavailable("other queries need the memory now: try again later", retry_after_s=2)
