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
from delta_server.features.endpoints.store import EndpointWithHead
from delta_server.http import idempotency, pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page, PageNumber, PageSize
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_LIST, _BIN = "endpoints", "deleted endpoints"
_TAGS = ["Endpoints"]
_NEW = {
    "name": "GET /prices",
    "description": "the supplier's price list",
    "diff": {"array_keys": {"/items": ["sku"]}, "ignore": ["/generated_at"], "labels": {"/items": "name"}},
    "retention": {"keep_days": 365, "keep_last": 100},
}
_EXAMPLE = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    **_NEW,
    "diff": {
        "array_keys": {"/items": ["sku"]},
        "ignore": ["/generated_at"],
        "tolerance": 0,
        "order": {},
        "labels": {"/items": "name"},
    },
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
    deleted: Annotated[bool, QueryParameter(description="Those in the bin, what was deleted last first")] = False,
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
    page: PageNumber = None,
    page_size: PageSize = None,
) -> Response[Page[Endpoint]]:
    size = page_size or limit
    skip = pagination.rows_to_skip(page, size, cursor)
    if deleted:
        before = decode_cursor(_BIN, cursor, tuple[int, int]) if cursor else None
        in_bin = await service.list_deleted(services, project, prefix=name_prefix, before=before, limit=skip + size + 1)
        return pagination.respond(
            request, pagination.page(in_bin[skip:], limit=size, item=service.view, cursor=_bin_cursor)
        )
    after = decode_cursor(_LIST, cursor, tuple[str])[0] if cursor else None
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
    endpoint: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    purge: Annotated[bool, QueryParameter(description="For good, also what lies in the bin")] = False,
) -> None:
    """It lies in the bin for `storage.bin_days` and can be restored until then; its name is free at once."""
    await service.delete_endpoint(services, project, endpoint, purge=purge)


@post(
    "/v1/endpoints/{endpoint:str}/restore",
    summary="Restore a deleted endpoint",
    tags=_TAGS,
    status_code=200,
    opt=example(answer={"endpoint": _EXAMPLE}),
)
async def restore_endpoint(
    endpoint: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    name: Annotated[str | None, QueryParameter(description="Another name, where its own is taken by now")] = None,
) -> EndpointAnswer:
    """With all its history. Where several in the bin have the name, it takes the id."""
    return EndpointAnswer(service.view(await service.restore_endpoint(services, project, endpoint, name)))


def _bin_cursor(row: EndpointWithHead) -> str:
    assert row.endpoint.binned is not None
    return encode_cursor(_BIN, row.endpoint.binned.deleted_at, row.endpoint.id)


ROUTES = [create_endpoint, list_endpoints, get_endpoint, update_endpoint, delete_endpoint, restore_endpoint]
