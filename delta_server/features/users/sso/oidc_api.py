"""/v1/auth/oidc: the browser's way to the identity provider and back."""

from typing import Annotated, Any, TypeAlias
from urllib.parse import parse_qsl

from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.response import Redirect

from delta_server.core.caller import Caller
from delta_server.core.errors import BadRequest
from delta_server.features.users import cookie_api
from delta_server.features.users.sso import oidc
from delta_server.features.users.sso.oidc import Begun, Returned
from delta_server.features.users.sso.schemas import Link, LinkBegun
from delta_server.http import browsers
from delta_server.http.docs import example
from delta_server.http.gate import PREFIXES
from delta_server.http.pages import FOR_PEOPLE
from delta_server.http.parameters import JSONBody, QueryParameter
from delta_server.services import Services

_TAGS = ["People"]
_SECURE, _PLAIN = "__Secure-delta_oidc", "delta_oidc"
_PRIVATE = {"cache-control": "no-store"}
Then: TypeAlias = Annotated[
    str, QueryParameter(max_length=1000, description="Where the browser goes in the end, a path of this server")
]
_ONCE = ("state", "code", "error", "iss")


@get(
    "/v1/auth/oidc/login",
    summary="Go to the identity provider",
    tags=_TAGS,
    status_code=302,
    opt=example(answer=None) | {FOR_PEOPLE: True},
)
async def login(request: Request[Any, Any, Any], services: NamedDependency[Services], next: Then = "/") -> Redirect:
    """For browsers: a link of the login page. A `next` that names another server counts as `/`. A failure here, and on
    the way back, is answered as a page where `Accept` has text/html."""
    begun = await oidc.begin(services, next)
    return _redirect(begun.location, _begun_cookie(request, begun))


@get(
    "/v1/auth/oidc/callback",
    summary="Come back from the identity provider",
    tags=_TAGS,
    status_code=302,
    opt=example(answer=None) | {PREFIXES: ("",), FOR_PEOPLE: True},
)
async def callback(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Redirect:
    """What the provider is to be configured with. `state` must be that of the login that this browser began; then the
    session begins, with the refresh token in the cookie, and the browser goes on to `next`."""
    finished = await oidc.finish(services, _returned(request), _sent(request), cookie_api.client(request))
    cookies = [_cookie(request, "", max_age=0)]
    if finished.tokens is not None:
        cookies.append(cookie_api.of_session(request, services, finished.tokens))
    return _redirect(finished.then, *cookies)


@post(
    "/v1/auth/oidc/link",
    summary="Begin to sign in by the identity provider from now on",
    tags=_TAGS,
    status_code=200,
    opt=example(
        request={"password": "correct horse battery", "next": "/"},
        answer={"location": "https://idp.example.com/authorize?response_type=code&client_id=delta..."},
    ),
)
async def link(
    request: Request[Any, Any, Any],
    data: JSONBody[Link],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> Response[LinkBegun]:
    """For who has a password here: an address alone never leads to a user. The browser goes to `location`, with the
    cookie of this answer."""
    begun = await oidc.begin_link(services, caller, data.password, data.next)
    return Response(LinkBegun(begun.location), headers=_PRIVATE, cookies=[_begun_cookie(request, begun)])


@delete(
    "/v1/auth/oidc/link",
    summary="Sign in by the identity provider no more",
    tags=_TAGS,
    opt=example(answer=None),
)
async def unlink(services: NamedDependency[Services], caller: NamedDependency[Caller]) -> None:
    """Sessions stay as they are. Who has no password is answered 409."""
    await oidc.unlink(services, caller)


def path(request: Request[Any, Any, Any], name: str = "") -> str:
    """As browsers see it, where a proxy puts us under a path."""
    return f"{browsers.base_path(request)}/v1/auth/oidc" + (f"/{name}" if name else "")


def _redirect(location: str, *cookies: Cookie) -> Redirect:
    return Redirect(location, status_code=302, headers=_PRIVATE, cookies=cookies)


def _returned(request: Request[Any, Any, Any]) -> Returned:
    """Providers add what they like; what counts may come once. Raises BadRequest."""
    pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    found = {name: [value for other, value in pairs if other == name] for name in _ONCE}
    if any(len(values) > 1 or len(value) > 4000 for values in found.values() for value in values):
        raise BadRequest("state, code, error and iss may come once each, in 4000 characters at most")
    state, code, error, issuer = ("".join(found[name]) for name in _ONCE)
    return Returned(state, code, error, issuer)


def _sent(request: Request[Any, Any, Any]) -> str | None:
    return browsers.cookie(request, _SECURE if browsers.is_secure(request) else _PLAIN)


def _begun_cookie(request: Request[Any, Any, Any], begun: Begun) -> Cookie:
    return _cookie(request, begun.cookie, max_age=oidc.LOGIN_S)


def _cookie(request: Request[Any, Any, Any], value: str, *, max_age: int) -> Cookie:
    """Lax, as the browser comes back from another site."""
    secure = browsers.is_secure(request)
    return Cookie(
        _SECURE if secure else _PLAIN,
        value=value,
        path=path(request),
        max_age=max_age,
        secure=secure,
        httponly=True,
        samesite="lax",
    )


ROUTES = [login, callback, link, unlink]
