"""/v1/event-types: which types of events there are, what those of one have in common, and what changed that."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core import times
from delta_server.core.cursors import decode_cursor, encode_cursor, row_below
from delta_server.core.schemas.writing import FORMAT, MEDIA_TYPES, SchemaFormat
from delta_server.features.event_schemas import schemas, service
from delta_server.features.event_schemas.schemas import EventType, EventTypeChanges, EventTypeSchema
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, QueryParameter
from delta_server.services import Services

_TAGS = ["Schemas"]
_TYPES, _CHANGES = "event types", "event type changes"
_AT = "As of a time, a date, or an age such as 24h: as the last change until then left it, without values and ranges"


@get(
    "/v1/event-types",
    summary="List the types of events whose schema is known, by name",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_TYPE], "has_more": False, "next_cursor": None}),
)
async def list_types(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[EventType]]:
    """Up to 1,000 of a project, those that came first."""
    after = decode_cursor(_TYPES, cursor, tuple[str])[0] if cursor else ""
    rows = await service.list_types(services, project, after=after, limit=limit + 1)
    page = pagination.page(
        rows, limit=limit, item=schemas.event_type, cursor=lambda row: encode_cursor(_TYPES, row.event_type)
    )
    return pagination.respond(request, page)


@get(
    "/v1/event-types/{event_type:str}/schema",
    summary="Get what the events of a type have in common",
    tags=_TAGS,
    responses={200: ResponseSpec(EventTypeSchema, generate_examples=False)},
    opt=example(answer=schemas.EXAMPLE),
)
async def get_type_schema(
    services: NamedDependency[Services],
    project: NamedDependency[int],
    event_type: FromPath[str],
    at: Annotated[str | None, QueryParameter(description=_AT)] = None,
    format_: Annotated[SchemaFormat, QueryParameter(name="format", description=FORMAT)] = "fields",
) -> Response[Any]:
    """Learned in the background from samples of the events that came in."""
    at_ms = None if at is None else times.parse_moment(at, field="at", now_ms=services.clock.now_ms())
    known = await service.known_type(services, project, event_type, at_ms)
    if format_ == "fields":
        behind = service.is_behind(services, project, known)
        return Response(await services.cpu(service.described, known, behind=behind))
    return Response(await services.cpu(service.written, known, format_), media_type=MEDIA_TYPES[format_])


@get(
    "/v1/event-types/{event_type:str}/schema/changes",
    summary="List what changed the schema of a type of events, newest first",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_CHANGES], "has_more": False, "next_cursor": None}),
)
async def list_type_changes(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    event_type: FromPath[str],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[EventTypeChanges]]:
    """The last 100 are kept."""
    below = row_below(_CHANGES, cursor)
    rows = await service.list_changes(services, project, event_type, below, limit + 1)
    page = pagination.page(
        rows, limit=limit, item=schemas.changes, cursor=lambda row: encode_cursor(_CHANGES, row.number)
    )
    return pagination.respond(request, page)


ROUTES = [list_types, get_type_schema, list_type_changes]
