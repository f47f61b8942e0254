"""DuckDB, which answers queries about events and writes Parquet: one instance in memory, on threads of its own.

Work is a plain function of a `Reading`: one state of one project's events and a connection to run SQL on it.

    answer = await engine.run(project, lambda reading: reading.rows("SELECT ...", [value]))

`run` is for callers who wait: a few at a time, under the deadline, ended at once when the caller is cancelled. `stream`
gives what a generator yields, a step at a time. `tend` is for the background: two at a time, without a deadline.
The instance can open nothing but the paths of files.py, and its settings are locked: no SQL reaches anything else.
"""

import asyncio
import os
import secrets
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar

from delta_server.config import Events
from delta_server.core.errors import DeltaError, RateLimited, TooCostly, Unavailable
from delta_server.storage.connection import Tuning
from delta_server.storage.database import Row
from delta_server.storage.events.failures import told
from delta_server.storage.events.snapshot import Snapshot, Snapshots
from delta_server.storage.priority import step_back
from delta_server.storage.transaction import shutting_down
from delta_server.storage.turns import Turns

P = ParamSpec("P")
T = TypeVar("T")

QUERIES = 3
"""Queries that run at once; each uses all of DuckDB's threads, more would only share them and the memory."""
STREAMS = 8
"""Streams that may be open, half of them one project's: each holds a state of the database, whose log cannot be
shortened meanwhile."""
TENDERS = 2
"""Threads of the background: new events are sealed while old ones are merged."""
COUNTED_EIGHTHS = 7
"""Of the memory for queries, what DuckDB is told of: it takes more than it counts. With 512 MiB and three queries
that fill them at once, the server was 650 MiB with all eighths and is 581 MiB with seven, 100 of it not for queries."""
BATCH_ROWS = 1024
_AGAIN_S = 0.05

PARQUET = (
    "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL 6, ROW_GROUP_SIZE 131072,"
    " USE_TMP_FILE false"
)
"""How segments are written; `copy` takes others."""


class Reading:
    """What work is handed; used by one thread at a time."""

    def __init__(self, snapshot: Snapshot, instance: Any, files: Any, spill: Path) -> None:
        self.snapshot = snapshot
        self._spill = spill
        self._cursor = instance.cursor()
        self._files = files
        self._stopped: DeltaError | None = None

    def rows(self, sql: str, params: Sequence[Any] = ()) -> tuple[tuple[str, ...], list[Row]]:
        """(names of the columns, all rows) of a statement with `?` or `$1` for `params`."""
        columns = self._execute(sql, params)
        return columns, self._cursor.fetchall()

    def batches(self, sql: str, params: Sequence[Any] = (), *, rows: int = BATCH_ROWS) -> Iterator[list[Row]]:
        """The rows a batch at a time as DuckDB finds them. No other statement may run on this Reading meanwhile."""
        self._execute(sql, params)
        while batch := self._cursor.fetchmany(rows):
            yield batch

    def copy(self, select: str, params: Sequence[Any] = (), *, options: str = PARQUET) -> bytes:
        """The file that COPY writes of `select`'s rows."""
        path = f"new://{secrets.token_hex(16)}"
        self._execute(f"COPY ({select}) TO '{path}' ({options})", params)
        written: bytes = self._files.written(path)
        return written

    def copy_into(self, file: BinaryIO, select: str, params: Sequence[Any] = (), *, options: str = PARQUET) -> None:
        """As `copy`, written into an open file."""
        with self._files.leading_to(file) as path:
            self._execute(f"COPY ({select}) TO '{path}' ({options})", params)

    @contextmanager
    def scratch(self) -> Iterator[BinaryIO]:
        """A file without a name, where DuckDB's own are: gone at the end of the block, or of the process."""
        with tempfile.TemporaryFile(dir=self._spill) as file:
            yield file

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        """A statement without an answer: CREATE TEMP VIEW. What it makes is gone with the Reading."""
        self._execute(sql, params)

    def stop(self, reason: DeltaError) -> None:
        """From any thread: make what runs raise, and what would run next."""
        self._stopped = reason
        self.snapshot.stop()
        self._cursor.interrupt()

    def failed(self, error: Exception) -> Exception:
        """What the caller is told when `error` came out of the work; a damaged file is named."""
        if self._stopped is None:
            self.snapshot.recheck(error, self.run)
        return self._stopped or told(self.snapshot.failure or error)

    def close(self) -> None:
        self._cursor.close()

    def _execute(self, sql: str, params: Sequence[Any]) -> tuple[str, ...]:
        if self._stopped is not None:
            raise self._stopped
        self._cursor.execute(sql, list(params))
        return tuple(column[0] for column in self._cursor.description or ())


class _Job:
    """A piece of work and its Reading, from when it is asked for until it has ended."""

    def __init__(self, instance: "_Instance", project: int, forget: Callable[["_Job"], None]) -> None:
        self._instance = instance
        self._project = project
        self._forget = forget
        self._opened = ExitStack()
        self._reading: Reading | None = None
        self._reason: DeltaError | None = None
        self._lock = threading.Lock()
        self._running = threading.Lock()

    def whole(self, work: Callable[[Reading], T]) -> T:
        """`work`'s result; the Reading is closed behind it."""
        try:
            return self.step(work)
        finally:
            self.close()

    def step(self, work: Callable[[Reading], T]) -> T:
        """`work`'s result, with failures as the caller is to see them."""
        reading = None
        with self._running:
            try:
                reading = self._begin()
                return work(reading)
            except DeltaError:
                raise
            except Exception as error:
                reason = self._reason or (told(error) if reading is None else reading.failed(error))
                raise reason from (None if reason is error else error)

    def stop(self, reason: DeltaError) -> None:
        """From any thread, more than once: a statement that only just began to run does not hear the first call."""
        with self._lock:
            self._reason = reason
            if self._reading is not None:
                self._reading.stop(reason)

    def close(self) -> None:
        """Blocks until the step that runs has ended."""
        with self._running:
            with self._lock:
                self._reading = None
                self._reason = self._reason or shutting_down()
            self._opened.close()
        self._forget(self)

    def _begin(self) -> Reading:
        if self._reading is None and self._reason is None:
            reading = self._instance.open(self._project, self._opened)
            with self._lock:
                self._reading = reading
        if self._reason is not None or self._reading is None:
            raise self._reason or shutting_down()
        return self._reading


class _Instance:
    """DuckDB itself, made when it is first used: the import takes 0.3 s and 65 MB."""

    def __init__(self, database: Path, options: Events, tuning: Tuning, spill: Path) -> None:
        self._spill = spill
        self._options = options
        self._snapshots = Snapshots(database, tuning)
        self._lock = threading.Lock()
        self._connection: Any = None
        self._files: Any = None

    def open(self, project: int, opened: ExitStack) -> Reading:
        """A Reading that `opened` closes. Blocks; raises apsw.Error."""
        with self._lock:
            if self._connection is None:
                self._start()
        snapshot = opened.enter_context(self._snapshots.open(project))
        reading = Reading(snapshot, self._connection, self._files, self._spill)
        opened.callback(reading.close)
        return reading

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                shutil.rmtree(self._spill, ignore_errors=True)
        self._snapshots.close()

    def _start(self) -> None:
        import duckdb

        from delta_server.storage.events.files import PROTOCOLS, EventFiles

        shutil.rmtree(self._spill, ignore_errors=True)
        self._spill.mkdir(mode=0o700)
        connection = duckdb.connect(
            config={
                "threads": self._options.query_threads or os.cpu_count() or 1,
                "memory_limit": f"{self._options.query_memory_bytes * COUNTED_EIGHTHS // 8}B",
                "temp_directory": str(self._spill),
                "preserve_insertion_order": False,  # what needs an order asks for it; the rest may run in parallel
                "enable_external_file_cache": False,  # no path is read twice: each holds its query's token
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self._files = EventFiles(self._snapshots.find)
        connection.register_filesystem(self._files)
        connection.execute(f"SET allowed_directories = {[f'{protocol}://' for protocol in PROTOCOLS]}")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        self._connection = connection


class Engine:
    """Made and used on the event loop, but for the work, which runs on threads."""

    def __init__(
        self, database: Path, options: Events, tuning: Tuning | None = None, *, spill: Path | None = None
    ) -> None:
        """`database` is delta.db; what does not fit in memory goes into `spill`, which is this engine's alone: a
        directory beside it, of the one process that may write, when it is None."""
        spill = spill or database.with_name("query-spill")
        self._instance = _Instance(database, options, tuning or Tuning(), spill)
        self._seconds = options.query_seconds
        self._queries = ThreadPoolExecutor(QUERIES, thread_name_prefix="delta-query", initializer=step_back)
        self._background = ThreadPoolExecutor(TENDERS, thread_name_prefix="delta-tend", initializer=step_back)
        self._turns = Turns(QUERIES)
        self._jobs: set[_Job] = set()
        self._streams: Counter[int] = Counter()

    async def run(self, project: int, work: Callable[[Reading], T]) -> T:
        """`work`'s result. Raises TooCostly past the deadline or the memory limit, Invalid for what SQL cannot convert
        or match, Unavailable when no thread became free, RateLimited when too much of the project waits."""
        await self._turns.take(project, seconds=self._seconds)
        job = self._job(project)
        return await self._answer(job, self._submit_query(project, job.whole, work), self._seconds)

    async def tend(self, project: int, work: Callable[[Reading], T]) -> T:
        """As `run`, in the background's threads and for as long as it takes."""
        job = self._job(project)
        return await self._answer(job, self._submit(self._background, job.whole, work), None)

    async def stream(self, project: int, work: Callable[[Reading], Iterator[T]]) -> AsyncGenerator[T, None]:
        """What the generator `work` yields, one by one and only when it is asked for. Each has the deadline of a whole
        query, and so has the time until the next is asked for. Close it (`aclose`) when it is not read to its end."""
        if self._streams.total() >= STREAMS:
            raise Unavailable(f"{STREAMS} exports are running: try again when one has ended", retry_after_s=10)
        if self._streams[project] >= STREAMS // 2:
            raise RateLimited(
                f"{STREAMS // 2} exports of this project are running: try again when one has ended", retry_after_s=10
            )
        self._streams[project] += 1
        job = self._job(project)
        try:
            async for item in self._items(project, job, work):
                yield item
        finally:
            self._streams -= Counter({project: 1})
            self._end(job, shutting_down())

    async def close(self) -> None:
        """End what runs, then let go of everything. May be called twice."""
        ending = asyncio.ensure_future(asyncio.to_thread(self._shut))
        while not ending.done():
            for job in list(self._jobs):
                job.stop(shutting_down())
            await asyncio.wait({ending}, timeout=_AGAIN_S)
        await ending

    def _shut(self) -> None:
        for threads in (self._queries, self._background):
            threads.shutdown(cancel_futures=True)
        for job in list(self._jobs):
            job.close()
        self._instance.close()

    def _job(self, project: int) -> _Job:
        job = _Job(self._instance, project, self._jobs.discard)
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
        try:
            future = self._submit(self._queries, fn, *args, **kwargs)
        except BaseException:
            self._turns.give_back(project)
            raise

        def ended(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._turns.give_back, project)

        future.add_done_callback(ended)
        return future

    async def _items(self, project: int, job: _Job, work: Callable[[Reading], Iterator[T]]) -> AsyncGenerator[T, None]:
        loop = asyncio.get_running_loop()
        items: list[Iterator[T]] = []

        def step(reading: Reading) -> list[T]:
            if not items:
                items.append(work(reading))
            return list(islice(items[0], 1))

        while True:
            await self._turns.take(project, seconds=self._seconds)
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
            self._give_up(job, future, waiting, shutting_down())
            raise
        if done:
            if waiting.cancelled():
                raise shutting_down()
            return waiting.result()
        reason = _too_long(seconds) if future.running() else Unavailable("too many queries wait: try again later")
        self._give_up(job, future, waiting, reason)
        raise reason

    def _give_up(self, job: _Job, future: Future[T], waiting: asyncio.Future[T], reason: DeltaError) -> None:
        """Stop the job until it has stopped; nobody looks at its result any more."""
        waiting.add_done_callback(_look_away)
        if future.cancel():  # it had not begun
            job.close()
            return
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if not future.done():
                job.stop(reason)
                loop.call_later(_AGAIN_S, stop)

        stop()

    def _end(self, job: _Job, reason: DeltaError) -> None:
        """Stop a stream's job, and close it on a thread once its step has ended."""
        job.stop(reason)
        with suppress(RuntimeError):  # closed: `close` closes the jobs too
            self._queries.submit(job.close)


def _look_away(ended: asyncio.Future[Any]) -> None:
    """An exception nobody asked for would be logged."""
    if not ended.cancelled():
        ended.exception()


def _too_long(seconds: int | None) -> TooCostly:
    return TooCostly(
        f"the query ran longer than events.query_seconds ({seconds} s): ask for a shorter time range or less detail"
    )


def _unread(seconds: int) -> TooCostly:
    return TooCostly(f"nothing was read for {seconds} s: read the answer as it comes, or ask for a shorter time range")
