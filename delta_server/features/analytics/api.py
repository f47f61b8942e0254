"""/v1/query, /v1/events/raw, /aggregated and /analytics: questions about events."""

import re
import time
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from delta_server.core import fields, intervals, queries, shown_event
from delta_server.core.errors import Invalid
from delta_server.core.nearest import shown
from delta_server.core.plan import Listing
from delta_server.core.queries import Asked, Fill, Query
from delta_server.core.shown_event import ShownEvent
from delta_server.features.analytics import schemas, service
from delta_server.features.analytics.schemas import Meta, Result, Table
from delta_server.features.analytics.service import Found, Place
from delta_server.http import conditional, pagination
from delta_server.http.docs import example
from delta_server.http.event_filters import BY_DATA, EventFilters, split
from delta_server.http.leaving import while_connected
from delta_server.http.pagination import DEFAULT_LIMIT, MAX_LIMIT, CursorText, Limit, Page
from delta_server.services import Services

_TAGS = ["Analytics"]
_LIST = "events"
_MOST_SKIPPED = 100_000

_METRICS = "count, unique_users, avg_duration, p95_duration, sum_data.price ...; several with commas"
Metrics: TypeAlias = Annotated[list[str] | None, QueryParameter(name="metrics", description=_METRICS)]
GroupBy: TypeAlias = Annotated[
    list[str] | None, QueryParameter(name="groupBy", description="eventType, data.plan ...; several with commas")
]
Rows: TypeAlias = Annotated[int, QueryParameter(ge=1, le=queries.MAX_ROWS, description="How many rows at most")]
Filled: TypeAlias = Annotated[
    Fill | None, QueryParameter(description="Stretches of time without events come too: with 0, or with null")
]
Compare: TypeAlias = Annotated[
    Literal["previous"] | None, QueryParameter(description="Each row has the values of the range before beside it")
]


@post(
    "/v1/query",
    summary="Ask about events",
    tags=_TAGS,
    status_code=200,
    opt=example(request=schemas.EXAMPLE_QUERY, answer=schemas.EXAMPLE_RESULT),
)
async def ask(
    request: Request[Any, Any, Any],
    data: JSONBody[Asked],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> Result:
    """Metrics by groups of events. Groups are stretches of time (`time:1h`) and values of fields. Up to 1,000 rows come
    unless `limit` says otherwise; go on with `cursor` and the same question."""
    started = time.perf_counter()
    here = service.place(services, data.cursor)
    query = queries.parse(data, now_ms=here.now_ms, skip=here.skip)
    service.check_place(query, here)
    tag = await service.tag(services, project, query)
    found = await while_connected(request, service.answer(services, project, query, tag))
    return Result(msgspec.Raw(found.rows), _meta(query, here, found, started), query.asked)


@get(
    "/v1/events/aggregated",
    summary="Count events along time",
    tags=_TAGS,
    opt=BY_DATA | example(answer=schemas.EXAMPLE_TABLE),
)
async def aggregate(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    filters: NamedDependency[EventFilters],
    interval: Annotated[str, QueryParameter(description="1m, 5m, 15m, 1h, 90m, 1d, 1w ...")] = "1h",
    computed: Metrics = None,  # `metrics` is the server's own
    group_by: GroupBy = None,
    fill: Filled = None,
    compare: Compare = None,
    limit: Rows = queries.DEFAULT_ROWS,
    cursor: CursorText = None,
) -> Response[Any]:
    """A row for each stretch of time that has events, and group; of the last week when no time is given. Besides the
    parameters below, `data.NAME=value` and `metadata.NAME=value` choose events."""
    keys = split(group_by or ())
    for n, key in enumerate(keys):
        fields.parse(key, at=f"groupBy[{n}]")
    asked = Asked(
        metrics=split(computed or ["count"]),
        group_by=[f"time:{interval}", *keys],
        fill=fill,
        compare=compare,
        limit=limit,
        cursor=cursor,
        timezone=filters.zone_name,
    )
    return await _table(request, services, project, filters, asked, interval=interval)


@get(
    "/v1/events/analytics",
    summary="Compare groups of events",
    tags=_TAGS,
    opt=BY_DATA | example(answer=schemas.EXAMPLE_TABLE),
)
async def analyse(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    filters: NamedDependency[EventFilters],
    computed: Metrics = None,  # `metrics` is the server's own
    group_by: GroupBy = None,
    having: Annotated[list[str] | None, QueryParameter(description="count>10, avg_duration<=5; with commas")] = None,
    order_by: Annotated[
        list[str] | None, QueryParameter(name="orderBy", description="-count is by count, most first; with commas")
    ] = None,
    compare: Compare = None,
    limit: Rows = queries.DEFAULT_ROWS,
    cursor: CursorText = None,
) -> Response[Any]:
    """A row for each group, of the last week when no time is given. Besides the parameters below, `data.NAME=value` and
    `metadata.NAME=value` choose events."""
    asked = Asked(
        metrics=split(computed or ["count"]),
        group_by=split(group_by or ()),
        having=[_bound(text, f"having[{n}]") for n, text in enumerate(split(having or ()))],
        order_by=split(order_by or ()),
        compare=compare,
        limit=limit,
        cursor=cursor,
        timezone=filters.zone_name,
    )
    return await _table(request, services, project, filters, asked)


@get(
    "/v1/events/raw",
    summary="List events",
    tags=_TAGS,
    opt=BY_DATA | example(answer=schemas.EXAMPLE_EVENTS),
)
async def list_events(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    filters: NamedDependency[EventFilters],
    order: Annotated[Literal["asc", "desc"], QueryParameter(description="By timestamp")] = "desc",
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
    page: Annotated[int | None, QueryParameter(ge=1, description="Instead of a cursor, near the begin")] = None,
    page_size: Annotated[
        int | None, QueryParameter(name="pageSize", ge=1, le=MAX_LIMIT, description="How many at most")
    ] = None,
) -> Response[Page[ShownEvent]]:
    """Besides the parameters below, `data.NAME=value` and `metadata.NAME=value` choose events."""
    size = page_size or limit
    name = f"{_LIST} {order}"
    listing = Listing(
        filters.span(services.clock.now_ms()),
        filters.where,
        ascending=order == "asc",
        after=pagination.decode_cursor(name, cursor, tuple[int, int]) if cursor else None,
        limit=size,
        skip=_skipped(page, size, cursor),
    )
    columns, rows = await while_connected(request, service.listing(services, project, listing))
    at, seq = columns.index("time_ms"), columns.index("seq")
    found = pagination.page(
        rows,
        limit=size,
        item=lambda row: shown_event.shown(dict(zip(columns, row, strict=True))),
        cursor=lambda row: pagination.encode_cursor(name, row[at], row[seq]),
    )
    return pagination.respond(request, found)


def _skipped(page: int | None, size: int, cursor: str | None) -> int:
    skip = ((page or 1) - 1) * size
    if cursor and page is not None:
        raise Invalid("page and cursor exclude each other: give one of them", field="page")
    if skip > _MOST_SKIPPED:
        raise Invalid(f"page leads past the first {_MOST_SKIPPED} events: go on with next_cursor", field="page")
    return skip


async def _table(
    request: Request[Any, Any, Any],
    services: Services,
    project: int,
    filters: EventFilters,
    asked: Asked,
    *,
    interval: str | None = None,
) -> Response[Any]:
    started = time.perf_counter()
    here = service.place(services, asked.cursor)
    within = filters.week(here.now_ms)
    if interval is not None:
        intervals.parse(interval, filters.zone, within, at="interval")
    query = queries.parse(asked, now_ms=here.now_ms, skip=here.skip, where=filters.where, within=within)
    service.check_place(query, here)
    tag = await service.tag(services, project, query)
    named = None if tag is None else "W/" + conditional.etag(tag)  # weak: took_ms is another each time
    if named is not None and (unchanged := conditional.not_modified(request, named)):
        return unchanged
    found = await while_connected(request, service.answer(services, project, query, tag))
    response = pagination.respond(request, Table(msgspec.Raw(found.rows), _meta(query, here, found, started)))
    if named is not None:
        response.headers.update(conditional.headers(named))
    return response


def _meta(query: Query, here: Place, found: Found, started: float) -> Meta:
    took_ms = round((time.perf_counter() - started) * 1000, 2)
    next_cursor = service.next_cursor(query, here, found)
    return Meta(found.source, found.scanned, found.approximate, took_ms, found.has_more, next_cursor)


_BOUND = re.compile(r"([^<>=!]+)(>=|<=|!=|>|<|=)(-?[0-9]{1,15}(?:\.[0-9]{1,15})?)")
_OPERATIONS = {">=": "gte", "<=": "lte", "!=": "is_not", ">": "gt", "<": "lt", "=": "is"}


def _bound(text: str, at: str) -> list[Any]:
    """`count>10` as the grammar of queries has it. Raises Invalid."""
    match = _BOUND.fullmatch(text.strip())
    if match is None:
        raise Invalid(f"{at} must be a bound like count>10, not {shown(text)}", field=at)
    return [_OPERATIONS[match[2]], match[1].strip(), float(match[3])]


ROUTES = [ask, aggregate, analyse, list_events]
