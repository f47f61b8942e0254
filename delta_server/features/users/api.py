"""/v1/setup and /v1/auth: the first owner, sessions and passwords of people."""

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.features.users import schemas, service
from delta_server.features.users.schemas import (
    FirstOwner,
    Login,
    MeAnswer,
    PasswordChange,
    PasswordReset,
    RefreshToken,
    RevokedAnswer,
    Session,
    Setup,
    Tokens,
)
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.services import Services

_TAGS = ["People"]
_LIST = "sessions"
_USER = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "email": "ada@example.com",
    "name": "Ada",
    "role": "owner",
    "created_at": "2026-05-01T12:00:00.000Z",
}
_TOKENS = {
    "access_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9...",
    "token_type": "Bearer",
    "expires_in": 900,
    "refresh_token": "dr_5d41402abc4b2a76b9719d911017c592...",
    "user": _USER,
}
_SESSION = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8058",
    "created_at": "2026-05-01T12:00:00.000Z",
    "last_used_at": "2026-05-01T12:00:00.000Z",
    "expires_at": "2026-05-31T12:00:00.000Z",
    "address": "203.0.113.7",
    "client": "Mozilla/5.0 ...",
    "current": True,
}
_LOGIN = {"email": "ada@example.com", "password": "correct horse battery"}


@get(
    "/v1/setup",
    summary="Tell whether the first owner is still to be made",
    tags=_TAGS,
    opt=example(answer={"needed": True}),
)
async def needs_setup(services: NamedDependency[Services]) -> Setup:
    return Setup(service.needs_setup(services))


@post(
    "/v1/setup",
    summary="Make the first owner, and sign in",
    tags=_TAGS,
    status_code=201,
    opt=example(request={"token": "b1946ac92492d2347c6235b4d2611184...", **_LOGIN, "name": "Ada"}, answer=_TOKENS),
)
async def set_up(
    request: Request[Any, Any, Any], data: JSONBody[FirstOwner], services: NamedDependency[Services]
) -> Response[Tokens]:
    return _secret(await service.set_up(services, data, *_client(request)), 201)


@post(
    "/v1/auth/login",
    summary="Sign in",
    tags=_TAGS,
    status_code=200,
    opt=example(request=_LOGIN, answer=_TOKENS),
)
async def login(
    request: Request[Any, Any, Any], data: JSONBody[Login], services: NamedDependency[Services]
) -> Response[Tokens]:
    """After five failures for a user, or from an address, each next try waits, a minute at most: 429 with
    Retry-After."""
    return _secret(await service.login(services, data.email, data.password, *_client(request)))


@post(
    "/v1/auth/refresh",
    summary="Get the next pair of tokens",
    tags=_TAGS,
    status_code=200,
    opt=example(request={"refresh_token": _TOKENS["refresh_token"]}, answer=_TOKENS),
)
async def refresh(data: JSONBody[RefreshToken], services: NamedDependency[Services]) -> Response[Tokens]:
    """A refresh token is good once, and 30 seconds longer, for the same pair, in case its answer was lost. One that
    comes later, or after that pair was used, was copied: its session ends."""
    return _secret(await service.refresh(services, data.refresh_token))


@post("/v1/auth/logout", summary="End this session", tags=_TAGS, status_code=204, opt=example(answer=None))
async def logout(services: NamedDependency[Services], caller: NamedDependency[Caller]) -> None:
    await service.logout(services, caller)


@post(
    "/v1/auth/change-password",
    summary="Change one's password, and end all other sessions",
    tags=_TAGS,
    status_code=204,
    opt=example(
        request={"current_password": "correct horse battery", "new_password": "staple horse battery"}, answer=None
    ),
)
async def change_password(
    data: JSONBody[PasswordChange], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> None:
    await service.change_password(services, caller, data)


@post(
    "/v1/auth/reset-password",
    summary="Set a password by a link, and end all sessions",
    tags=_TAGS,
    status_code=204,
    opt=example(
        request={"token": "b1946ac92492d2347c6235b4d2611184...", "new_password": "staple horse battery"}, answer=None
    ),
)
async def reset_password(data: JSONBody[PasswordReset], services: NamedDependency[Services]) -> None:
    await service.reset_password(services, data)


@get("/v1/auth/me", summary="Tell who is signed in", tags=_TAGS, opt=example(answer={"user": _USER}))
async def me(services: NamedDependency[Services], caller: NamedDependency[Caller]) -> MeAnswer:
    return MeAnswer(schemas.user(service.me(services, caller)))


@get(
    "/v1/auth/sessions",
    summary="List one's sessions, the newest first",
    tags=_TAGS,
    opt=example(answer={"data": [_SESSION], "has_more": False, "next_cursor": None}),
)
async def list_sessions(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[Session]]:
    below = decode_cursor(_LIST, cursor, tuple[int])[0] if cursor else 1 << 62
    rows = await service.sessions(services, caller, below=below, limit=limit + 1)
    found = pagination.page(
        rows,
        limit=limit,
        item=lambda row: schemas.session(row, caller.session),
        cursor=lambda row: encode_cursor(_LIST, row.id),
    )
    return pagination.respond(request, found)


@delete(
    "/v1/auth/sessions",
    summary="End all one's sessions but this",
    tags=_TAGS,
    status_code=200,
    opt=example(answer={"revoked": 2}),
)
async def revoke_sessions(services: NamedDependency[Services], caller: NamedDependency[Caller]) -> RevokedAnswer:
    return RevokedAnswer(await service.revoke_others(services, caller))


@delete("/v1/auth/sessions/{session_id:str}", summary="End a session", tags=_TAGS, opt=example(answer=None))
async def revoke_session(
    session_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> None:
    await service.revoke_session(services, caller, session_id)


def _client(request: Request[Any, Any, Any]) -> tuple[str, str]:
    """The address that limits count by, and the program's name for itself."""
    return request.scope["state"]["exchange"].address, request.headers.get("user-agent", "")


def _secret(tokens: Tokens, status: int = 200) -> Response[Tokens]:
    """No cache on the way keeps it."""
    return Response(tokens, status_code=status, headers={"cache-control": "no-store"})


ROUTES = [
    needs_setup,
    set_up,
    login,
    refresh,
    logout,
    change_password,
    reset_password,
    me,
    list_sessions,
    revoke_sessions,
    revoke_session,
]
