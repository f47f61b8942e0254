"""/v1/sql: one SELECT over the project's own views."""

import time
from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency

from delta_server.core.query.statements import Statement
from delta_server.features.sql import schemas, service
from delta_server.features.sql.schemas import About, Result
from delta_server.http.docs import example
from delta_server.http.leaving import while_connected
from delta_server.http.parameters import JSONBody
from delta_server.services import Services


@post(
    "/v1/sql",
    summary="Ask in SQL",
    tags=["SQL"],
    status_code=200,
    opt=example(request=schemas.EXAMPLE, answer=schemas.EXAMPLE_RESULT),
)
async def run(
    request: Request[Any, Any, Any],
    data: JSONBody[Statement],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> Result:
    """One SELECT in DuckDB's language over the views `events`, `documents`, `records`, `field_values`, `snapshots`,
    `deltas`, `fields` and `profiles` of the project; `SHOW TABLES` and `DESCRIBE events` tell of them and their
    columns. Times are TIMESTAMPs in UTC; `time_ms` of `events` is the quickest to filter by. Numbers that JSON readers
    would shorten come as texts, NaN as null."""
    started = time.perf_counter()
    found = await while_connected(request, service.run(services, project, data))
    took_ms = round((time.perf_counter() - started) * 1000, 2)
    return Result(found.columns, found.rows, found.truncated, About(found.scanned, took_ms))


ROUTES = [run]
