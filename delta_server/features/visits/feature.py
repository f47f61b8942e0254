"""A pixel and a small script for websites."""

from delta_server.features.visits import api, schemas, service, store
from delta_server.http.feature import Feature
from delta_server.http.guards import Access
from delta_server.services import Cascade
from delta_server.tasks.periodic import Periodic

_SEND = Access("ingest", cross_origin=True, family="visits", rate_class="visits")
"""With a key that stands in pages for all to see."""
_FILE = Access(public=True, cross_origin=True, rate_class=None)

FEATURE = Feature(
    name="visits",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("POST", "/v1/visits"): _SEND,
        ("GET", "/v1/pixel"): _SEND,
        ("GET", "/script.js"): _FILE,
        ("GET", "/v1/visits/settings"): Access("read", family="events"),
        ("PUT", "/v1/visits/settings"): Access("admin", family="events"),
    },
    tables=["visit_settings", "visit_salt"],
    cascades=[Cascade("project", lambda _: store.delete_of_project)],
    periodic=[Periodic("delete the salts of past days", service.delete_old_salts, every_s=60)],
)
