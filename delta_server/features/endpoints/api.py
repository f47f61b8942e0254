"""/v1/endpoints: by id or name; in a path the slash of a name is written %2F."""

from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET

from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.features.endpoints import service
from delta_server.features.endpoints.schemas import Endpoint, EndpointAnswer, EndpointChange, NewEndpoint
from delta_server.http import idempotency, pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page, PageNumber, PageSize
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_LIST = "endpoints"
_TAGS = ["Endpoints"]
_NEW = {
    "name": "GET /prices",
    "description": "the supplier's price list",
    "diff": {"array_keys": {"/items": ["sku"]}, "ignore": ["/generated_at"]},
    "retention": {"keep_days": 365, "keep_last": 100},
}
_EXAMPLE = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    **_NEW,
    "diff": {"array_keys": {"/items": ["sku"]}, "ignore": ["/generated_at"], "tolerance": 0, "order": {}},
    "diff_version": 1,
    "last_captured_at": "2026-05-02T08:00:00.000Z",
    "created_at": "2026-05-01T12:00:00.000Z",
    "updated_at": "2026-05-01T12:00:00.000Z",
}


@post(
    "/v1/endpoints",
    summary="Make an endpoint",
    tags=_TAGS,
    responses={201: ResponseSpec(EndpointAnswer, generate_examples=False)},
    opt=example(request=_NEW, answer={"endpoint": _EXAMPLE}),
)
async def create_endpoint(
    data: JSONBody[NewEndpoint],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    idempotency_key: NamedDependency[IdempotencyKey],
) -> Response[bytes]:
    return idempotency.respond(await service.create_endpoint(services, caller, data, idempotency_key), "/v1/endpoints")


@get(
    "/v1/endpoints",
    summary="List endpoints by name",
    tags=_TAGS,
    opt=example(answer={"data": [_EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_endpoints(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    name_prefix: Annotated[str, QueryParameter(description="Only endpoints whose name begins so")] = "",
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
    page: PageNumber = None,
    page_size: PageSize = None,
) -> Response[Page[Endpoint]]:
    after = decode_cursor(_LIST, cursor, tuple[str])[0] if cursor else None
    size = page_size or limit
    skip = pagination.rows_to_skip(page, size, cursor)
    rows = await service.list_endpoints(services, project, prefix=name_prefix, after=after, limit=skip + size + 1)
    found = pagination.page(
        rows[skip:],
        limit=size,
        item=service.view,
        cursor=lambda row: encode_cursor(_LIST, row.endpoint.name),
    )
    return pagination.respond(request, found)


@get("/v1/endpoints/{endpoint:str}", summary="Get an endpoint", tags=_TAGS, opt=example(answer={"endpoint": _EXAMPLE}))
async def get_endpoint(
    endpoint: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> EndpointAnswer:
    return EndpointAnswer(service.view(service.get_endpoint(services, project, endpoint)))


@patch(
    "/v1/endpoints/{endpoint:str}",
    summary="Change an endpoint and its settings",
    tags=_TAGS,
    opt=example(
        request={"diff": {"ignore": ["/generated_at"], "tolerance": None}, "retention": None},
        answer={"endpoint": _EXAMPLE},
    ),
)
async def update_endpoint(
    endpoint: FromPath[str],
    data: JSONBody[EndpointChange],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> EndpointAnswer:
    """A new `retention` deletes snapshots, so it asks for `endpoints:admin`."""
    if data.retention is not UNSET:
        caller.require("endpoints:admin")
    return EndpointAnswer(service.view(await service.update_endpoint(services, project, endpoint, data)))


@delete(
    "/v1/endpoints/{endpoint:str}",
    summary="Delete an endpoint with all its history",
    tags=_TAGS,
    opt=example(answer=None),
)
async def delete_endpoint(
    endpoint: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> None:
    await service.delete_endpoint(services, project, endpoint)


ROUTES = [create_endpoint, list_endpoints, get_endpoint, update_endpoint, delete_endpoint]
