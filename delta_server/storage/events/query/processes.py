"""Callers' queries in processes of their own, while several projects call.

In the server a query needs the interpreter's lock a hundred times, for each piece of a file that DuckDB reads and for
its rows: it waits for whatever else computes there, and all else waits for it. In a process of its own it does neither,
and the system gives it a core by itself. Who calls alone is answered in the server, without a process's memory, and so
is what comes while a process is being started.
"""

import pickle
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from delta_server.core.query.plan import Plan
from delta_server.storage.database import Threads
from delta_server.storage.eventlog import QueryResult
from delta_server.storage.events.options import Events
from delta_server.storage.events.query.worker import AHEAD, ARGUMENT, BEHIND, QueryQuestion, QuerySetup
from delta_server.storage.events.workers import Workers
from delta_server.storage.turns import Callers

IDLE_S = 120.0
MEMORY = {BEHIND: 1 / 4, AHEAD: 1 / 4}
"""Of the memory for queries. What needs more is answered in the server, alone."""


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
        self._workers = {
            kind: Workers(
                ARGUMENT,
                kind,
                setup=msgspec.msgpack.encode(
                    QuerySetup(str(database.absolute()), int(options.query_memory_bytes * MEMORY[kind]), count)
                ),
                seconds=float(options.query_seconds),
                idle_s=IDLE_S,
                kept=kept,
            )
            for kind, count in ((BEHIND, threads), (AHEAD, max(1, threads // 2)))
        }

    def answering(self, project: int, plan: Plan) -> Callable[[bool], Awaitable[QueryResult] | None] | None:
        """What answers the plan when its turn has come: see Engine.run. None when nobody else calls."""
        return partial(self._answer_if_ready, project, plan) if self._callers.count() > 1 else None

    def _answer_if_ready(self, project: int, plan: Plan, is_behind: bool) -> Awaitable[QueryResult] | None:
        workers = self._workers[BEHIND if is_behind else AHEAD]
        if workers.is_ready:
            return self._run(workers, QueryQuestion(project, plan))
        workers.prepare()
        return None

    async def _run(self, workers: Workers, question: QueryQuestion) -> QueryResult:
        answer = await workers.ask(pickle.dumps(question, protocol=5))
        if len(answer) < LARGE_BYTES:
            return _result(answer)
        return await self._cpu(_result, answer)

    def release(self, held_s: float) -> None:
        for workers in self._workers.values():
            workers.release(held_s)

    async def close(self) -> None:
        for workers in self._workers.values():
            await workers.close()


def _result(answer: bytes) -> QueryResult:
    failed, value = pickle.loads(answer)  # noqa: S301 - of a process of ours
    if failed:
        raise value
    result: QueryResult = value
    return result
