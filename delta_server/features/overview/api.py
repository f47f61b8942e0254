"""GET /v1/endpoints, and the timelines of endpoints and projects."""

from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core import times
from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.errors import Invalid
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointWithHead
from delta_server.features.overview import schemas, service
from delta_server.features.overview.schemas import EncodedPage, EndpointPage, Timeline
from delta_server.features.overview.service import Place, Sort, Spark, Wanted
from delta_server.http import pagination, spans
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.pagination import CursorText, Limit, PageNumber, PageSize
from delta_server.http.parameters import FromPath, QueryParameter
from delta_server.services import Services

_BIN = "deleted endpoints"
_SUMMARY = (
    "`summary`: what each has, its last change, and a spark of its changes; `summary,totals`: and of all together"
)
_SPARK = "With `include=summary`: so many buckets of whole hours, one each unless `from` says since when; default 72"
_SORT = "By name, by last change (or snapshot, where none changed) or by size kept; the latest and the largest first"
_SINCE = "With `include=summary`, where sparks begin: a time, a date, or an age such as 9d"
_UNTIL = "With `include=summary`, where sparks end; default now"
_FIELD = "Only where this changed: a field pattern such as /items/*/price, or a path such as /items/[sku=A7]/price"
_MOST_MARKS, _MOST_SPARKS = 2_000, 400

Buckets = Annotated[
    int, QueryParameter(ge=1, le=_MOST_MARKS, description="How many rows at most: versions while there are no more")
]


@get(
    "/v1/endpoints",
    summary="List endpoints by name",
    tags=["Endpoints"],
    responses={200: ResponseSpec(EndpointPage, generate_examples=False)},
    opt=example(answer=schemas.EXAMPLE_ENDPOINTS),
)
async def list_endpoints(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    caller: NamedDependency[Caller],
    name_prefix: Annotated[str, QueryParameter(description="Only endpoints whose name begins so")] = "",
    deleted: Annotated[bool, QueryParameter(description="Those in the bin, what was deleted last first")] = False,
    include: Annotated[Literal["summary", "summary,totals"] | None, QueryParameter(description=_SUMMARY)] = None,
    spark: Annotated[int | None, QueryParameter(ge=1, le=_MOST_SPARKS, description=_SPARK)] = None,
    from_: Annotated[str | None, QueryParameter(name="from", description=_SINCE)] = None,
    to: Annotated[str | None, QueryParameter(description=_UNTIL)] = None,
    sort: Annotated[Sort, QueryParameter(description=_SORT)] = "name",
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
    page: PageNumber = None,
    page_size: PageSize = None,
) -> Response[Any]:
    """`include=summary` asks for `snapshots:read` as well. `totals` are of all whose name begins so, on any page."""
    size = page_size or limit
    skip = pagination.rows_to_skip(page, size, cursor)
    sparks = _sparks(services, caller, include, spark, from_, to)
    if deleted:
        if sparks is not None or sort != "name":
            raise Invalid("include and sort are not for what lies in the bin", field="deleted")
        before = decode_cursor(_BIN, cursor, tuple[int, int]) if cursor else None
        in_bin = await endpoints.list_deleted(
            services, project, prefix=name_prefix, before=before, limit=skip + size + 1
        )
        return pagination.respond(
            request, pagination.page(in_bin[skip:], limit=size, item=endpoints.view, cursor=_bin_cursor)
        )
    wanted = Wanted(
        prefix=name_prefix, sort=sort, after=_after(sort, cursor), skip=skip, limit=size, spark=sparks,
        with_totals=include == "summary,totals",
    )  # fmt: skip
    found = await service.list_endpoints(services, project, wanted)
    shown = EncodedPage(msgspec.Raw(found.data), found.next_cursor is not None, found.next_cursor)
    if sparks is not None:
        first, end = sparks.buckets.origin_ms, sparks.ends_ms
        shown = msgspec.structs.replace(
            shown, spark_from=times.format(first), spark_to=times.format(end), totals=found.totals
        )
    return pagination.respond(request, shown)


def _sparks(
    services: Services, caller: Caller, include: str | None, spark: int | None, from_: str | None, to: str | None
) -> Spark | None:
    """Raises Invalid for an option that would have no effect, Forbidden."""
    if include is None:
        for name, value in (("spark", spark), ("from", from_), ("to", to)):
            if value is not None:
                raise Invalid(f"{name} goes with include=summary", field=name)
        return None
    caller.require("snapshots:read")
    from_ms, to_ms = _range(services, from_, to)
    return service.spark_of(from_ms, services.clock.now_ms() if to_ms is None else to_ms, spark or 72)


def _after(sort: Sort, cursor: str | None) -> str | Place | None:
    if cursor is None:
        return None
    name = service.list_name(sort)
    return (
        decode_cursor(name, cursor, tuple[str])[0] if sort == "name" else decode_cursor(name, cursor, tuple[int, int])
    )


def _bin_cursor(row: EndpointWithHead) -> str:
    assert row.endpoint.binned is not None
    return encode_cursor(_BIN, row.endpoint.binned.deleted_at, row.endpoint.id)


@get(
    "/v1/endpoints/{endpoint:str}/timeline",
    summary="Tell what changed along an endpoint's time",
    tags=["History"],
    opt=example(answer=schemas.EXAMPLE_TIMELINE),
)
async def get_timeline(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
    from_: spans.From = None,
    to: spans.To = None,
    buckets: Buckets = 400,
    field: Annotated[str | None, QueryParameter(description=_FIELD)] = None,
) -> Timeline:
    """A row for each version while there are no more than `buckets`; else for each of so many equal stretches of time,
    of whole hours or days where they are that long. Without a range: all there is. With `field` the same rows, but only
    those in which it changed; `versions` counts these, and edits are still all of the version or bucket."""
    of = endpoints.resolve(services, project, endpoint)
    from_ms, to_ms = _range(services, from_, to)
    found = await service.endpoint_timeline(services, of, from_ms, to_ms, buckets)
    if field is None:
        return schemas.timeline(found)
    work = partial(service.field_timeline, endpoint=of, field=field, found=found)
    return schemas.timeline(await run_in_turn(request, services, project, work))


@get(
    "/v1/projects/{project_id:str}/timeline",
    summary="Tell what changed in a project, hour by hour",
    tags=["Projects"],
    opt=example(answer=schemas.EXAMPLE_PROJECT_TIMELINE),
)
async def get_project_timeline(
    project_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    from_: spans.From = None,
    to: spans.To = None,
    buckets: Buckets = 400,
) -> Timeline:
    """All its endpoints together: rows of an hour, or of as many hours or days as make no more than `buckets` of them.
    Without a range: from the first version until now."""
    from_ms, to_ms = _range(services, from_, to)
    end = services.clock.now_ms() if to_ms is None else to_ms
    if from_ms is not None and from_ms > end:
        raise Invalid("from lies after to", field="from")
    return schemas.timeline(await service.project_timeline(services, caller, project_id, from_ms, end, buckets))


def _range(services: Services, from_: str | None, to: str | None) -> tuple[int | None, int | None]:
    """Raises Invalid."""
    now_ms = services.clock.now_ms()
    from_ms = None if from_ is None else times.parse_moment(from_, field="from", now_ms=now_ms)
    to_ms = None if to is None else times.parse_moment(to, field="to", now_ms=now_ms)
    if from_ms is not None and to_ms is not None and from_ms > to_ms:
        raise Invalid("from lies after to", field="from")
    return from_ms, to_ms


ROUTES = [list_endpoints, get_timeline, get_project_timeline]
