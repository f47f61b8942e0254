"""/v1/endpoints/{endpoint}/schema/enforcement: what documents are held against."""

from typing import Any

from litestar import MediaType, Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from msgspec import UNSET

from delta_server.core import ids
from delta_server.core.cursors import encode_cursor, row_below
from delta_server.features.endpoints import service as endpoints
from delta_server.features.enforcement import service as enforcement
from delta_server.features.schemas import accepting, enforcing
from delta_server.features.schemas import enforcement_schemas as schemas
from delta_server.features.schemas.enforcement_schemas import (
    AcceptedDocuments,
    Enforcement,
    EnforcementChange,
    KeptDocument,
    KeptToAccept,
    SchemaTrial,
    SchemaTry,
)
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody
from delta_server.services import Services

_TAGS = ["Schemas"]
_LIST = "kept aside"


@get(
    "/v1/endpoints/{endpoint:str}/schema/enforcement",
    summary="See what an endpoint's documents are held against",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE),
)
async def get_enforcement(
    services: NamedDependency[Services], project: NamedDependency[int], endpoint: FromPath[str]
) -> Enforcement:
    return enforcing.shown(services, endpoints.resolve(services, project, endpoint))


@put(
    "/v1/endpoints/{endpoint:str}/schema/enforcement",
    summary="Say what an endpoint's documents are held against",
    tags=_TAGS,
    opt=example(request={"mode": "warn", "schema": schemas.EXAMPLE_SCHEMA}, answer=schemas.EXAMPLE),
)
async def put_enforcement(
    data: JSONBody[EnforcementChange],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
) -> Enforcement:
    """A given JSON Schema, or without one what has been learned by now."""
    return await enforcing.change(services, endpoints.resolve(services, project, endpoint), data)


@post(
    "/v1/endpoints/{endpoint:str}/schema/try",
    summary="Count which of the last documents a schema would refuse",
    tags=_TAGS,
    status_code=200,
    opt=example(request={"schema": schemas.EXAMPLE_SCHEMA, "last": 50}, answer=schemas.EXAMPLE_TRIAL),
)
async def try_schema(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
    data: JSONBody[SchemaTry | None] = None,
) -> SchemaTrial:
    """Without a schema: what has been learned by now, which fits all of them."""
    of = endpoints.resolve(services, project, endpoint)
    return await run_in_turn(
        request, services, project, lambda svc: enforcing.attempt(svc, project, of, data or SchemaTry())
    )


@get(
    "/v1/endpoints/{endpoint:str}/schema/kept-aside",
    summary="List polled documents that did not fit",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_KEPT], "has_more": False, "next_cursor": None}),
)
async def list_kept(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[KeptDocument]]:
    """The last first; 20 are kept of an endpoint."""
    of = endpoints.resolve(services, project, endpoint)
    before = row_below(_LIST, cursor)
    rows = await enforcement.list_kept(services, of, before, limit + 1)
    page = pagination.page(rows, limit=limit, item=schemas.kept, cursor=lambda row: encode_cursor(_LIST, row.id))
    return pagination.respond(request, page)


@get(
    "/v1/endpoints/{endpoint:str}/schema/kept-aside/{kept_id:str}",
    summary="Get a polled document that did not fit, byte for byte",
    tags=_TAGS,
    opt=example(answer={"items": [{"price": "12"}]}),
)
async def get_kept(
    services: NamedDependency[Services], project: NamedDependency[int], endpoint: FromPath[str], kept_id: FromPath[str]
) -> Response[Any]:
    of = endpoints.resolve(services, project, endpoint)
    found = await enforcement.kept_document(services, of, ids.parse(kept_id, "document"))
    if found is None:
        raise enforcement.not_kept()
    return Response(found, media_type=MediaType.JSON)


@post(
    "/v1/endpoints/{endpoint:str}/schema/kept-aside/accept",
    summary="Store polled documents that did not fit after all",
    tags=_TAGS,
    status_code=200,
    opt=example(request={"ids": [schemas.EXAMPLE_KEPT["id"]]}, answer={"data": [schemas.EXAMPLE_ACCEPTED]}),
)
async def accept_kept(
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
    data: JSONBody[KeptToAccept | None] = None,
) -> AcceptedDocuments:
    """Each as of the time it was polled, the first first; without `ids` all of them. What is not stored stays where it
    is, and says why. One that was accepted before is answered with what it became."""
    of = endpoints.resolve(services, project, endpoint)
    uids = None if data is None or data.ids is UNSET else [ids.parse(id, "document") for id in data.ids]
    return AcceptedDocuments(await accepting.accept(services, of, uids))


@delete(
    "/v1/endpoints/{endpoint:str}/schema/kept-aside/{kept_id:str}",
    summary="Discard a polled document that did not fit",
    tags=_TAGS,
    opt=example(answer=None),
)
async def discard_kept(
    services: NamedDependency[Services], project: NamedDependency[int], endpoint: FromPath[str], kept_id: FromPath[str]
) -> None:
    of = endpoints.resolve(services, project, endpoint)
    await enforcement.discard(services, of, ids.parse(kept_id, "document"))


@delete(
    "/v1/endpoints/{endpoint:str}/schema/kept-aside",
    summary="Discard all polled documents that did not fit",
    tags=_TAGS,
    opt=example(answer=None),
)
async def discard_all_kept(
    services: NamedDependency[Services], project: NamedDependency[int], endpoint: FromPath[str]
) -> None:
    await enforcement.discard(services, endpoints.resolve(services, project, endpoint), None)


ROUTES = [
    get_enforcement,
    put_enforcement,
    try_schema,
    list_kept,
    get_kept,
    accept_kept,
    discard_kept,
    discard_all_kept,
]
