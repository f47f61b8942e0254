"""The refresh token of browsers: in a cookie that no script reads and that is sent to /v1/auth alone.

It is `__Secure-` where the browser came by TLS; `__Host-` would send it everywhere.
"""

from typing import Any, TypeVar

from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.handlers import BaseRouteHandler
from msgspec import UNSET, structs

from delta_server.core.errors import Unauthorized
from delta_server.features.users.schemas import Tokens
from delta_server.features.users.sessions import Client
from delta_server.http import browsers
from delta_server.http.browsers import Connection
from delta_server.services import Services

T = TypeVar("T")
_SECURE, _PLAIN = "__Secure-delta_refresh", "delta_refresh"
_NONE_SENT = "send a refresh_token in the body, or the cookie of a login with cookie"


def only_own_pages(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard, before the body is read. Raises Forbidden where the cookie comes with what another site's page can have
    sent."""
    if _sent(connection) is not None:
        browsers.refuse_other_pages(connection)
        browsers.refuse_forms(connection)


def token_of(request: Request[Any, Any, Any]) -> str:
    """The cookie's token. Raises Unauthorized without one, Forbidden unless our own page sent it."""
    if (token := _sent(request)) is None:
        raise Unauthorized(_NONE_SENT)
    browsers.require_own_page(request)
    return token


def _sent(connection: Connection) -> str | None:
    """Where TLS is certain a plain cookie counts for nothing: whoever is on the way to another server of the same name
    can set one."""
    secure = browsers.cookie(connection, _SECURE)
    return secure if secure or browsers.is_secure(connection) else browsers.cookie(connection, _PLAIN)


def answer(
    request: Request[Any, Any, Any], services: Services, tokens: T, *, in_cookie: bool, status: int = 200
) -> Response[T]:
    """No cache on the way keeps it."""
    cookies = []
    if in_cookie and isinstance(tokens, Tokens) and tokens.refresh_token is not UNSET:
        cookies = [of_session(request, services, tokens)]
        tokens = structs.replace(tokens, refresh_token=UNSET)
    return Response(tokens, status_code=status, headers={"cache-control": "no-store"}, cookies=cookies)


def of_session(request: Request[Any, Any, Any], services: Services, tokens: Tokens) -> Cookie:
    """The cookie of a session that has begun."""
    assert tokens.refresh_token is not UNSET
    return _cookie(request, tokens.refresh_token, max_age=services.config.auth.idle_days * 86_400)


def client(request: Request[Any, Any, Any]) -> Client:
    return Client(request.scope["state"]["exchange"].address, request.headers.get("user-agent", ""))


def refuse_login_by_others(request: Request[Any, Any, Any], *, in_cookie: bool) -> None:
    """Nobody is signed in as somebody else by a page that they visit. Raises Forbidden."""
    if in_cookie:
        browsers.refuse_other_pages(request)


def signed_out(request: Request[Any, Any, Any]) -> Response[None]:
    cookies = [] if _sent(request) is None else [_cookie(request, "", max_age=0)]
    return Response(None, status_code=204, cookies=cookies)


def _cookie(request: Request[Any, Any, Any], value: str, *, max_age: int) -> Cookie:
    secure = browsers.is_secure(request)
    return Cookie(
        _SECURE if secure else _PLAIN,
        value=value,
        path=f"{browsers.base_path(request)}{_prefix(request)}/auth",
        max_age=max_age,
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def _prefix(request: Request[Any, Any, Any]) -> str:
    """What the browser's path began with: the routes have three names (http/edge.py)."""
    raw = request.scope.get("raw_path") or b"/v1/"
    return next((prefix for prefix in ("/api/v1", "/api") if raw.startswith(f"{prefix}/".encode())), "/v1")
