"""Plans answered: by the engine in the server, or in a process of its own."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from delta_server.core.query.plan import Aggregate, Listing, Plan, Sql
from delta_server.storage.database import Database, Row
from delta_server.storage.eventlog import QueryResult
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.query import person_joins
from delta_server.storage.events.query.answers import Answers, version
from delta_server.storage.events.query.processes import QueryProcesses
from delta_server.storage.events.query.read_view import ALWAYS


class QueryRunner:
    """What EventReader promises; see there."""

    def __init__(self, db: Database, engine: Engine, answers: Answers, processes: QueryProcesses | None = None) -> None:
        self._db = db
        self._engine = engine
        self._answers = answers
        self._processes = processes

    async def run_query(self, project: int, plan: Plan) -> QueryResult:
        apart = None if self._processes is None else self._processes.answering(project, plan)
        kind = type(plan).__name__
        return await self._engine.run(project, lambda session: self._answers.answer(session, plan), apart, kind=kind)

    async def stream_query(
        self, project: int, plan: Plan, *, has_caller: bool = True
    ) -> AsyncGenerator[list[Row], None]:
        streamed = self._engine.stream(
            project, lambda session: self._answers.stream_rows(session, plan), has_caller=has_caller
        )
        async with aclosing(streamed) as batches:
            async for batch in batches:
                yield batch

    async def export_parquet(self, project: int, plan: Listing | Aggregate) -> AsyncGenerator[bytes, None]:
        streamed = self._engine.stream(project, lambda session: self._answers.stream_parquet(session, plan))
        async with aclosing(streamed) as pieces:
            async for piece in pieces:
                yield piece

    async def version(self, project: int, plan: Plan) -> bytes:
        span = ALWAYS if isinstance(plan, Sql) else plan.span
        return await self._db.read(version, project, span, users=person_joins.depends_on_links(plan))
