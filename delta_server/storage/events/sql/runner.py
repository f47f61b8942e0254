"""SQL of callers, run in processes of its own (sql/worker.py says why): a few at a time, ended at the deadline.

A process is started when it is needed, which takes half a second, and kept for the next question for a while; each
question has a fresh DuckDB, so nothing of one is there for another.
"""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog

from delta_server.core.errors import DatabaseFailed, DeltaError, Invalid, TooCostly, Unavailable
from delta_server.core.query.plan import Sql
from delta_server.storage.child import Child
from delta_server.storage.eventlog import QueryResult
from delta_server.storage.events.duckdb.failures import held_too_long
from delta_server.storage.events.options import Events
from delta_server.storage.events.sql.worker import (
    ARGUMENT,
    EXIT_DEADLINE,
    SqlRequest,
    SqlResponse,
    WorkerSetup,
    too_long,
)
from delta_server.storage.sql_view import View
from delta_server.storage.sqlite.transaction import shutting_down
from delta_server.storage.turns import Callers, Turns

log = structlog.get_logger("delta.sql")

MAX_PROCESSES = 2
"""Questions that run at once; each may take events.query_memory_bytes."""
MAX_QUERIES_PER_PROCESS = 100
"""A process answers so many: what it has taken of memory it does not give back."""
IDLE_S = 60.0
_GRACE_S = 2.0
"""How much later than the deadline a process that does not end by itself is ended."""
_START_S = 30.0


class SqlProcesses:
    def __init__(
        self,
        database: Path,
        options: Events,
        *,
        cores: int,
        views: Mapping[str, View],
        callers: Callers | None = None,
    ) -> None:
        self._setup = WorkerSetup(
            str(database.absolute()),
            options.query_memory_bytes,
            options.query_threads or cores,
            float(options.query_seconds),
            dict(views),
        )
        self._turns = Turns(MAX_PROCESSES, callers=callers)
        self._idle: list[_WorkerProcess] = []
        self._busy: set[_WorkerProcess] = set()
        self._closed = False

    async def run_query(self, project: int, plan: Sql) -> QueryResult:
        """Raises Invalid for what may not be run or has no answer, TooCostly past the deadline or the memory limit,
        Unavailable when no process became free, RateLimited when too much of the project waits."""
        await self._turns.take(project, seconds=self._setup.seconds)
        try:
            answered = await self._run_in_worker(SqlRequest(project, plan.text, plan.params, plan.limit))
        finally:
            self._turns.give_back(project)
        if answered.refused is not None and answered.damaged:
            raise DatabaseFailed(answered.refused)
        if answered.refused is not None:
            raise Invalid(answered.refused, field="sql") if answered.invalid else TooCostly(answered.refused)
        return QueryResult(
            answered.columns,
            [],
            scanned=answered.scanned,
            types=answered.types,
            truncated=answered.truncated,
            written=answered.rows,
        )

    def release(self, held_s: float) -> None:
        """End what has held a state of the database for longer than that."""
        for worker in self._busy:
            worker.release(held_s)

    async def close(self) -> None:
        self._closed = True
        for worker in [*self._idle, *self._busy]:
            await worker.end()
        self._idle.clear()

    async def _run_in_worker(self, request: SqlRequest) -> SqlResponse:
        if self._closed:
            raise shutting_down()
        worker = next((worker for worker in self._take_idle() if worker.alive), None) or _WorkerProcess(self._setup)
        self._busy.add(worker)
        try:
            async with worker:
                answered = await worker.ask(request)
        finally:
            self._busy.discard(worker)
        if self._closed or answered.worn or worker.questions >= MAX_QUERIES_PER_PROCESS:
            await worker.end()
        else:
            worker.park(self._idle)
        return answered

    def _take_idle(self) -> Iterator["_WorkerProcess"]:
        """The idle ones, the last used first, each of them removed."""
        while self._idle:
            yield self._idle.pop()


class _WorkerProcess:
    """One process. Leaving its block by an exception ends it."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._setup = setup
        self._process: Child | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._asked_s: float | None = None
        self._let_go = False
        self.questions = 0

    @property
    def alive(self) -> bool:
        """Nobody has ended the process meanwhile: the system does when memory is short."""
        return self._process is not None and self._process.returncode is None

    async def ask(self, request: SqlRequest) -> SqlResponse:
        self.questions += 1
        if self._resting is not None:
            self._resting.cancel()
        if self._process is None:
            await self._start()
        self._asked_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._setup.seconds + _GRACE_S):
                return await self._exchange(request)
        except TimeoutError:
            raise TooCostly(too_long(self._setup.seconds)) from None
        except (asyncio.IncompleteReadError, ConnectionError, RuntimeError):  # uvloop's word for a closed pipe
            raise await self._exit_error() from None

    def release(self, held_s: float) -> None:
        """End the process when its question has taken longer than that."""
        if self.alive and self._asked_s is not None and asyncio.get_running_loop().time() - self._asked_s > held_s:
            assert self._process is not None
            self._let_go = True
            self._process.kill()

    def park(self, idle: "list[_WorkerProcess]") -> None:
        """Wait among the others for the next question, for a while."""
        self._asked_s = None
        idle.append(self)

        def leave() -> None:
            if self in idle:
                idle.remove(self)
                if self._process is not None and self._process.stdin is not None:
                    self._process.stdin.close()  # the end of its stdin ends it

        self._resting = asyncio.get_running_loop().call_later(IDLE_S, leave)

    async def end(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            await asyncio.shield(self.end())

    async def _start(self) -> None:
        self._process = await Child.start(ARGUMENT, asked=True)
        try:
            async with asyncio.timeout(_START_S):
                await self._exchange(self._setup)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
            log.error("the process for SQL does not start", exc_info=error)
            raise Unavailable("SQL cannot be run now: try again later", retry_after_s=30) from None

    async def _exchange(self, frame: Any) -> SqlResponse:
        assert self._process is not None
        assert self._process.stdin is not None
        packed = msgspec.msgpack.encode(frame)
        self._process.stdin.write(len(packed).to_bytes(4) + packed)
        await self._process.stdin.drain()
        size = int.from_bytes(await self._process.stdout.readexactly(4))
        return msgspec.msgpack.decode(await self._process.stdout.readexactly(size), type=SqlResponse)

    async def _exit_error(self) -> DeltaError:
        assert self._process is not None
        code = await self._process.wait()
        if self._let_go:
            return held_too_long()
        log.warning("a query ended its process", exit_code=code)
        if code == EXIT_DEADLINE:
            return TooCostly(too_long(self._setup.seconds))
        if code == 1:  # a traceback is on stderr
            return DeltaError("something went wrong in the server; its log has more")
        return TooCostly("the query took more memory or more time than it may: ask for less")
