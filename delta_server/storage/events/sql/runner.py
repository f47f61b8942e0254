"""SQL of callers, run in processes of its own (sql/worker.py says why): a few at a time, ended at the deadline.

A process is started when it is needed, which takes half a second, and kept for the next question for a while; each
question has a fresh DuckDB, so nothing of one is there for another.

While several projects call, a question has a part of the memory for queries, and is run again with the larger share
when that is too little, as any query (duckdb/shares.py).
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from delta_server.core.errors import DatabaseFailed, Invalid, TooCostly
from delta_server.core.query.plan import Sql
from delta_server.storage.cold.pieces import RETRY_S, ColdStorageAway
from delta_server.storage.eventlog import QueryResult
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.failures import NoMemory
from delta_server.storage.events.duckdb.shares import ALONE, LARGER, counted_bytes
from delta_server.storage.events.options import Events
from delta_server.storage.events.sql.worker import ARGUMENT, SqlRequest, SqlResponse, WorkerSetup
from delta_server.storage.events.workers import Workers
from delta_server.storage.sql_view import View
from delta_server.storage.turns import Callers, Turns

MAX_PROCESSES = 2
"""Questions that run at once."""
SHARED = 1 / 4
"""Of the memory for queries, what one has while several projects call."""
MAX_QUERIES_PER_PROCESS = 100
"""A process answers so many: what it has taken of memory it does not give back."""
IDLE_S = 60.0


class SqlProcesses:
    def __init__(
        self,
        database: Path,
        options: Events,
        *,
        cores: int,
        views: Mapping[str, View],
        callers: Callers | None = None,
        kept: Sequence[str] = (),
        engine: Engine | None = None,
    ) -> None:
        """`kept`: see `child.environment`; `engine` answers all other queries, which need memory too."""
        self._most_bytes = int(counted_bytes(options) * LARGER)
        self._alone_bytes = int(options.query_memory_bytes * ALONE)
        self._shared_bytes = int(options.query_memory_bytes * SHARED)
        setup = WorkerSetup(
            str(database.absolute()),
            self._most_bytes,
            options.query_threads or cores,
            float(options.query_seconds),
            dict(views),
        )
        self._seconds = setup.seconds
        self._workers = Workers(
            ARGUMENT,
            setup=msgspec.msgpack.encode(setup),
            seconds=setup.seconds,
            idle_s=IDLE_S,
            max_questions=MAX_QUERIES_PER_PROCESS,
            kept=kept,
        )
        self._turns = Turns(MAX_PROCESSES, callers=callers)
        self._callers = callers
        self._engine = engine

    async def run_query(self, project: int, plan: Sql) -> QueryResult:
        """Raises Invalid for what may not be run or has no answer, TooCostly past the deadline or the memory limit,
        Unavailable when no process became free or others need the memory, RateLimited when too much of the project
        waits."""
        request = SqlRequest(project, plan.text, plan.params, plan.limit, self._most_bytes, plan.only_checked)
        await self._turns.take(project, seconds=self._seconds)
        try:
            if self._engine is None or self._callers is None or self._callers.count() <= 1:
                return await self._answer(request)
            return await self._answer_beside(self._engine, request)
        finally:
            self._turns.give_back(project)

    async def _answer_beside(self, engine: Engine, request: SqlRequest) -> QueryResult:
        """While others call."""
        if not engine.needs_all_memory(request.project):
            with suppress(NoMemory), engine.apart(request.project):
                return await self._answer(msgspec.structs.replace(request, memory_bytes=self._shared_bytes))
        async with engine.all_memory(request.project):
            return await self._answer(msgspec.structs.replace(request, memory_bytes=self._alone_bytes))

    async def _answer(self, request: SqlRequest) -> QueryResult:
        answer = await self._workers.ask(msgspec.msgpack.encode(request))
        answered = msgspec.msgpack.decode(answer, type=SqlResponse)
        if answered.refused is None:
            return QueryResult(
                answered.columns,
                [],
                scanned=answered.scanned,
                types=answered.types,
                truncated=answered.truncated,
                written=answered.rows,
            )
        if answered.damaged:
            raise DatabaseFailed(answered.refused)
        if answered.away:
            raise ColdStorageAway(answered.refused, retry_after_s=RETRY_S)
        if answered.invalid:
            raise Invalid(answered.refused, field="sql")
        raise NoMemory(answered.refused) if answered.needs_memory else TooCostly(answered.refused)

    def release(self, held_s: float) -> None:
        """End what has held a state of the database for longer than that."""
        self._workers.release(held_s)

    async def close(self) -> None:
        await self._workers.close()
