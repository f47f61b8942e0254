"""Who may use which route: one table, and nothing is open that is not in it.

`app.build` refuses to start when a route is missing here. Path parameters are written `{}`.
"""

from typing import Literal

import msgspec

Body = Literal["typed", "document", "events"]


class Access(msgspec.Struct, frozen=True):
    """What a route asks of a key: its scope, and whether it is a project's or an account's. Public asks for none.

    `cross_origin` routes answer browsers on other sites (cors.py). `body` is what the request may bring: a small typed
    body, documents, or events; each has its own limit of size.
    """

    scope: Literal["read", "write", "admin", "ingest"] = "read"
    keys: Literal["project", "account", "any"] = "project"
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
INGEST = Access("ingest", cross_origin=True, body="events")
"""Takes keys in many places, the body among them: its handlers ask `ingest_auth.caller_of` who sends."""
KEY_IN_PATH = Access(public=True, cross_origin=True)
"""For browser clients' settings: the handler checks the write key in the path by `ingest_auth.caller_in_path`."""

GUARDS: dict[tuple[str, str], Access] = {
    # Health, metrics, documentation
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/healthz/details"): SERVER,
    ("GET", "/v1/health"): PUBLIC,
    ("GET", "/metrics"): SERVER,
    ("GET", "/v1/backup"): Access("admin", keys="account"),
    ("GET", "/"): PUBLIC,
    ("GET", "/docs"): PUBLIC,
    ("GET", "/docs/openapi.json"): PUBLIC,
    ("GET", "/docs/{}"): PUBLIC,
    # Projects: account keys manage them, a project's key sees and changes its own
    ("POST", "/v1/projects"): Access("write", keys="account"),
    ("GET", "/v1/projects"): ANY,
    ("GET", "/v1/projects/{}"): ANY,
    ("GET", "/v1/projects/{}/usage"): ANY,
    ("PATCH", "/v1/projects/{}"): ANY_ADMIN,
    ("DELETE", "/v1/projects/{}"): ANY_ADMIN,
    # Keys
    ("POST", "/v1/auth/api-keys"): ANY_ADMIN,
    ("GET", "/v1/auth/api-keys"): ANY_ADMIN,
    ("DELETE", "/v1/auth/api-keys/{}"): ANY_ADMIN,
    # Endpoints
    ("POST", "/v1/endpoints"): Access("write", keys="any"),  # the project may stand in the body
    ("GET", "/v1/endpoints"): READ,
    ("GET", "/v1/endpoints/{}"): READ,
    ("PATCH", "/v1/endpoints/{}"): ADMIN,
    ("DELETE", "/v1/endpoints/{}"): ADMIN,
    # Snapshots
    ("POST", "/v1/snapshots"): WRITE_DOCUMENT,
    ("POST", "/v1/snapshots/batch"): WRITE_DOCUMENT,
    ("GET", "/v1/snapshots"): READ,
    ("GET", "/v1/snapshots/{}"): READ,
    ("GET", "/v1/snapshots/{}/data"): READ,
    ("DELETE", "/v1/snapshots/{}"): ADMIN,
    ("GET", "/v1/snapshots/latest/{}"): READ,
    ("GET", "/v1/snapshots/at/{}"): READ,
    # Deltas
    ("GET", "/v1/deltas"): READ,
    ("GET", "/v1/deltas/{}"): READ,
    ("POST", "/v1/deltas/compare"): READ,
    ("GET", "/v1/stream"): READ,
    # Users
    ("GET", "/v1/users"): READ,
    ("GET", "/v1/users/{}"): READ,
    ("DELETE", "/v1/users/{}"): ADMIN,
    ("GET", "/v1/groups"): READ,
    ("GET", "/v1/groups/{}"): READ,
    ("GET", "/v1/erasures"): READ,
    ("GET", "/v1/erasures/{}"): READ,
    # Events in: Delta's own, Segment's calls, OpenTelemetry's logs
    ("POST", "/v1/events"): INGEST,
    ("POST", "/v1/events/batch"): INGEST,
    ("GET", "/v1/events/retention"): READ,
    ("PUT", "/v1/events/retention"): ADMIN,
    ("GET", "/v1/events/stats"): READ,
    **{("POST", f"/v1/{call}"): INGEST for call in ("track", "identify", "page", "screen", "group", "alias", "batch")},
    **{("POST", f"/v1/{letter}"): INGEST for letter in "tipsgab"},
    # Jitsu's clients send the same calls to /api/s/CALL, its servers to /api/s/s2s/CALL
    **{
        ("POST", f"/v1/s/{at}{call}"): INGEST
        for at in ("", "s2s/")
        for call in ("track", "identify", "page", "screen", "group", "alias", "batch")
    },
    ("POST", "/v1/import"): INGEST,
    ("POST", "/beacon/v1/batch"): INGEST,
    ("GET", "/sourceConfig"): INGEST,
    ("GET", "/v1/projects/{}/settings"): KEY_IN_PATH,
    ("POST", "/v1/logs"): INGEST,
    # Questions about events
    ("POST", "/v1/query"): READ,
    ("GET", "/v1/events/raw"): READ,
    ("GET", "/v1/events/aggregated"): READ,
    ("GET", "/v1/events/analytics"): READ,
    ("POST", "/v1/query/funnel"): READ,
    ("POST", "/v1/query/retention"): READ,
    ("POST", "/v1/query/paths"): READ,
    ("POST", "/v1/sql"): READ,
    ("GET", "/v1/export/events"): READ,
    ("GET", "/v1/export/aggregated"): READ,
    # History
    ("GET", "/v1/endpoints/{}/history"): READ,
    ("GET", "/v1/endpoints/{}/fields"): READ,
    ("GET", "/v1/endpoints/{}/blame"): READ,
    ("GET", "/v1/endpoints/{}/stats"): READ,
}
