"""SQL of callers on their own project."""

from hashlib import sha256

import msgspec

from delta_server.core.query.plan import Sql
from delta_server.core.query.statements import Statement as Statement
from delta_server.features.audit import service as audit
from delta_server.features.sql.schemas import Column
from delta_server.services import Services


class Found(msgspec.Struct, frozen=True):
    """`rows` is a JSON array of objects."""

    columns: list[Column]
    rows: msgspec.Raw
    truncated: bool
    scanned: int


async def run(svc: Services, project: int, statement: Statement) -> Found:
    """Raises Invalid for what may not be run, TooCostly past the deadline or the memory limit."""
    # Its text may name persons, whom nobody could erase from a chain; by the hash it is known to who has the text.
    await audit.note_in(svc, project, "sql.run", target=f"sha256 {sha256(statement.sql.encode()).hexdigest()}")
    return await run_unrecorded(svc, project, statement)


async def check(svc: Services, project: int, statement: Statement) -> None:
    """Raises what running it would raise, whatever there is to read. Its rows are not asked for."""
    plan = Sql(statement.sql, statement.limit, tuple(statement.params), only_checked=True)
    await svc.event_reader.run_query(project, plan)


async def run_unrecorded(svc: Services, project: int, statement: Statement) -> Found:
    """As `run`, for those who cannot choose the statement: whoever allowed it to them is in the audit log."""
    plan = Sql(statement.sql, statement.limit, tuple(statement.params))
    answer = await svc.event_reader.run_query(project, plan)
    columns = [Column(name, kind) for name, kind in zip(answer.columns, answer.types, strict=True)]
    return Found(columns, msgspec.Raw(answer.written), answer.truncated, answer.scanned)
