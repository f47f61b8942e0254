"""/v1/auth/api-keys: an account's key manages all keys of the account, a project's key those of its project."""

from typing import Annotated, Any

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.features.accounts import service
from delta_server.features.accounts.schemas import ApiKey, KeyAnswer, NewKey, Rotation, RotationAnswer
from delta_server.http import idempotency, pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page, PageNumber, PageSize
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_LIST = "api-keys"
_TAGS = ["API keys"]
_EXAMPLE = {
    "id": "9mXk2VbTq0a",
    "last_four": "dTe4",
    "kind": "write",
    "project_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "project": "shop",
    "name": "web shop",
    "scopes": ["ingest"],
    "origins": ["https://shop.example"],
    "created_at": "2026-05-01T12:00:00.000Z",
    "expires_at": "2027-05-01T00:00:00.000Z",
    "revoked_at": None,
    "first_used_at": None,
    "last_used_at": None,
    "created_by": {
        "kind": "user",
        "id": "01890a5d-ac96-774b-bcce-b302099a8059",
        "email": "bo@example.com",
        "state": "active",
    },
    "replaced_by": None,
    "state": "active",
}
_NEW = {
    "project_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "kind": "write",
    "name": "web shop",
    "origins": ["https://shop.example"],
    "expires_in": "365d",
}


@post(
    "/v1/auth/api-keys",
    summary="Make an API key",
    tags=_TAGS,
    responses={201: ResponseSpec(KeyAnswer, generate_examples=False)},
    opt=example(request=_NEW, answer={"api_key": _EXAMPLE, "key": "dk_write_9mXk2VbTq0a_..."}),
)
async def create_key(
    data: JSONBody[NewKey],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    idempotency_key: NamedDependency[IdempotencyKey],
) -> Response[bytes]:
    return idempotency.respond(await service.create_key(services, caller, data, idempotency_key), "/v1/auth/api-keys")


@get(
    "/v1/auth/api-keys",
    summary="List API keys, the newest first",
    tags=_TAGS,
    opt=example(answer={"data": [_EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_keys(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
    page: PageNumber = None,
    page_size: PageSize = None,
) -> Response[Page[ApiKey]]:
    below = decode_cursor(_LIST, cursor, tuple[int])[0] if cursor else None
    size = page_size or limit
    skip = pagination.rows_to_skip(page, size, cursor)
    rows = await service.list_key_page(services, caller, below=below, limit=skip + size + 1)
    found = pagination.page(
        rows[skip:],
        limit=size,
        item=lambda row: row[1],
        cursor=lambda row: encode_cursor(_LIST, row[0]),
    )
    return pagination.respond(request, found)


@delete("/v1/auth/api-keys/{key_id:str}", summary="Revoke an API key", tags=_TAGS, opt=example(answer=None))
async def revoke_key(
    key_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    force: Annotated[
        bool, QueryParameter(description="Revoke it though the caller's project or account has no other admin key")
    ] = False,
    even_if_last: Annotated[bool, QueryParameter(description="The same as force")] = False,
) -> None:
    """The last active key of a project (of an account) with the scope admin is not revoked by a key of the same project
    (account), 409, unless `force` says so: nobody could make another one over HTTP."""
    await service.revoke_key_by_id(services, caller, key_id, force=force or even_if_last)


@post(
    "/v1/auth/api-keys/{key_id:str}/rotate",
    summary="Make an API key that takes another's place",
    tags=_TAGS,
    responses={201: ResponseSpec(RotationAnswer, generate_examples=False)},
    opt=example(
        request={"overlap": "24h"},
        answer={
            "api_key": _EXAMPLE,
            "key": "dk_write_9mXk2VbTq0a_...",
            "replaced_id": "3kPz8QwLm5c",
            "replaced_expires_at": "2026-05-02T12:00:00.000Z",
        },
    ),
)
async def rotate_key(
    key_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    idempotency_key: NamedDependency[IdempotencyKey],
    data: JSONBody[Rotation | None] = None,
) -> Response[bytes]:
    """It has the same name, scopes and sites. The old key is valid until `overlap` is over, and is not rotated again: a
    copy of it cannot be made to last."""
    answer = await service.rotate_key(services, caller, key_id, data or Rotation(), idempotency_key)
    return idempotency.respond(answer, "/v1/auth/api-keys")


ROUTES = [create_key, list_keys, revoke_key, rotate_key]
