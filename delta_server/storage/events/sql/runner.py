"""SQL of callers, run in processes of its own (sql/worker.py says why): a few at a time, ended at the deadline.

A process is started when it is needed, which takes half a second, and kept for the next question for a while; each
question has a fresh DuckDB, so nothing of one is there for another.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from delta_server.core.errors import DatabaseFailed, Invalid, TooCostly
from delta_server.core.query.plan import Sql
from delta_server.storage.cold.pieces import RETRY_S, ColdStorageAway
from delta_server.storage.eventlog import QueryResult
from delta_server.storage.events.options import Events
from delta_server.storage.events.sql.worker import ARGUMENT, SqlRequest, SqlResponse, WorkerSetup
from delta_server.storage.events.workers import Workers
from delta_server.storage.sql_view import View
from delta_server.storage.turns import Callers, Turns

MAX_PROCESSES = 2
"""Questions that run at once; each may take events.query_memory_bytes."""
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
    ) -> None:
        """`kept`: see `child.environment`."""
        setup = WorkerSetup(
            str(database.absolute()),
            options.query_memory_bytes,
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

    async def run_query(self, project: int, plan: Sql) -> QueryResult:
        """Raises Invalid for what may not be run or has no answer, TooCostly past the deadline or the memory limit,
        Unavailable when no process became free, RateLimited when too much of the project waits."""
        await self._turns.take(project, seconds=self._seconds)
        try:
            request = SqlRequest(project, plan.text, plan.params, plan.limit)
            answer = await self._workers.ask(msgspec.msgpack.encode(request))
        finally:
            self._turns.give_back(project)
        answered = msgspec.msgpack.decode(answer, type=SqlResponse)
        if answered.refused is not None and answered.damaged:
            raise DatabaseFailed(answered.refused)
        if answered.refused is not None and answered.away:
            raise ColdStorageAway(answered.refused, retry_after_s=RETRY_S)
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
        self._workers.release(held_s)

    async def close(self) -> None:
        await self._workers.close()
