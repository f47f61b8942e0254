"""What browsers do by themselves: they send cookies along, whichever page asks, and say which page did.

A cookie that signs somebody in counts only in requests of our own pages: the browser sends `Origin` with each POST, and
newer ones `Sec-Fetch-Site`; no page can change either. `SameSite=Strict` and a media type that no form can send (JSON)
stand beside that. (RFC 6265bis 5.6.7; OWASP's Cross-Site Request Forgery Prevention Cheat Sheet)
"""

from typing import Any, cast
from urllib.parse import urlsplit

from litestar import Request
from litestar.connection import ASGIConnection

from delta_server.config.sections import Server
from delta_server.core.errors import Forbidden
from delta_server.http.address import is_trusted
from delta_server.http.asgi import Scope
from delta_server.http.body import is_json
from delta_server.services import Services

Connection = ASGIConnection[Any, Any, Any, Any]
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def cookie(connection: Connection, name: str) -> str | None:
    """The first cookie by that name whose value says anything."""
    for key, value in connection.scope["headers"]:
        if key == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                found, _, text = pair.strip().partition("=")
                if found == name and (token := text.strip('"')):
                    return token
    return None


def refuse_other_pages(connection: Connection) -> None:
    """Raise Forbidden for a request that a page of another site caused, as far as its headers say."""
    site = _header(connection.scope, b"sec-fetch-site")
    if site is not None and site != "same-origin":
        raise Forbidden("a page of another site sent this: sign in on the server's own")
    origin = _header(connection.scope, b"origin")
    if origin is not None and _normal(origin) not in own_origins(connection):
        raise Forbidden(
            "a page of another site sent this; behind a proxy that changes the Host, set server.public_url to the "
            "address that browsers use"
        )


def require_own_page(connection: Connection) -> None:
    """Raise Forbidden unless one of our own pages sent the request."""
    refuse_other_pages(connection)
    if _header(connection.scope, b"origin") is None:
        raise Forbidden("with a cookie this wants the Origin header that browsers send, and the server's own in it")


def refuse_forms(connection: Connection) -> None:
    """Raise Forbidden for a body that a form of any site could have sent."""
    kind = cast("Request[Any, Any, Any]", connection).content_type[0]
    if kind and not is_json(kind.lower()):
        raise Forbidden("with a cookie the body must be JSON, which no form can send")


def is_secure(connection: Connection) -> bool:
    """Whether the browser came by TLS, as far as a trusted proxy or the configuration says."""
    return schemes(connection) == ("https",)


def own_origins(connection: Connection) -> set[str]:
    """What `Origin` says in requests of our own pages."""
    scope, server = connection.scope, _server(connection)
    if server.public_url:
        return {_normal(server.public_url)}
    host = (_forwarded(connection, b"x-forwarded-host") or _header(scope, b"host") or "").lower()
    return {_normal(f"{scheme}://{host}") for scheme in schemes(connection)}


def schemes(connection: Connection) -> tuple[str, ...]:
    """What the browser's address may begin with: both where nobody says which, as TLS may end before us."""
    server = _server(connection)
    said = (server.public_url.partition(":")[0] or _forwarded(connection, b"x-forwarded-proto") or "").lower()
    if said in ("http", "https"):
        return (said,)
    return ("https",) if connection.scope["scheme"] == "https" else ("http", "https")


def base_path(connection: Connection) -> str:
    """The path that a proxy puts us under, as the configuration says it or a trusted proxy's X-Forwarded-Prefix."""
    said = urlsplit(_server(connection).public_url).path or _forwarded(connection, b"x-forwarded-prefix") or ""
    return said.rstrip("/") if said.startswith("/") and not said.startswith("//") else ""


def _server(connection: Connection) -> Server:
    services: Services = connection.app.state.services
    return services.config.server


def from_trusted_proxy(connection: Connection) -> bool:
    """Whether what a proxy adds to the request is believed: the peer is one of server.trusted_proxies."""
    peer = connection.scope.get("client")
    return peer is not None and is_trusted(_server(connection).trusted_proxies, peer[0])


def _forwarded(connection: Connection, name: bytes) -> str | None:
    """What the first of the proxies says, if the last one is trusted."""
    if not from_trusted_proxy(connection):
        return None
    value = _header(connection.scope, name)
    return None if value is None else value.split(",")[0].strip()


def _header(scope: Scope | Any, name: bytes) -> str | None:
    """All values of it, as one."""
    values = [value.decode("latin-1").strip() for key, value in scope["headers"] if key == name]
    return ", ".join(values) if values else None


def _normal(url: str) -> str:
    """Scheme, host and port, as browsers write an origin."""
    try:
        parts = urlsplit(url.lower())
    except ValueError:
        return ""
    host = parts.netloc.removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
    return f"{parts.scheme}://{host}" if host else ""
