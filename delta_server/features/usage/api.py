"""/v1/projects/{}/usage: what a project has of what its plan allows, now and by hour and day."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from delta_server.core import times
from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.errors import Invalid
from delta_server.features.usage import schemas, service
from delta_server.features.usage.schemas import UsageAnswer, UsageRow
from delta_server.features.usage.service import Interval
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, QueryParameter
from delta_server.services import Services

_LIST = "usage"
_TAGS = ["Projects"]


@get(
    "/v1/projects/{project_id:str}/usage",
    summary="Tell what a project keeps, and what is left of its plan",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE),
)
async def get_usage(
    project_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> UsageAnswer:
    found = await service.usage_now(services, caller, project_id)
    return UsageAnswer(found.usage, found.plan, found.quotas, found.occupied)


@get(
    "/v1/projects/{project_id:str}/usage/history",
    summary="List what a project stored by hour or day, newest first",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_ROW], "has_more": False, "next_cursor": None}),
)
async def list_usage(
    project_id: FromPath[str],
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    interval: Annotated[Interval, QueryParameter(description="hour (kept for 35 days) or day (for 400)")] = "hour",
    from_: Annotated[
        str | None, QueryParameter(name="from", description="Rows that begin then or later; a time, or an age like 7d")
    ] = None,
    to: Annotated[str | None, QueryParameter(description="Rows that begin before; a time, or an age")] = None,
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[UsageRow]]:
    """Hours and days in which nothing was stored or deleted have no row."""
    now_ms = services.clock.now_ms()
    first = 0 if from_ is None else times.parse_moment(from_, field="from", now_ms=now_ms)
    end = times.LATEST_MS if to is None else times.parse_moment(to, field="to", now_ms=now_ms)
    if first > end:
        raise Invalid("from must not be later than to", field="from")
    if cursor is not None:
        end = min(end, decode_cursor(f"{_LIST} {interval}", cursor, tuple[int])[0])
    rows = await service.history(services, caller, project_id, interval, (first, end), limit + 1)
    found = pagination.page(
        rows, limit=limit, item=schemas.row, cursor=lambda row: encode_cursor(f"{_LIST} {interval}", row.start)
    )
    return pagination.respond(request, found)


ROUTES = [get_usage, list_usage]
