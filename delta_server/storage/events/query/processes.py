"""Callers' queries in processes of their own, while several projects call.

In the server a query needs the interpreter's lock a hundred times, for each piece of a file that DuckDB reads and for
its rows: it waits for whatever else computes there, and all else waits for it. In a process of its own it does neither,
and the system gives it a core by itself. Who calls alone is answered in the server, without a process's memory, and so
is what comes while a process is being started.
"""

import asyncio
import pickle
import shutil
from collections.abc import Awaitable, Sequence
from pathlib import Path

import msgspec

from delta_server.core.query.plan import Plan
from delta_server.storage.database import Threads
from delta_server.storage.eventlog import QueryResult
from delta_server.storage.events.duckdb.shares import ALONE
from delta_server.storage.events.options import Events
from delta_server.storage.events.query.worker import AHEAD, ARGUMENT, BEHIND, QueryQuestion, QuerySetup
from delta_server.storage.events.workers import Workers
from delta_server.storage.turns import Callers

IDLE_S = 120.0
SHARED = 1 / 4
"""Of the memory for queries, what a process has. What needs more is answered by one of its own, alone."""

LARGE_BYTES = 16 << 10
"""An answer of so many bytes is read on a thread: it may be 500 rows, which take 0.3 ms."""


class QueryProcesses:
    """Used on the event loop."""

    def __init__(
        self,
        database: Path,
        options: Events,
        *,
        cores: int,
        callers: Callers,
        cpu: Threads,
        kept: Sequence[str] = (),
    ) -> None:
        """`kept`: see `child.environment`."""
        threads = options.query_threads or cores
        self._callers = callers
        self._cpu = cpu
        self._spill = database.absolute().with_name("query-spill-alone")

        def workers(kind: str, memory_bytes: float, threads: int, spill: str | None = None) -> Workers:
            setup = QuerySetup(str(database.absolute()), int(memory_bytes), threads, spill)
            return Workers(
                ARGUMENT,
                kind,
                setup=msgspec.msgpack.encode(setup),
                seconds=float(options.query_seconds),
                idle_s=IDLE_S,
                max_questions=None if spill is None else 1,
                kept=kept,
            )

        self._shared = {
            kind: workers(kind, options.query_memory_bytes * SHARED, count)
            for kind, count in ((BEHIND, threads), (AHEAD, max(1, threads // 2)))
        }
        self._alone = workers(BEHIND, options.query_memory_bytes * ALONE, max(1, threads // 2), str(self._spill))
        """Each process for one question: the system has its memory back at once."""

    def answering(self, project: int, plan: Plan) -> "QueryApart | None":
        """What answers the plan when its turn has come: see Engine.run. None when nobody else calls."""
        return QueryApart(self, QueryQuestion(project, plan)) if self._callers.count() > 1 else None

    def answer_if_ready(self, question: QueryQuestion, *, is_behind: bool) -> Awaitable[QueryResult] | None:
        """None while a process starts, but not for who is behind: what it asks for keeps the server from the others."""
        workers = self._shared[BEHIND if is_behind else AHEAD]
        if workers.is_ready or (is_behind and workers.may_start):
            return self._run(workers, question)
        workers.prepare()
        return None

    def answer_alone(self, question: QueryQuestion) -> Awaitable[QueryResult] | None:
        """One at a time. None when no process starts."""
        return self._run_alone(question) if self._alone.may_start else None

    async def _run_alone(self, question: QueryQuestion) -> QueryResult:
        try:
            return await self._run(self._alone, question)
        finally:
            await asyncio.to_thread(shutil.rmtree, self._spill, ignore_errors=True)

    async def _run(self, workers: Workers, question: QueryQuestion) -> QueryResult:
        answer = await workers.ask(pickle.dumps(question, protocol=5))
        if len(answer) < LARGE_BYTES:
            return _result(answer)
        return await self._cpu(_result, answer)

    def release(self, held_s: float) -> None:
        for workers in (*self._shared.values(), self._alone):
            workers.release(held_s)

    async def close(self) -> None:
        for workers in (*self._shared.values(), self._alone):
            await workers.close()


class QueryApart:
    """One plan, as the engine asks for its answer (`Apart`)."""

    def __init__(self, processes: QueryProcesses, question: QueryQuestion) -> None:
        self._processes = processes
        self._question = question

    def shared(self, *, is_behind: bool) -> Awaitable[QueryResult] | None:
        return self._processes.answer_if_ready(self._question, is_behind=is_behind)

    def alone(self) -> Awaitable[QueryResult] | None:
        return self._processes.answer_alone(self._question)


def _result(answer: bytes) -> QueryResult:
    failed, value = pickle.loads(answer)  # noqa: S301 - of a process of ours
    if failed:
        raise value
    result: QueryResult = value
    return result
