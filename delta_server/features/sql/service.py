"""SQL of callers on their own project."""

import msgspec

from delta_server.core.query.plan import Sql
from delta_server.features.sql.schemas import Column, Statement
from delta_server.services import Services


class Found(msgspec.Struct, frozen=True):
    """`rows` is a JSON array of objects."""

    columns: list[Column]
    rows: msgspec.Raw
    truncated: bool
    scanned: int


async def run(svc: Services, project: int, statement: Statement) -> Found:
    """Raises Invalid for what may not be run, TooCostly past the deadline or the memory limit."""
    plan = Sql(statement.sql, statement.limit, tuple(statement.params))
    answer = await svc.event_reader.run_query(project, plan)
    columns = [Column(name, kind) for name, kind in zip(answer.columns, answer.types, strict=True)]
    return Found(columns, msgspec.Raw(answer.written), answer.truncated, answer.scanned)
