"""What a route requires of its caller. Each feature's `feature.py` has the table of its own routes.

Nothing is open that is in no table: `app.build` refuses to start. Path parameters are written `{}`.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from delta_server.core import scopes

Body = Literal["typed", "document", "events", "stream"]
RateClass = Literal["ingest", "visits", "query", "auth"]
"""What requests count as where their number is limited: bringing data, visits to websites, everything else, signing
in."""


class Access(msgspec.Struct, frozen=True):
    """What a route requires of a key: its scope (a verb on a family, its feature's when it names none), and whether it
    is a project's or an account's. Public asks for none, a `person` route for the access token of whoever signed in.

    `cross_origin` routes answer browsers on other sites (cors.py). `body` is what the request may bring: a small typed
    body, documents, events, or a stream that its handler takes piece by piece and decodes itself; each has its own
    limit of size. `rate_class` None is for what is never limited, and for
    handlers that find the key. `newcomers` lets members of the instance use an `account` route where everybody may
    register.
    """

    scope: Literal["read", "write", "admin", "ingest"] = "read"
    keys: Literal["project", "account", "any", "person"] = "project"
    public: bool = False
    cross_origin: bool = False
    body: Body = "typed"
    rate_class: RateClass | None = "query"
    family: str = ""
    newcomers: bool = False
    deleted: bool = False
    """The project in the path may lie in the bin."""

    @property
    def needs(self) -> str:
        """The scope in full: `snapshots:read`."""
        return f"{self.family}:{'write' if self.scope == scopes.INGEST else self.scope}"

    @property
    def takes_scope(self) -> bool:
        """Public routes and those of a person ask for no scope."""
        return not self.public and self.keys != "person"


class UnguardedRoute(RuntimeError):
    """A route is in no feature's table of guards, or asks for a scope that there is none of."""


PUBLIC = Access(public=True, rate_class=None)
SIGN_IN = Access(public=True, rate_class="auth")
READ = Access("read")
ADMIN = Access("admin")
ANY = Access("read", keys="any")
ANY_ADMIN = Access("admin", keys="any")
WRITE_DOCUMENT = Access("write", body="document", rate_class="ingest")
SERVER = Access("read", keys="account", family="metrics", rate_class=None)
"""What is about all projects, for whoever watches the server: it answers as long as it can."""
PERSON = Access("read", keys="person")
PERSON_WITH_PASSWORD = Access("read", keys="person", rate_class="auth")
"""What compares a password or a code of whoever signed in."""
INGEST = Access("ingest", cross_origin=True, body="events", family="events", rate_class="ingest")
"""Takes keys in many places, the body among them: its handlers ask `ingest_auth.caller_of` who sends."""
KEY_IN_PATH = Access(public=True, cross_origin=True, rate_class=None)
"""For browser clients' settings: the handler checks the write key in the path by `ingest_auth.caller_in_path`."""

Guards = Mapping[tuple[str, str], Access]
"""By method and path."""


def of_family(guards: Guards, family: str) -> Guards:
    """`guards` with the family where they name none. Raises UnguardedRoute for a scope that is in no table."""
    found = {
        route: access if access.family else msgspec.structs.replace(access, family=family)
        for route, access in guards.items()
    }
    for (method, path), access in found.items():
        if access.takes_scope and access.needs not in scopes.SINGLES:
            raise UnguardedRoute(f"{method} {path} asks for {access.needs}, which core/scopes.py does not have")
    return found
