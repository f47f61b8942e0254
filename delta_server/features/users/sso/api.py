"""/v1/auth/methods and the ways to sign in beside passwords."""

from typing import Any, cast

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler

from delta_server.features.users import cookie_api
from delta_server.features.users.schemas import Tokens
from delta_server.features.users.sso import oidc, oidc_api, trusted_header
from delta_server.features.users.sso.schemas import HeaderLogin, Methods, OidcMethod
from delta_server.http import browsers
from delta_server.http.asgi import Scope
from delta_server.http.browsers import Connection
from delta_server.http.docs import example
from delta_server.http.parameters import JSONBody
from delta_server.services import Services

_TAGS = ["People"]
_TOKENS = {
    "access_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9...",
    "token_type": "Bearer",
    "expires_in": 900,
    "refresh_token": "dr_5d41402abc4b2a76b9719d911017c592...",
    "user": {
        "id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "email": "ada@example.com",
        "name": "Ada",
        "role": "member",
        "created_at": "2026-05-01T12:00:00.000Z",
    },
}


@get(
    "/v1/auth/methods",
    summary="Tell how people sign in",
    tags=_TAGS,
    opt=example(
        answer={
            "password": True,
            "registration": "closed",
            "header": False,
            "oidc": {"name": "Authentik", "login": "/v1/auth/oidc/login"},
        }
    ),
)
async def methods(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Methods:
    """For the page where they do."""
    return Methods(
        password=True,
        registration=services.config.auth.registration,
        header=trusted_header.is_on(services, from_trusted_proxy=browsers.from_trusted_proxy(request)),
        oidc=OidcMethod(services.config.auth.oidc.name, oidc_api.path(request, "login"))
        if oidc.is_on(services)
        else None,
    )


def _only_own_pages(connection: Connection, _: BaseRouteHandler) -> None:
    """Before the body is read. Raises Forbidden."""
    browsers.require_own_page(connection)
    browsers.refuse_forms(connection)


@post(
    "/v1/auth/login/header",
    summary="Sign in as whoever the proxy on the way names",
    tags=_TAGS,
    status_code=200,
    guards=[_only_own_pages],
    opt=example(request={"cookie": True}, answer=_TOKENS),
)
async def login_by_header(
    request: Request[Any, Any, Any], services: NamedDependency[Services], data: JSONBody[HeaderLogin | None] = None
) -> Response[Tokens]:
    """For people behind an authenticating proxy (`auth.trusted_header`). It adds its header to what any page sends: as
    with cookies the server's own Origin is wanted. The second factor is the proxy's."""
    tokens = await trusted_header.login(
        services,
        _values(request, services.config.auth.trusted_header.header),
        cookie_api.client(request),
        from_trusted_proxy=browsers.from_trusted_proxy(request),
    )
    return cookie_api.answer(request, services, tokens, in_cookie=data is not None and data.cookie)


def _values(request: Request[Any, Any, Any], header: str) -> list[str]:
    name = header.lower().encode()
    headers = cast("Scope", request.scope)["headers"]
    return [value.decode("utf-8", "replace") for key, value in headers if key == name]


ROUTES = [methods, login_by_header, *oidc_api.ROUTES]
