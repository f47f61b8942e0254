"""Browsers on other sites: what they may send here and read of the answer (CORS, fetch.spec.whatwg.org).

Routes whose guard says `cross_origin` answer them; all others keep same-origin. No credentials are allowed:
the one cookie there is (browsers.py) is for our own pages. `*` stands for any origin; a named one is repeated only when
the key lists it.
"""

from collections.abc import Collection

from delta_server.core import origins
from delta_server.core.caller import Caller
from delta_server.core.errors import Forbidden
from delta_server.http.asgi import Headers, Scope

SAME_ORIGIN: Headers = [(b"cross-origin-resource-policy", b"same-origin")]
_CLOSED: Headers = [(b"cross-origin-resource-policy", b"cross-origin"), (b"vary", b"origin")]
_EXPOSED = (
    b"access-control-expose-headers",
    b"Retry-After, X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset",
)
_OPEN: Headers = [*_CLOSED, (b"access-control-allow-origin", b"*"), _EXPOSED]

_HEADERS = (
    "Authorization, Content-Type, AnonymousId, SentAt, X-Retry-Count, X-Write-Key, X-Api-Key, X-Tenant-Id, "
    "Content-Encoding, Idempotency-Key, X-Request-Id, *"
)
"""The star is for what pages' tracing adds; those before it are for browsers that do not know it."""
_MAX_AGE_S = 86_400


def preflight(methods: str) -> dict[str, str]:
    """What OPTIONS is answered besides `begin`: it comes without a key, so all may; the request itself is checked."""
    return {
        "access-control-allow-methods": methods,
        "access-control-allow-headers": _HEADERS,
        "access-control-max-age": str(_MAX_AGE_S),
    }


def begin(scope: Scope) -> None:
    """Until its key is known an answer may be read by all: it can only be a refusal, and scripts shall see which."""
    scope["state"]["exchange"].origin_headers = _CLOSED if _origin(scope["headers"]) is None else _OPEN


def admit(scope: Scope, caller: Caller) -> None:
    """Raise Forbidden when a browser uses a write key on a site that the key does not list.

    Other keys are secrets and must not be used in web pages: they work, but no other site's script reads the answer.
    """
    origin = _origin(scope["headers"])
    if origin is None:
        return
    if caller.origins is None:
        scope["state"]["exchange"].origin_headers = _CLOSED
    else:
        admit_origin(scope, caller.origins, origin, "its")


def admit_origin(scope: Scope, listed: Collection[str], origin: str | None, whose: str) -> None:
    """Raise Forbidden where `listed` has neither this origin nor any; None is a request that does not say it."""
    if origins.ANY in listed:
        return
    exchange = scope["state"]["exchange"]
    exchange.origin_headers = _CLOSED
    if origin is None or not origins.allows(listed, origin):
        raise Forbidden(f"the write key may not be used on this site: {whose} origins do not list it")
    exchange.origin_headers = [*_CLOSED, (b"access-control-allow-origin", origin.encode("latin-1")), _EXPOSED]


def _origin(headers: Headers) -> str | None:
    return next((value.decode("latin-1") for name, value in headers if name == b"origin"), None)
