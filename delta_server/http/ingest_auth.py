"""Keys of requests that bring events. Clients of other products send them in their own ways, so there are many.

The first of these counts: Basic (the key is the user name), Bearer, x-api-key, X-Write-Key, ?writeKey=, and last of all
the body's own field, which the handler finds after the gate has let the request through. Real clients send one key in
two of these places.
"""

import binascii
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qs

from litestar import Request
from msgspec import UNSET, UnsetType

from delta_server.core import access_tokens, secrets
from delta_server.core.caller import Caller
from delta_server.core.errors import Forbidden, Unauthorized
from delta_server.http import auth, cors, rate_limits
from delta_server.http.asgi import Headers, Scope
from delta_server.http.auth import Authenticate
from delta_server.http.guards import INGEST, Access

QUERY_NAME = "writeKey"
QUERY_ALIAS = "write_key"

_HOW = "send a write key as the user name of Basic, as Authorization: Bearer KEY, x-api-key, X-Write-Key or ?writeKey="


def caller_of(request: Request[Any, Any, Any], body_key: str | UnsetType | None = UNSET) -> Caller:
    """Who sends these events: the caller the gate found, or else the owner of `body_key`, the body's `writeKey`. UNSET
    says that no body of this route has one.

    Its `project` is never None. A handler calls this before it complains of a body: without a key nobody learns
    anything. Raises Unauthorized, Forbidden.
    """
    scope = cast("Scope", request.scope)
    if "user" in scope:
        known: Caller = scope["user"]
        return known
    if not body_key:
        raise Unauthorized(f"this needs a key: {_HOW}{'' if body_key is UNSET else ', or in the body as writeKey'}")
    return caller_with(request, body_key)


def caller_in_path(request: Request[Any, Any, Any], key: str) -> Caller:
    """The owner of the write key in a path for one. Raises Unauthorized, Forbidden."""
    return caller_with(request, _of_address(key))


def caller_with(request: Request[Any, Any, Any], key: str) -> Caller:
    """The owner of a key that the handler found. Raises Unauthorized, Forbidden."""
    return sign_in(cast("Scope", request.scope), request.app.state.authenticate, key, INGEST)


def key_in(request: Request[Any, Any, Any]) -> str | None:
    """As `key_of`, of a request that the gate has let through."""
    scope = cast("Scope", request.scope)
    return key_of(scope["headers"], scope["query_string"])


def sign_in(scope: Scope, authenticate: Authenticate, key: str, access: Access) -> Caller:
    """For a route with this `access`. Sets `scope["user"]`. Raises Unauthorized, RateLimited, and Forbidden for
    keys and sites that may not send what it takes."""
    again = partial(authenticate, key, auth.tenants_of(scope["headers"]))
    caller = again()
    cors.admit(scope, caller)
    rate_limits.count(scope, access.rate_class or "ingest", caller)
    auth.check(caller, access)
    scope["user"] = caller
    admit = partial(auth.admit, again, access)
    scope["state"]["exchange"].check_after_body(partial(auth.refuse_changed, admit, caller))
    return caller


def key_of(headers: Headers, query: bytes) -> str | None:
    """The key in headers or query; None when it can only be in the body. Raises Unauthorized for what is no key, and
    Forbidden for a secret one in the query, whether it counts or not."""
    in_query = _in_query(query)
    given = {name: value for name, value in reversed(headers) if name in _SENT}
    for name, read in _SENT.items():
        if name in given and (key := read(given[name].strip())):
            return key
    return in_query


def _authorization(value: bytes) -> str | None:
    scheme, _, rest = value.partition(b" ")
    if scheme.lower() == b"bearer":
        return _text(rest.strip())
    if scheme.lower() == b"basic":
        return _basic(rest.strip())
    raise Unauthorized(f"unsupported authorization scheme: {_HOW}")


def _basic(value: bytes) -> str | None:
    try:
        return _text(binascii.a2b_base64(value).partition(b":")[0])
    except binascii.Error:
        raise Unauthorized("the Basic credentials are not base64") from None


def _with_secret(value: bytes) -> str | None:
    """Jitsu sends `key:secret`; a write key has no secret beside it."""
    return _text(value.partition(b":")[0])


def _text(value: bytes) -> str | None:
    try:
        return value.decode("ascii") or None
    except UnicodeDecodeError:
        raise Unauthorized("this is not a key") from None


_SENT = {b"authorization": _authorization, b"x-api-key": _text, b"x-write-key": _with_secret}
"""How a header's value becomes a key, in the order of precedence."""


def _in_query(query: bytes) -> str | None:
    if b"rite" not in query:
        return None
    found = parse_qs(query.decode("latin-1"))
    sent = [_of_address(key) for name in (QUERY_NAME, QUERY_ALIAS) for key in found.get(name, ())]
    return sent[0] if sent else None


def _of_address(key: str) -> str:
    """A key in an address: proxies and browsers write those down, so it must be one that all may see."""
    if secrets.is_secret(key) or access_tokens.is_one(key):
        raise Forbidden(
            "only a write key may stand in an address, which ends up in logs: send this one in a header, and make a"
            " new one in its place if others can read those logs"
        )
    return key
