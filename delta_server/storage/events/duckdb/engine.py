"""DuckDB, which answers queries about events and writes Parquet: in memory, on threads of its own.

Work is a plain function of a `QuerySession`: one state of one project's events and a connection to run SQL on it.

    answer = await engine.run(project, lambda reading: reading.rows("SELECT ...", [value]))

`run` is for callers who wait: a few at a time, under the deadline, ended at once when the caller is cancelled. `stream`
gives what a generator yields, a step at a time, and holds no state of the database while its reader takes its time.
`run_background` is for the background: two at a time, without a deadline.
An instance can open nothing but the paths of duckdb/virtual_files.py, and its settings are locked: no SQL reaches
anything else.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Container, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from delta_server.core.errors import DeltaError, RateLimited, TooCostly, Unavailable
from delta_server.storage.cold.pieces import ColdPieces
from delta_server.storage.events.duckdb.failures import HeldTooLong, NoMemory, too_long, translated
from delta_server.storage.events.duckdb.instance import Instance, QuerySession
from delta_server.storage.events.duckdb.shares import Apart, InstancePool, mark_shared
from delta_server.storage.events.options import Events
from delta_server.storage.priority import WITH_LOCK, lower_priority
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.transaction import shutting_down
from delta_server.storage.turns import Callers, Turns

P = ParamSpec("P")
T = TypeVar("T")


MAX_QUERIES = 3
"""Queries that run at once; each uses all of DuckDB's threads, more would only share them and the memory."""
MAX_STREAMS = 8
"""Streams that may be open, half of them one project's, a quarter while others call: each holds sorted rows in memory,
of 65,000 events 25 MB."""
MAX_STREAM_S = 3 * 3600
"""The longest time of a stream, however steadily it is read."""
MAINTENANCE_THREADS = 2
"""Threads of the background: new events are sealed while old ones are merged."""
_RETRY_S = 0.05


class _NeedsAllMemory(Exception):
    """A query is to be run again, alone."""


class _Job:
    """A piece of work and its session, from its request to its end."""

    def __init__(self, instance: Instance, project: int, forget: Callable[["_Job"], None], *, has_caller: bool) -> None:
        self.has_caller = has_caller
        self.is_evictable = has_caller
        """Ends when the log is long and it has held a state of the database for some time."""
        self.ends_soon = has_caller
        self.was_alone = True
        self.instance = instance
        self.project = project
        self._forget = forget
        self._opened = ExitStack()
        self._session: QuerySession | None = None
        self._reason: DeltaError | None = None
        self._lock = threading.Lock()
        self._running = threading.Lock()

    def whole(self, work: Callable[[QuerySession], T]) -> T:
        """`work`'s result; the session is closed after it."""
        try:
            return self.step(work)
        finally:
            self.close()

    def step(self, work: Callable[[QuerySession], T]) -> T:
        """`work`'s result, with failures as the caller is to see them."""
        session = None
        with self._running:
            try:
                session = self._begin()
                return work(session)
            except DeltaError:
                raise
            except Exception as error:
                reason = self._reason or (translated(error) if session is None else session.failed(error))
                raise reason from (None if reason is error else error)

    def stop(self, reason: DeltaError) -> None:
        """From any thread, more than once: a statement that only just began to run does not hear the first call."""
        with self._lock:
            self._reason = reason
            if self._session is not None:
                self._session.stop(reason)

    @property
    def held_s(self) -> float:
        """For how long it has held a state of the database."""
        session = self._session
        return 0.0 if session is None else session.held_s

    def close(self) -> None:
        """Blocks until the step that runs has ended."""
        with self._running:
            with self._lock:
                self._session = None
                self._reason = self._reason or shutting_down()
            self._opened.close()
        self._forget(self)

    def _begin(self) -> QuerySession:
        if self._session is None and self._reason is None:
            session = self.instance.open(self.project, self._opened)
            with self._lock:
                self._session = session
        if self._reason is not None or self._session is None:
            raise self._reason or shutting_down()
        return self._session


class Engine:
    """Made and used on the event loop, but for the work, which runs on threads."""

    def __init__(
        self,
        database: Path,
        options: Events,
        tuning: Tuning | None = None,
        *,
        spill: Path | None = None,
        callers: Callers | None = None,
        writing: Container[int] = (),
        cold: ColdPieces | None = None,
    ) -> None:
        """`database` is delta.db; what does not fit in memory goes into `spill`, this engine's alone: a directory
        beside it, of the one process that may write, when it is None. Queries of projects `writing` step back."""
        spill = spill or database.with_name("query-spill")
        self._instances = InstancePool(database, options, tuning or Tuning(), spill, cold)
        self._seconds = options.query_seconds
        behind = partial(lower_priority, WITH_LOCK)
        self._queries = ThreadPoolExecutor(MAX_QUERIES, thread_name_prefix="delta-query")
        self._later_queries = ThreadPoolExecutor(
            MAX_QUERIES, thread_name_prefix="delta-later-query", initializer=behind
        )
        self._background = ThreadPoolExecutor(
            MAINTENANCE_THREADS, thread_name_prefix="delta-events", initializer=behind
        )
        self._turns = Turns(MAX_QUERIES, callers=callers)
        self._writing = writing
        self._jobs: set[_Job] = set()
        self._streams: Counter[int] = Counter()

    async def run(
        self, project: int, work: Callable[[QuerySession], T], apart: Apart[T] | None = None, *, kind: str = ""
    ) -> T:
        """`work`'s result, or that of `apart`, which answers elsewhere what it can. Of one project, `kind`s take turns.
        Raises TooCostly past the deadline or the memory limit, Invalid for what SQL cannot convert or match,
        Unavailable when no thread became free, RateLimited when too much of the project waits."""
        await self._turns.take(project, seconds=self._seconds, kind=kind)
        if not self._instances.needs_all_memory(project):
            is_behind = self._turns.is_behind(project)
            answer = None if apart is None else apart.shared(is_behind=is_behind)
            try:
                if answer is None:
                    return await self._run_shared(project, work)
                return await self._run_apart_shared(project, answer, may_rest=not is_behind)
            except _NeedsAllMemory:
                pass
            await self._turns.take(project, seconds=self._seconds, kind=kind, has_begun=True)
        return await self._run_alone(project, work, apart)

    async def _run_shared(self, project: int, work: Callable[[QuerySession], T]) -> T:
        """In the place that was taken. Raises _NeedsAllMemory when there was too little memory beside others."""
        job = self._job(project)
        try:
            return await self._answer(job, self._submit_query(project, job.whole, work), self._seconds)
        except NoMemory:
            if self._instances.had_all_memory(job):
                raise
            raise _NeedsAllMemory from None

    async def _run_apart_shared(self, project: int, answer: Awaitable[T], *, may_rest: bool) -> T:
        """As `_run_shared`, elsewhere."""
        with self._instances.apart(project):
            try:
                return await self._run_apart(project, answer, may_rest=may_rest)
            except NoMemory:
                raise _NeedsAllMemory from None

    async def _run_apart(self, project: int, answer: Awaitable[T], *, may_rest: bool) -> T:
        try:
            return await answer
        finally:
            self._turns.give_back(project, may_rest=may_rest)

    async def _run_alone(self, project: int, work: Callable[[QuerySession], T], apart: Apart[T] | None) -> T:
        """In the place that was taken, once no other query needs the memory."""
        async with AsyncExitStack() as stack:
            try:
                exclusive = self._instances.exclusive(project, self._jobs, in_process=apart is not None)
                await stack.enter_async_context(exclusive)
            except BaseException:
                self._turns.give_back(project)
                raise
            if apart is not None and (answer := apart.alone()) is not None:
                return await self._run_apart(project, answer, may_rest=False)
            job = self._job(project, self._instances.larger)
            return await self._answer(job, self._submit_query(project, job.whole, work), self._seconds)

    def needs_all_memory(self, project: int) -> bool:
        """What it asks for now waits until it may have the larger share."""
        return self._instances.needs_all_memory(project)

    def apart(self, project: int) -> AbstractContextManager[None]:
        """See InstancePool, of work that others of this server run elsewhere; so is `all_memory`."""
        return self._instances.apart(project)

    def all_memory(self, project: int) -> AbstractAsyncContextManager[None]:
        return self._instances.exclusive(project, self._jobs, in_process=True)

    async def run_background(self, project: int, work: Callable[[QuerySession], T], *, is_evictable: bool = False) -> T:
        """As `run`, in the background's threads and for as long as it takes; what `is_evictable` may end as `run` does
        when much is written meanwhile. It is run again, with more memory, when the smaller share is too little."""

        async def run_in(instance: Instance) -> T:
            job = self._job(project, instance, has_caller=False)
            job.is_evictable = is_evictable
            return await self._answer(job, self._submit(self._background, job.whole, work), None)

        try:
            return await run_in(self._instances.smaller)
        except NoMemory:
            async with self._instances.large_turn:
                return await run_in(self._instances.larger)

    async def stream(
        self, project: int, work: Callable[[QuerySession], Iterator[T]], *, has_caller: bool = True
    ) -> AsyncGenerator[T, None]:
        """What the generator `work` yields, one by one and only when it is asked for. Each has the deadline of a whole
        query, and so has the time until the next is asked for; all together have STREAM_S. Close it (`aclose`) when it
        is not read to its end. Without a caller it is refused for nobody's sake, and nobody for its."""
        if has_caller:
            self._refuse_too_many(project)
        self._streams[project] += has_caller
        job = self._job(project, self._instances.larger)
        job.ends_soon = False
        last = asyncio.get_running_loop().call_later(MAX_STREAM_S, self._end, job, _too_long_a_stream())
        try:
            async for item in self._items(project, job, work):
                yield item
        finally:
            last.cancel()
            self._streams -= Counter({project: has_caller})
            self._end(job, shutting_down())

    def _refuse_too_many(self, project: int) -> None:
        if self._streams.total() >= MAX_STREAMS:
            raise Unavailable(f"{MAX_STREAMS} exports are running: try again when one has ended", retry_after_s=10)
        allowed = MAX_STREAMS // (4 if self._turns.have_others_called(project) else 2)
        if self._streams[project] >= allowed:
            raise RateLimited(
                f"{allowed} exports of this project are running: try again when one has ended",
                retry_after_s=10,
            )

    async def close(self) -> None:
        """End what runs, then release everything. May be called twice."""
        ending = asyncio.ensure_future(asyncio.to_thread(self._close_threads))
        while not ending.done():
            for job in list(self._jobs):
                job.stop(shutting_down())
            await asyncio.wait({ending}, timeout=_RETRY_S)
        await ending

    def _close_threads(self) -> None:
        for threads in (self._queries, self._later_queries, self._background):
            threads.shutdown(cancel_futures=True)
        for job in list(self._jobs):
            job.close()
        self._instances.close()

    def release(self, held_s: float) -> None:
        """End what callers wait for and what has held a state of the database for longer than that."""
        for job in list(self._jobs):
            if job.is_evictable and job.held_s > held_s:
                job.stop(HeldTooLong())

    def _job(self, project: int, instance: Instance | None = None, *, has_caller: bool = True) -> _Job:
        instance = instance or self._instances.choose(project, self._jobs)
        job = _Job(instance, project, self._jobs.discard, has_caller=has_caller)
        mark_shared(job, self._jobs)
        self._jobs.add(job)
        return job

    def _submit(self, threads: ThreadPoolExecutor, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        try:
            return threads.submit(fn, *args, **kwargs)
        except RuntimeError:  # closed, perhaps this very moment: no look at a flag beforehand would be sure
            raise shutting_down() from None

    def _submit_query(self, project: int, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `fn` in the place that was taken, which is free again when it has ended, not when its caller has."""
        loop = asyncio.get_running_loop()
        steps_back = project in self._writing or self._turns.is_behind(project)
        threads = self._later_queries if steps_back else self._queries
        try:
            future = self._submit(threads, fn, *args, **kwargs)
        except BaseException:
            self._turns.give_back(project)
            raise

        def ended(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._release_turn, project)

        future.add_done_callback(ended)
        return future

    def _release_turn(self, project: int) -> None:
        self._turns.give_back(project)
        self._instances.ended()

    async def _items(
        self, project: int, job: _Job, work: Callable[[QuerySession], Iterator[T]]
    ) -> AsyncGenerator[T, None]:
        loop = asyncio.get_running_loop()
        items: list[Iterator[T]] = []

        def step(session: QuerySession) -> list[T]:
            if not items:
                items.append(work(session))
            return list(islice(items[0], 1))

        seconds: float = self._seconds
        while True:
            await self._turns.take(project, seconds=seconds, kind="export", has_begun=bool(items))
            seconds = MAX_STREAM_S  # an answer that is half there does not end because others have come
            found = await self._answer(job, self._submit_query(project, job.step, step), self._seconds)
            if not found:
                return
            unread = loop.call_later(self._seconds, self._end, job, _unread(self._seconds))
            try:
                yield found[0]
            finally:
                unread.cancel()

    async def _answer(self, job: _Job, future: Future[T], seconds: int | None) -> T:
        waiting = asyncio.wrap_future(future)
        try:
            done, _ = await asyncio.wait({waiting}, timeout=seconds)
        except asyncio.CancelledError:
            self._abandon(job, future, waiting, shutting_down())
            raise
        if done:
            if waiting.cancelled():
                raise shutting_down()
            return waiting.result()
        reason = too_long(seconds or 0) if future.running() else Unavailable("too many queries wait: try again later")
        self._abandon(job, future, waiting, reason)
        raise reason

    def _abandon(self, job: _Job, future: Future[T], waiting: asyncio.Future[T], reason: DeltaError) -> None:
        """Stop the job until it has stopped; nobody looks at its result any more."""
        waiting.add_done_callback(_consume_exception)
        if future.cancel():  # it had not begun
            job.close()
            return
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if not future.done():
                job.stop(reason)
                loop.call_later(_RETRY_S, stop)

        stop()

    def _end(self, job: _Job, reason: DeltaError) -> None:
        """Stop a stream's job, and close it on a thread once its step has ended."""
        job.stop(reason)
        with suppress(RuntimeError):  # closed: `close` closes the jobs too
            self._queries.submit(job.close)


def _consume_exception(ended: asyncio.Future[Any]) -> None:
    """An exception that is never retrieved would be logged."""
    if not ended.cancelled():
        ended.exception()


def _too_long_a_stream() -> TooCostly:
    return TooCostly(f"an answer may take {MAX_STREAM_S // 3600} hours: ask for a shorter time range")


def _unread(seconds: int) -> TooCostly:
    return TooCostly(f"nothing was read for {seconds} s: read the answer as it comes, or ask for a shorter time range")
