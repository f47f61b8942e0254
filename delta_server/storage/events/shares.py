"""The memory for queries, in two shares: an instance of DuckDB each.

Within an instance whoever comes last finds the memory full, however little it needs. So a project whose query comes
while another's are running is given the other instance, the smaller one.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from delta_server.config import Events
from delta_server.core.errors import Unavailable
from delta_server.storage.connection import Tuning
from delta_server.storage.events.instance import Instance
from delta_server.storage.events.snapshots import Snapshots

COUNTED = 7 / 8
"""Of the memory for queries, what DuckDB is told of: it takes more than it counts. With 512 MiB and three queries
that fill them at once, the server was 650 MiB with all of it and is 581 MiB with this, 100 of it not for queries."""
LARGER, SMALLER = 3 / 4, 1 / 4
"""Of that."""


class Job(Protocol):
    """A piece of work in one of the instances. `ends_soon`: it is no stream and nothing of the background."""

    project: int
    instance: Instance
    met_others: bool
    ends_soon: bool


class Shares:
    """Used on the event loop, but for `close`."""

    def __init__(self, database: Path, options: Events, tuning: Tuning, spill: Path) -> None:
        self._snapshots = Snapshots(database, tuning)
        self._seconds = options.query_seconds
        counted = options.query_memory_bytes * COUNTED
        threads = options.query_threads or os.cpu_count() or 1
        self.larger, self._smaller = (
            Instance(self._snapshots, memory_bytes=int(counted * share), threads=threads, spill=place)
            for place, share in ((spill, LARGER), (spill.with_name(f"{spill.name}-2"), SMALLER))
        )
        self._clearing = asyncio.Lock()
        self._cleared_for: int | None = None
        self._ended = asyncio.Event()

    def choose(self, project: int, jobs: Collection[Job]) -> Instance:
        """The instance with the fewest jobs of others."""
        if self._cleared_for not in (None, project):
            return self._smaller
        return min(self.larger, self._smaller, key=lambda instance: len(_others(project, instance, jobs)))

    def was_alone(self, job: Job) -> bool:
        """All the memory there is was the job's project's: that was not enough."""
        return job.instance is self.larger and not job.met_others

    @asynccontextmanager
    async def cleared(self, project: int, jobs: Collection[Job]) -> AsyncIterator[None]:
        """The larger instance, when the queries of others in it have ended; meanwhile others are given the smaller one.
        Raises Unavailable when they do not end in time."""
        try:
            async with asyncio.timeout(self._seconds):
                await self._clearing.acquire()
        except TimeoutError:
            raise _filled() from None
        try:
            self._cleared_for = project
            await self._others_ended(project, jobs)
            yield
        finally:
            self._cleared_for = None
            self._clearing.release()

    def ended(self) -> None:
        """Some job has."""
        self._ended.set()

    def close(self) -> None:
        for instance in (self.larger, self._smaller):
            instance.close()
        self._snapshots.close()

    async def _others_ended(self, project: int, jobs: Collection[Job]) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                while any(job.ends_soon for job in _others(project, self.larger, jobs)):
                    self._ended.clear()
                    await self._ended.wait()
        except TimeoutError:
            raise _filled() from None


def meet(new: Job, jobs: Collection[Job]) -> None:
    """Note who shares an instance with another project's job."""
    for other in _others(new.project, new.instance, jobs):
        other.met_others = new.met_others = True


def _others(project: int, instance: Instance, jobs: Collection[Job]) -> list[Job]:
    return [job for job in list(jobs) if job.instance is instance and job.project != project]


def _filled() -> Unavailable:
    return Unavailable("the queries of others need the memory now: try again later", retry_after_s=2)
