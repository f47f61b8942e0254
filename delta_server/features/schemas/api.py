"""/v1/endpoints/{endpoint}/schema: what documents have in common, and what changed that."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core import times
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.schemas.writing import FORMAT, MEDIA_TYPES, SchemaFormat
from delta_server.features.endpoints import service as endpoints
from delta_server.features.schemas import schemas, service
from delta_server.features.schemas.schemas import EndpointSchema, SchemaChanges
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, QueryParameter
from delta_server.services import Services

_TAGS = ["Schemas"]
_LIST = "schema changes"
_AT = "As of a time, a date, or an age such as 24h: as the last version until then left it"


@get(
    "/v1/endpoints/{endpoint:str}/schema",
    summary="Get what an endpoint's documents have in common",
    tags=_TAGS,
    responses={200: ResponseSpec(EndpointSchema, generate_examples=False)},
    opt=example(answer=schemas.EXAMPLE),
)
async def get_schema(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
    at: Annotated[str | None, QueryParameter(description=_AT)] = None,
    format_: Annotated[SchemaFormat, QueryParameter(name="format", description=FORMAT)] = "fields",
) -> Response[Any]:
    """Learned from all versions behind the writes; what the last ones add is learned now."""
    of = endpoints.resolve(services, project, endpoint)
    at_ms = None if at is None else times.parse_moment(at, field="at", now_ms=services.clock.now_ms())
    known = await run_in_turn(request, services, project, lambda svc: service.known_schema(svc, of, at_ms))
    if format_ == "fields":
        return Response(await services.cpu(service.described, of, known))
    return Response(await services.cpu(service.written, of, known, format_), media_type=MEDIA_TYPES[format_])


@get(
    "/v1/endpoints/{endpoint:str}/schema/changes",
    summary="List what changed an endpoint's schema, newest first",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_CHANGES], "has_more": False, "next_cursor": None}),
)
async def list_changes(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[SchemaChanges]]:
    """The last 500 are kept."""
    of = endpoints.resolve(services, project, endpoint)
    before_ms = decode_cursor(_LIST, cursor, tuple[int])[0] if cursor else times.LATEST_MS + 1
    rows = await service.list_changes(services, of, before_ms, limit + 1)
    page = pagination.page(
        rows, limit=limit, item=schemas.changes, cursor=lambda row: encode_cursor(_LIST, row.captured_at)
    )
    return pagination.respond(request, page)


ROUTES = [get_schema, list_changes]
