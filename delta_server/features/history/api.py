"""/v1/endpoints/{endpoint}/history, /fields, /blame, /stats: what was when, and since when."""

import zlib
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core import ids, times
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.errors import BadRequest, Invalid
from delta_server.core.history import series
from delta_server.core.json import pointer
from delta_server.features.endpoints import service as endpoints
from delta_server.features.history import schemas, service
from delta_server.features.history.schemas import Blame, Field, History, Series, Stats
from delta_server.features.history.service import Resume
from delta_server.http import pagination, spans
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.pagination import DEFAULT_LIMIT, MAX_LIMIT, CursorText, Limit, Page
from delta_server.http.parameters import FromPath, QueryParameter
from delta_server.services import Services

_TAGS = ["History"]
_HISTORY, _FIELDS, _BLAME = "history", "fields", "blame"

_MOST_SIBLINGS = 1 << 32

_PATH = (
    "a JSON Pointer such as /items/0/price, or with a key in place of an index: /items/sku=A7/price, or in brackets, "
    "as answers have it: /items/[sku=A7]/price"
)
_TOTALS = "`totals`: of the first page `total`, `min`, `max` and `share` also where more rows follow"
_PREVIOUS = "`previous`: what each leaf was before too; of a page with very many versions, of those that changed last"
_MOST_NAMED = 50
_RECORD = f"Only this record, by its path; may come more than once, up to {_MOST_NAMED} times"
Path: TypeAlias = Annotated[str, QueryParameter(description=f"Of the value: {_PATH}")]


@get(
    "/v1/endpoints/{endpoint:str}/history",
    summary="Get every value a field had",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_HISTORY),
)
async def get_history(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
    path: Path,
    from_: spans.From = None,
    to: spans.To = None,
    order: spans.Order = "asc",
    include: Annotated[Literal["totals"] | None, QueryParameter(description=_TOTALS)] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[History]:
    """One row for each change within `from` and `to`, with the snapshot in which it appeared. A long search may stop
    before it has `limit` rows, but not before it has one; `has_more` is true then."""
    of = endpoints.resolve(services, project, endpoint)
    span = spans.parse_span(_HISTORY, from_=from_, to=to, order=order, cursor=cursor, now_ms=services.clock.now_ms())
    found = await run_in_turn(
        request,
        services,
        project,
        lambda svc: service.get_history(svc, of, path, span, limit=limit, with_totals=include == "totals"),
    )
    if not found.changes and cursor is None:
        pointer.refuse_unlikely(path)
    next_cursor = None if found.next is None else spans.cursor_at(_HISTORY, order, found.next)
    return pagination.respond(request, schemas.history(path, found.changes, next_cursor, found.totals))


@get(
    "/v1/endpoints/{endpoint:str}/series",
    summary="Get the numbers of a field along time, record by record",
    tags=_TAGS,
    responses={200: ResponseSpec(Series, generate_examples=False)},
    opt=example(answer=schemas.EXAMPLE_SERIES),
)
async def get_series(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
    path: Annotated[str, QueryParameter(description=f"Of the number, with * for any record: {_PATH}")],
    from_: spans.From = None,
    to: spans.To = None,
    points: Annotated[int, QueryParameter(ge=2, le=5_000, description="How many times at most")] = 500,
    records: Annotated[int, QueryParameter(ge=1, le=1_000, description="How many records at most")] = 200,
    record: Annotated[list[str] | None, QueryParameter(max_items=_MOST_NAMED, description=_RECORD)] = None,
) -> Response[bytes]:
    """The versions in which a number may have changed, from the first on. Of more than `points` of them, neighbours
    become two, with the least and the greatest number of each record: no extreme is lost."""
    of, wanted = endpoints.resolve(services, project, endpoint), series.parse(path)
    size = service.Size(points, records, _records(record or []))
    span = spans.parse_span("series", from_=from_, to=to, order="desc", cursor=None, now_ms=services.clock.now_ms())

    async def encoded(svc: Services) -> bytes:
        found = await service.get_series(svc, of, wanted, span, size)
        if not found.lines and not wanted.is_of_records:
            pointer.refuse_unlikely(path)
        return await svc.spare_cpu(schemas.series, path, found)

    return Response(await run_in_turn(request, services, project, encoded), media_type=MediaType.JSON)


@get(
    "/v1/endpoints/{endpoint:str}/fields",
    summary="List the fields that change, most changes first",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_FIELDS),
)
async def list_fields(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
    q: Annotated[str, QueryParameter(description="Only fields whose path holds this text")] = "",
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[Field]]:
    """In a path `*` stands for any element of an array, and for members of a map that are too many to be counted."""
    of = endpoints.resolve(services, project, endpoint)
    after = decode_cursor(_FIELDS, cursor, tuple[int, int]) if cursor else None
    rows, deltas = await service.list_fields(services, of, sought=q, after=after, limit=limit + 1)
    found = pagination.page(
        rows,
        limit=limit,
        item=lambda row: schemas.field(row, deltas),
        cursor=lambda row: encode_cursor(_FIELDS, row.changes, row.id),
    )
    return pagination.respond(request, found)


@get(
    "/v1/endpoints/{endpoint:str}/blame",
    summary="Tell since when each leaf has its value",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_BLAME),
)
async def get_blame(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
    path: Annotated[str, QueryParameter(description=f"Leaves at and under it; all without it: {_PATH}")] = "",
    snapshot: Annotated[str | None, QueryParameter(description="Id of the snapshot to look at; default latest")] = None,
    time: Annotated[str | None, QueryParameter(description="Look at the snapshot in force then")] = None,
    include: Annotated[Literal["previous"] | None, QueryParameter(description=_PREVIOUS)] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Blame]:
    """A leaf is a scalar, an empty object or array, or an array whose elements have no key. A long search may stop:
    then `complete` is false, and leaves that were not found yet come, each once, with `next_cursor`."""
    of = endpoints.resolve(services, project, endpoint)
    time_ms = None if time is None else times.parse_moment(time, field="time", now_ms=services.clock.now_ms())
    blame = partial(
        service.blame,
        endpoint=of,
        path=path,
        limit=limit,
        snapshot_id=snapshot,
        time_ms=time_ms,
        resume=_resume(path, cursor),
        with_previous=include == "previous",
    )
    found = await run_in_turn(request, services, project, blame)
    more = None if found.next is None else _blame_cursor(path, found.next)
    shown = ids.text(found.snapshot), times.format(found.captured_at), found.leaves, found.complete
    return pagination.respond(request, Blame(path, *shown, more is not None, more))


@get(
    "/v1/endpoints/{endpoint:str}/stats",
    summary="Get sizes, and snapshots and changes over time",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_STATS),
)
async def get_stats(
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
    interval: Annotated[str, QueryParameter(description="Of a bucket: 15m, 1h, 1d ..., aligned to UTC")] = "1d",
    from_: spans.From = None,
    to: spans.To = None,
) -> Stats:
    """At most 1,000 buckets. Without a range: the 30 days up to the last snapshot."""
    of = endpoints.resolve(services, project, endpoint)
    now_ms = services.clock.now_ms()
    from_ms = None if from_ is None else times.parse_moment(from_, field="from", now_ms=now_ms)
    to_ms = None if to is None else times.parse_moment(to, field="to", now_ms=now_ms)
    return await service.get_stats(services, of, interval=interval, from_ms=from_ms, to_ms=to_ms)


def _records(paths: list[str]) -> frozenset[str]:
    try:
        return series.records_of(paths)
    except Invalid as error:
        raise Invalid(error.message, field="record") from None


def _blame_cursor(path: str, resume: Resume) -> str:
    parts = resume.content, resume.first, resume.count, resume.left, *resume.after
    return encode_cursor(_BLAME, zlib.crc32(path.encode()), *parts)


def _resume(path: str, cursor: str | None) -> Resume | None:
    if not cursor:
        return None
    parts = decode_cursor(_BLAME, cursor, tuple[int, int, tuple[int, ...], int, bytes, int, int])
    of_path, content, first, count, left, at, row = parts
    fits = all(0 <= number < _MOST_SIBLINGS for number in first) and (not left or 1 <= count <= MAX_LIMIT)
    if of_path != zlib.crc32(path.encode()) or not fits:
        raise BadRequest("the cursor was given for another path", field="cursor")
    return Resume(content, first, count, left, (at, row))


ROUTES = [get_history, get_series, list_fields, get_blame, get_stats]
