"""/v1/query, /v1/events/raw, /aggregated and /analytics: questions about events."""

import re
import time
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.events import event_json
from delta_server.core.events.event_json import EventJson
from delta_server.core.query import aggregates, comparison, fields, time_buckets
from delta_server.core.query.aggregates import AggregateQuery, AggregateRequest, Fill
from delta_server.core.query.plan import Listing
from delta_server.features.accounts import service as accounts
from delta_server.features.queries import schemas, service
from delta_server.features.queries.schemas import Meta, Result, Table
from delta_server.features.queries.service import Position, QueryAnswer
from delta_server.http import conditional, pagination
from delta_server.http.docs import example
from delta_server.http.event_filters import BY_DATA, EventFilters, names
from delta_server.http.leaving import while_connected
from delta_server.http.pagination import DEFAULT_LIMIT, MAX_LIMIT, CursorText, Limit, Page, PageNumber
from delta_server.http.parameters import JSONBody, QueryParameter
from delta_server.services import Services

_TAGS = ["Analytics"]
_LIST = "events"
_MOST_SKIPPED = 100_000

_INTERVAL = "1m, 15m, 1h, 6h, 1d, 1w, month, quarter, year ..."
_METRICS = "count, unique_users, avg_duration, p95_duration, sum_data.price ...; several with commas"
Metrics: TypeAlias = Annotated[list[str] | None, QueryParameter(name="metrics", description=_METRICS)]
GroupBy: TypeAlias = Annotated[
    list[str] | None, QueryParameter(name="groupBy", description="eventType, data.plan ...; several with commas")
]
Rows: TypeAlias = Annotated[int, QueryParameter(ge=1, le=aggregates.MAX_ROWS, description="How many rows at most")]
RowsOfPage: TypeAlias = Annotated[
    int | None, QueryParameter(name="pageSize", ge=1, le=aggregates.MAX_ROWS, description="The same as limit")
]
Filled: TypeAlias = Annotated[
    Fill | None, QueryParameter(description="Buckets of time without events come too: with 0, or with null")
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
async def run_query(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    data: JSONBody[AggregateRequest | None] = None,
) -> Result:
    """Metrics by groups of events. Groups are buckets of time (`time:1h`, `time:month`) and values of fields. Up to
    1,000 rows come unless `limit` says otherwise; go on with `cursor` and the same question."""
    started = time.perf_counter()
    asked = data or AggregateRequest()
    here = service.position_of(services, asked.cursor)
    query = await service.parse(services, asked, here, size_bytes=len(await request.body()))
    tag = await service.tag(services, project, query, here)
    found = await while_connected(request, service.run_query(services, project, query, tag))
    return Result(msgspec.Raw(found.rows), _meta(query, here, found, started), query.given)


@get(
    "/v1/events/aggregated",
    summary="Count events along time",
    tags=_TAGS,
    opt=BY_DATA | example(answer=schemas.EXAMPLE_TABLE),
)
async def run_aggregate(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    filters: NamedDependency[EventFilters],
    interval: Annotated[str, QueryParameter(description=_INTERVAL)] = "1h",
    computed: Metrics = None,  # `metrics` is the server's own
    group_by: GroupBy = None,
    fill: Filled = None,
    compare: Compare = None,
    limit: Rows = aggregates.DEFAULT_ROWS,
    cursor: CursorText = None,
    page: PageNumber = None,
    page_size: RowsOfPage = None,
) -> Response[Any]:
    """A row for each bucket of time that has events, and group; of the last week when no time is given. Besides the
    parameters below, `data.NAME=value` and `metadata.NAME=value` choose events."""
    keys = names(group_by or ())
    for n, key in enumerate(keys):
        fields.parse(key, at=f"groupBy[{n}]")
    given = AggregateRequest(
        metrics=names(computed or ["count"]),
        group_by=[f"time:{interval}", *keys],
        fill=fill,
        compare=compare,
        limit=page_size or limit,
        cursor=cursor,
        timezone=filters.zone_name,
        week_start=filters.week_start,
    )
    return await _answer_table(request, services, project, filters, given, interval=interval, page=page)


@get(
    "/v1/events/analytics",
    summary="Compare groups of events",
    tags=_TAGS,
    opt=BY_DATA | example(answer=schemas.EXAMPLE_TABLE),
)
async def run_analytics(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    filters: NamedDependency[EventFilters],
    computed: Metrics = None,  # `metrics` is the server's own
    group_by: GroupBy = None,
    having: Annotated[list[str] | None, QueryParameter(description="count>10, avg_duration<=5; with commas")] = None,
    order_by: Annotated[
        list[str] | None,
        QueryParameter(name="orderBy", description="-count or `count desc`: by count, most first; with commas"),
    ] = None,
    interval: Annotated[
        str | None, QueryParameter(description=f"Each group's rows are along time then: {_INTERVAL}")
    ] = None,
    fill: Filled = None,
    compare: Compare = None,
    limit: Rows = aggregates.DEFAULT_ROWS,
    cursor: CursorText = None,
    page: PageNumber = None,
    page_size: RowsOfPage = None,
) -> Response[Any]:
    """A row for each group, of the last week when no time is given; with `interval` one for each group and bucket of
    time. Besides the parameters below, `data.NAME=value` and `metadata.NAME=value` choose events."""
    given = AggregateRequest(
        metrics=names(computed or ["count"]),
        group_by=[*([] if interval is None else [f"time:{interval}"]), *names(group_by or ())],
        having=[comparison.parse(text, at=f"having[{n}]") for n, text in enumerate(names(having or ()))],
        order_by=[_order(text) for text in names(order_by or ())],
        fill=fill,
        compare=compare,
        limit=page_size or limit,
        cursor=cursor,
        timezone=filters.zone_name,
        week_start=filters.week_start,
    )
    return await _answer_table(request, services, project, filters, given, interval=interval, page=page)


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
    page: PageNumber = None,
    page_size: Annotated[
        int | None, QueryParameter(name="pageSize", ge=1, le=MAX_LIMIT, description="How many at most")
    ] = None,
) -> Response[Page[EventJson]]:
    """Besides the parameters below, `data.NAME=value` and `metadata.NAME=value` choose events."""
    size = page_size or limit
    name = f"{_LIST} {order}"
    listing = Listing(
        filters.span(services.clock.now_ms()),
        filters.where,
        ascending=order == "asc",
        after=decode_cursor(name, cursor, tuple[int, int]) if cursor else None,
        limit=size,
        skip=pagination.rows_to_skip(page, size, cursor, most=_MOST_SKIPPED),
    )
    columns, rows = await while_connected(request, service.run_listing(services, project, listing))
    at, seq = columns.index("time_ms"), columns.index("seq")
    keys = await services.db.read(accounts.key_ids, project)
    found = pagination.page(
        rows,
        limit=size,
        item=lambda row: event_json.to_json(dict(zip(columns, row, strict=True)), keys),
        cursor=lambda row: encode_cursor(name, row[at], row[seq]),
    )
    return pagination.respond(request, found)


async def _answer_table(
    request: Request[Any, Any, Any],
    services: Services,
    project: int,
    filters: EventFilters,
    given: AggregateRequest,
    *,
    interval: str | None,
    page: int | None,
) -> Response[Any]:
    started = time.perf_counter()
    skip = pagination.rows_to_skip(page, given.limit or 0, given.cursor, most=_MOST_SKIPPED)
    here = service.position_of(services, given.cursor, skip=skip)
    within = filters.week(here.now_ms)
    if interval is not None:
        await services.cpu(time_buckets.parse, interval, filters.zone, within, at="interval")
    query = await service.parse(
        services,
        given,
        here,
        size_bytes=len(request.scope["query_string"]),
        where=filters.where,
        within=within,
    )
    tag = await service.tag(services, project, query, here)
    named = None if tag is None else "W/" + conditional.etag(tag)  # weak: took_ms is another each time
    if named is not None and (unchanged := conditional.not_modified(request, named)):
        return unchanged
    found = await while_connected(request, service.run_query(services, project, query, tag))
    response = pagination.respond(request, Table(msgspec.Raw(found.rows), _meta(query, here, found, started)))
    if named is not None:
        response.headers.update(conditional.headers(named))
    return response


def _meta(query: AggregateQuery, here: Position, found: QueryAnswer, started: float) -> Meta:
    took_ms = round((time.perf_counter() - started) * 1000, 2)
    next_cursor = service.next_cursor(query, here, found)
    whole = found.complete_from, found.complete_to
    pending = found.merges_pending
    return Meta(found.source, found.scanned, found.approximate, *whole, pending, took_ms, found.has_more, next_cursor)


_ORDER = re.compile(r"(.+?) *[ :] *(asc|desc)", re.IGNORECASE)


def _order(text: str) -> Any:
    """`count desc` and `count:desc` are `-count`, too."""
    match = _ORDER.fullmatch(text)
    return text if match is None else [match[1], match[2].lower()]


ROUTES = [run_query, run_aggregate, run_analytics, list_events]
