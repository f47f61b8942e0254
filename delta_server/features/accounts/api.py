"""/v1/auth/api-keys: an account's key manages all keys of the account, a project's key those of its project."""

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from delta_server.features.accounts import schemas, service
from delta_server.features.accounts.schemas import ApiKey, KeyAnswer, NewKey
from delta_server.http import idempotency, pagination
from delta_server.http.auth import Caller
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.services import Services
from delta_server.storage.once import Once

_LIST = "api-keys"


@post("/v1/auth/api-keys", summary="Make an API key", responses={201: ResponseSpec(KeyAnswer)})
async def create(
    data: JSONBody[NewKey],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> Response[bytes]:
    return idempotency.respond(await service.create(services, caller, data, once))


@get("/v1/auth/api-keys", summary="List API keys, the newest first")
async def list_(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[ApiKey]]:
    below = pagination.decode_cursor(_LIST, cursor, tuple[int])[0] if cursor else None
    rows = await service.page(services, caller, below=below, limit=limit + 1)
    found = pagination.page(
        rows, limit=limit, item=schemas.api_key, cursor=lambda row: pagination.encode_cursor(_LIST, row.id)
    )
    return pagination.respond(request, found)


@delete("/v1/auth/api-keys/{key_id:str}", summary="Revoke an API key")
async def revoke(key_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]) -> None:
    await service.revoke(services, caller, key_id)


ROUTES = [create, list_, revoke]
