"""/v1/endpoints: by id or name; in a path the slash of a name is written %2F."""

from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from delta_server.features.endpoints import service
from delta_server.features.endpoints.schemas import Endpoint, EndpointAnswer, EndpointChange, NewEndpoint
from delta_server.http import idempotency, pagination
from delta_server.http.auth import Caller
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.services import Services
from delta_server.storage.once import Once

_LIST = "endpoints"


@post("/v1/endpoints", summary="Make an endpoint", responses={201: ResponseSpec(EndpointAnswer)})
async def create(
    data: JSONBody[NewEndpoint],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> Response[bytes]:
    return idempotency.respond(await service.create(services, caller, data, once))


@get("/v1/endpoints", summary="List endpoints by name")
async def list_(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    name_prefix: Annotated[str, QueryParameter(description="Only endpoints whose name begins so")] = "",
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[Endpoint]]:
    after = pagination.decode_cursor(_LIST, cursor, tuple[str])[0] if cursor else None
    rows = await service.page(services, caller, prefix=name_prefix, after=after, limit=limit + 1)
    found = pagination.page(
        rows, limit=limit, item=service.view, cursor=lambda row: pagination.encode_cursor(_LIST, row.name)
    )
    return pagination.respond(request, found)


@get("/v1/endpoints/{endpoint:str}", summary="Get an endpoint")
async def get_one(
    endpoint: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> EndpointAnswer:
    return EndpointAnswer(service.view(service.get(services, caller, endpoint)))


@patch("/v1/endpoints/{endpoint:str}", summary="Change an endpoint and its settings")
async def change(
    endpoint: FromPath[str],
    data: JSONBody[EndpointChange],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> EndpointAnswer:
    return EndpointAnswer(service.view(await service.change(services, caller, endpoint, data)))


@delete("/v1/endpoints/{endpoint:str}", summary="Delete an endpoint with all its history")
async def delete_(
    endpoint: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> None:
    await service.delete(services, caller, endpoint)


ROUTES = [create, list_, get_one, change, delete_]
