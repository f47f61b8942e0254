"""Who makes a request. How a key becomes a Caller is a function that app.py hands in; this layer knows no feature."""

from collections.abc import Callable
from typing import Any, TypeAlias

from litestar import Request

from delta_server.core.caller import Caller
from delta_server.core.errors import Forbidden, Unauthorized, Unavailable
from delta_server.http.asgi import Headers
from delta_server.http.guards import Access

_HOW_TO_SEND_KEY = "send a key as Authorization: Bearer KEY or as x-api-key: KEY"


Authenticate: TypeAlias = Callable[..., Caller]
"""A key's text, and the projects named beside it (ids or names), to its Caller; short, on the event loop. With
`deleted` those may lie in the bin. Raises Unauthorized for unknown, revoked and expired keys, Forbidden for a project
that is not the key's, there or not, and for a key whose own project lies in the bin."""

ADMIT = "admit"
"""In a scope's state: does again what let the request in."""
TENANT = b"x-tenant-id"
PROJECT = "project_id"
"""The header and the query parameter that say which project a request is about."""


def key_of(headers: Headers) -> str:
    """The key in a request's headers. Raises Unauthorized without one, or with two that differ."""
    found = set()
    for name, value in headers:
        if name == b"x-api-key":
            found.add(value.strip())
        elif name == b"authorization":
            found.add(_bearer(value))
    if not found:
        raise Unauthorized(f"this needs a key: {_HOW_TO_SEND_KEY}")
    if len(found) > 1:
        raise Unauthorized("the request carries two different keys; send one")
    try:
        return found.pop().decode("ascii")
    except UnicodeDecodeError:
        raise Unauthorized("this is not a key") from None


def brings_key(headers: Headers) -> bool:
    return any(name in (b"x-api-key", b"authorization") for name, _ in headers)


def tenants_of(headers: Headers) -> list[str]:
    """The projects in a request's headers. Names come as UTF-8, or as latin-1 from clients that know nothing else."""
    return [_text(value) for name, value in headers if name == TENANT]


def _text(value: bytes) -> str:
    try:
        return value.strip().decode()
    except UnicodeDecodeError:
        return value.strip().decode("latin-1")


def _bearer(value: bytes) -> bytes:
    scheme, _, key = value.strip().partition(b" ")
    if scheme.lower() != b"bearer" or not key.strip():
        raise Unauthorized(f"unsupported authorization scheme: {_HOW_TO_SEND_KEY}")
    return key.strip()


def check(caller: Caller, access: Access) -> None:
    """Raise Forbidden unless `caller` may use a route with this `access`."""
    if caller.origins is not None and access.scope != "ingest":
        raise Forbidden("a write key may only send events: use a project's key of another kind here")
    if access.keys == "person":
        if caller.user is None:
            raise Forbidden("this is about a person who signed in: send the access token of POST /v1/auth/login")
        return
    if access.keys == "project" and caller.project is None:
        raise caller.without_project()
    if access.keys == "account" and caller.is_member:
        if access.newcomers and caller.is_newcomer:
            return
        raise Forbidden("this needs an owner or an admin of the instance")
    if access.keys == "account" and caller.project is not None and not caller.chosen:
        raise Forbidden("this needs an account key; a project's key stays within its project")
    caller.require(access.needs)


def admit(authenticate: Callable[[], Caller], access: Access) -> Caller:
    """Raises Unauthorized, Forbidden."""
    caller = authenticate()
    check(caller, access)
    return caller


def refuse_changed(admit: Callable[[], Caller], before: Caller) -> None:
    """For a request whose body came when the caller was known: whoever keeps it back for as long as they like does not
    keep what they could do then. Raises Unauthorized, Forbidden."""
    if admit() != before:
        raise Forbidden("what you may do was changed while the body of this request came: send it again")


def is_still_allowed(request: Request[Any, Any, Any]) -> bool:
    """Whether the request would be let in now, to the project it names: for answers that take long."""
    try:
        request.scope["state"][ADMIT]()
    except (Unauthorized, Forbidden, Unavailable):  # Unavailable: the server is going down
        return False
    return True
