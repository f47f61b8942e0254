"""/v1/setup and /v1/auth: the first owner, sessions and passwords of people."""

from typing import Any, cast

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from msgspec import UNSET

from delta_server.core.caller import Caller
from delta_server.core.cursors import encode_cursor, row_below
from delta_server.features.users import cookie_api, forgotten, schemas, service, sessions, totp_api
from delta_server.features.users.schemas import (
    CodeWanted,
    FirstOwner,
    Forgotten,
    ForgottenAnswer,
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
from delta_server.http import auth, pagination
from delta_server.http.asgi import Scope
from delta_server.http.docs import example
from delta_server.http.guards import PERSON
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody
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
_ME = {"user": _USER, "second_factor": True, "recovery_codes_left": 10}
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
    cookie_api.refuse_login_by_others(request, in_cookie=data.cookie)
    tokens = await service.set_up(services, data, cookie_api.client(request))
    return cookie_api.answer(request, services, tokens, in_cookie=data.cookie, status=201)


@post(
    "/v1/auth/login",
    summary="Sign in",
    tags=_TAGS,
    status_code=200,
    opt=example(request=_LOGIN, answer=_TOKENS),
)
async def login(
    request: Request[Any, Any, Any], data: JSONBody[Login], services: NamedDependency[Services]
) -> Response[Tokens | CodeWanted]:
    """After five failures for a user, or from an address, each next try waits, a minute at most: 429 with
    Retry-After. With `"cookie": true` the refresh token comes in a cookie that only /v1/auth is sent. Whoever has a
    second factor is answered `mfa_required`, and goes on at /v1/auth/login/totp."""
    cookie_api.refuse_login_by_others(request, in_cookie=data.cookie)
    tokens = await service.login(services, data.email, data.password, cookie_api.client(request))
    return cookie_api.answer(request, services, tokens, in_cookie=data.cookie)


@post(
    "/v1/auth/refresh",
    summary="Get the next pair of tokens",
    tags=_TAGS,
    status_code=200,
    guards=[cookie_api.only_own_pages],
    opt=example(request={"refresh_token": _TOKENS["refresh_token"]}, answer=_TOKENS),
)
async def refresh(
    request: Request[Any, Any, Any], services: NamedDependency[Services], data: JSONBody[RefreshToken | None] = None
) -> Response[Tokens]:
    """A refresh token is good once, and 30 seconds longer, for the same pair, in case its answer was lost. One that
    comes later, or after that pair was used, was copied: its session ends. Without one in the body the cookie's is
    meant, which only the server's own pages may send: 403."""
    given = UNSET if data is None else data.refresh_token
    in_cookie = given is UNSET
    tokens = await sessions.refresh(services, cookie_api.token_of(request) if given is UNSET else given)
    return cookie_api.answer(request, services, tokens, in_cookie=in_cookie)


@post(
    "/v1/auth/logout",
    summary="End this session",
    tags=_TAGS,
    status_code=204,
    guards=[cookie_api.only_own_pages],
    opt=example(answer=None),
)
async def logout(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Response[None]:
    """The access token's, or without one the cookie's, which goes too."""
    headers = cast("Scope", request.scope)["headers"]
    if auth.brings_key(headers):
        caller = request.app.state.authenticate(auth.key_of(headers))
        auth.check(caller, PERSON)
        await sessions.logout(services, caller)
    else:
        await sessions.logout_by_refresh(services, cookie_api.token_of(request))
    return cookie_api.signed_out(request)


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
    "/v1/auth/forgot-password",
    summary="Have a link mailed that sets another password",
    tags=_TAGS,
    status_code=202,
    opt=example(
        request={"email": "ada@example.com"},
        answer={
            "message": "if the address has an account, a link to set another password is on its way",
            "mailed": True,
        },
    ),
)
async def forgot_password(
    request: Request[Any, Any, Any], data: JSONBody[Forgotten], services: NamedDependency[Services]
) -> ForgottenAnswer:
    """The same, and as fast, whether the address has an account or not."""
    return await forgotten.request_link(services, data, address=cookie_api.client(request).address)


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


@get("/v1/auth/me", summary="Tell who is signed in", tags=_TAGS, opt=example(answer=_ME))
async def me(services: NamedDependency[Services], caller: NamedDependency[Caller]) -> MeAnswer:
    user, second_factor, left = service.me_and_factor(services, caller)
    return MeAnswer(schemas.user(user), second_factor, left)


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
    below = row_below(_LIST, cursor)
    rows = await sessions.page(services, caller, below=below, limit=limit + 1)
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
    return RevokedAnswer(await sessions.revoke_others(services, caller))


@delete("/v1/auth/sessions/{session_id:str}", summary="End a session", tags=_TAGS, opt=example(answer=None))
async def revoke_session(
    session_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> None:
    await sessions.revoke_by_id(services, caller, session_id)


ROUTES = [
    needs_setup,
    set_up,
    login,
    refresh,
    logout,
    change_password,
    forgot_password,
    reset_password,
    me,
    list_sessions,
    revoke_sessions,
    revoke_session,
    *totp_api.ROUTES,
]
