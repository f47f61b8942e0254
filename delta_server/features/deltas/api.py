"""/v1/deltas: what changed, and between which snapshots."""

import re
from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any, TypeAlias

from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from delta_server.core import ids
from delta_server.core.diff.row_table import OPS
from delta_server.core.errors import Invalid, NotFound
from delta_server.features.deltas import schemas, service
from delta_server.features.deltas.schemas import Comparison, Delta, Format, FormatOrRows, RowOptions
from delta_server.features.endpoints import service as endpoints
from delta_server.http import pagination, spans
from delta_server.http.auth import PROJECT
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.pagination import DEFAULT_LIMIT, CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services

_TAGS = ["Deltas"]
_LIST = "deltas"

FormatText: TypeAlias = Annotated[
    FormatOrRows, QueryParameter(description="How `diff` is written; `rows` has windows of rows in its place")
]
_ROWS_START = "With format=rows, as all that follows: the first row, of those that the filter leaves; default 0"
_ROWS_COUNT = "How many rows, default 500; fewer come where they are large"
_OPS = "Only rows of these kinds: add, remove, replace, move; several with commas"
_FIELDS = "Only rows of fields that this pattern means; may come more than once"
_SOUGHT = "Only rows with this text in their path, label or values, whatever its case and accents"
_LIMIT = "Characters of a value, default 400"
_ROW = "A path: `place` has where its row stands, else the row around, under or beside it"
_UNCHANGED = "With rows of the records and of the document's members that did not change"
_TEXT_FROM = "Words of texts are compared from so many bytes on; default 0"
_PATTERN = (
    "What changed: a place such as /rates/EUR or /items/sku=A7/price, or a pattern such as /items/*/price, where * "
    "is any one step and ** any number of them: changes at it and under it"
)
_BESIDE_SINCE = frozenset({"since_snapshot", "format", "endpoint_id", PROJECT})
_INCLUDE = (
    "`changes`: the old and new values too, the first 100 changes of each delta; `first:3`: the first 3 rows (1 to 20) "
    "of each, as the format `rows` has them"
)
_FIRST = re.compile(r"first:([1-9]|1[0-9]|20)")
_PATCH: Format = "json-patch"
_DEFAULTS = {
    "kind": "content", "min_changes": "0", "order": "desc", "limit": str(DEFAULT_LIMIT), "format": _PATCH,
}  # fmt: skip


@get(
    "/v1/deltas",
    summary="List deltas, newest first",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_deltas(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint_id: Annotated[str | None, QueryParameter(description="Id or name; all endpoints without it")] = None,
    kind: Annotated[str, QueryParameter(description="content, reorder, format, ignored, several, or all")] = "content",
    min_changes: Annotated[int, QueryParameter(ge=0, le=1 << 40, description="Only deltas of so many changes")] = 0,
    path: Annotated[str | None, QueryParameter(description=_PATTERN)] = None,
    from_: spans.From = None,
    to: spans.To = None,
    order: spans.Order = "desc",
    include: Annotated[str | None, QueryParameter(description=_INCLUDE)] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
    since_snapshot: Annotated[str | None, QueryParameter(description="Compare this snapshot with the latest")] = None,
    format: Annotated[Format | None, QueryParameter(description="How `diff` is written; default json-patch")] = None,
) -> Response[Any]:
    """With `since_snapshot` the answer is one comparison: what changed since then. `format` goes with it, and
    `endpoint_id` may; everything else is about the list. With `include` a page that would be large, or take long, has
    fewer than `limit` deltas: go on with `next_cursor`."""
    _check_together(request.query_params.multi_items())
    endpoint = endpoints.resolve(services, project, endpoint_id) if endpoint_id is not None else None
    if since_snapshot is not None:
        return Response(
            await run_in_turn(
                request,
                services,
                project,
                lambda svc: service.changes_since(svc, project, since_snapshot, format or _PATCH, endpoint),
            )
        )
    span = spans.parse_span(_LIST, from_=from_, to=to, order=order, cursor=cursor, now_ms=services.clock.now_ms())
    filter = service.filter_of(kind=kind, min_changes=min_changes, path=path)
    list = partial(service.page, project=project, endpoint=endpoint, span=span, limit=limit, filter=filter)

    first = _rows_of(include)

    async def page(svc: Services) -> service.DeltaPage:
        found = await list(svc)
        return found if include is None else await service.with_changes(svc, project, found, first=first)

    searches = path is not None or include is not None
    found = await (run_in_turn(request, services, project, page) if searches else page(services))
    next_cursor = None if found.next is None else spans.cursor_at(_LIST, order, found.next)
    return pagination.respond(request, Page(found.deltas, next_cursor is not None, next_cursor))


def _rows_of(include: str | None) -> int | None:
    """How many rows of each delta are wanted, None where its changes are or nothing. Raises Invalid."""
    if include is None or include == "changes":
        return None
    if match := _FIRST.fullmatch(include):
        return int(match[1])
    raise Invalid("include must be changes, or first:N with N from 1 to 20", field="include")


def _check_together(given: Iterable[tuple[str, str]]) -> None:
    """Raise Invalid for an option that would have no effect. Its default may stand there: forms send all of them."""
    names = {name for name, value in given if value != _DEFAULTS.get(name)}
    if "since_snapshot" in names:
        for name in sorted(names - _BESIDE_SINCE):
            raise Invalid(
                f"{name} is for the list; with since_snapshot, one comparison, go endpoint_id and format", field=name
            )
    elif "format" in names:
        raise Invalid(
            "format goes with since_snapshot; include=changes shows the old and new values of a list, "
            "GET /v1/deltas/{id}?format= one delta's",
            field="format",
        )


@get(
    "/v1/deltas/{delta_id:str}",
    summary="Get a delta with its operations",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_WITH_DIFF),
)
async def get_delta(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    delta_id: FromPath[str],
    endpoint_id: Annotated[
        str | None, QueryParameter(description="Id or name; 404 when the delta is not one of this endpoint")
    ] = None,
    format: FormatText = _PATCH,
    start: Annotated[int | None, QueryParameter(ge=0, le=1 << 40, description=_ROWS_START)] = None,
    count: Annotated[int | None, QueryParameter(ge=1, le=schemas.MOST_ROWS, description=_ROWS_COUNT)] = None,
    ops: Annotated[str | None, QueryParameter(description=_OPS)] = None,
    fields: Annotated[list[str] | None, QueryParameter(description=_FIELDS)] = None,
    q: Annotated[str | None, QueryParameter(description=_SOUGHT)] = None,
    value_limit: Annotated[
        int | None, QueryParameter(ge=schemas.FEWEST_CHARACTERS, le=schemas.MOST_CHARACTERS, description=_LIMIT)
    ] = None,
    text_from: Annotated[int | None, QueryParameter(ge=0, le=schemas.MOST_TEXT, description=_TEXT_FROM)] = None,
    row: Annotated[str | None, QueryParameter(description=_ROW)] = None,
    unchanged: Annotated[bool | None, QueryParameter(description=_UNCHANGED)] = None,
) -> Delta:
    """With `format=rows` the answer is a window of the changes, grouped by records, and what there is in all."""
    endpoint = endpoints.resolve(services, project, endpoint_id) if endpoint_id is not None else None
    given = {"start": start, "count": count, "fields": fields, "q": q}
    given |= {"ops": _ops(ops), "value_limit": value_limit, "text_from": text_from}
    given |= {"row": row, "unchanged": unchanged}
    options = RowOptions(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # each has its field's type, which a dict cannot say
    delta = await run_in_turn(
        request, services, project, lambda svc: service.get_delta(svc, project, delta_id, format, options)
    )
    if endpoint is not None and ids.text(endpoint.uid) != delta.endpoint_id:
        raise NotFound(f"no such delta of the endpoint {endpoint.name}: it is one of another endpoint")
    return delta


def _ops(text: str | None) -> list[str] | None:
    wanted = None if text is None else text.split(",")
    if unknown := [op for op in wanted or () if op not in OPS]:
        raise Invalid(f"ops must be some of {', '.join(OPS)}, not {unknown[0]!r}", field="ops")
    return wanted


@post(
    "/v1/deltas/compare",
    summary="Compare any two snapshots",
    tags=_TAGS,
    status_code=200,
    opt=example(request=schemas.EXAMPLE_COMPARISON, answer=schemas.EXAMPLE_WITH_DIFF),
)
async def compare(
    request: Request[Any, Any, Any],
    data: JSONBody[Comparison],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> Delta:
    endpoint = endpoints.resolve(services, project, data.endpoint_id) if data.endpoint_id is not None else None
    return await run_in_turn(request, services, project, lambda svc: service.compare(svc, project, data, endpoint))


ROUTES = [list_deltas, get_delta, compare]
