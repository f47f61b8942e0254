"""What a route requires of its caller. Each feature's `feature.py` has the table of its own routes.

Nothing is open that is in no table: `app.build` refuses to start. Path parameters are written `{}`.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

Body = Literal["typed", "document", "events"]


class Access(msgspec.Struct, frozen=True):
    """What a route requires of a key: its scope, and whether it is a project's or an account's. Public asks for none,
    and a `person` route for the access token of whoever signed in.

    `cross_origin` routes answer browsers on other sites (cors.py). `body` is what the request may bring: a small typed
    body, documents, or events; each has its own limit of size.
    """

    scope: Literal["read", "write", "admin", "ingest"] = "read"
    keys: Literal["project", "account", "any", "person"] = "project"
    public: bool = False
    cross_origin: bool = False
    body: Body = "typed"


PUBLIC = Access(public=True)
READ = Access("read")
ADMIN = Access("admin")
ANY = Access("read", keys="any")
ANY_ADMIN = Access("admin", keys="any")
WRITE_DOCUMENT = Access("write", body="document")
SERVER = Access("read", keys="account")
"""What is about all projects."""
PERSON = Access("read", keys="person")
INGEST = Access("ingest", cross_origin=True, body="events")
"""Takes keys in many places, the body among them: its handlers ask `ingest_auth.caller_of` who sends."""
KEY_IN_PATH = Access(public=True, cross_origin=True)
"""For browser clients' settings: the handler checks the write key in the path by `ingest_auth.caller_in_path`."""

Guards = Mapping[tuple[str, str], Access]
"""By method and path."""
