"""Who did what, when, from where."""

from delta_server.features.audit import api, schemas, service
from delta_server.http.feature import Feature
from delta_server.http.guards import ANY_ADMIN
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="audit",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={("GET", "/v1/audit"): ANY_ADMIN},
    tables=["audit", "audit_head"],
    periodic=[
        Periodic("record what was counted", service.write_repeats, every_s=60),
        Periodic("cut off old audit rows", service.expire, every_s=3600),
    ],
    at_start=service.begin,
    at_end=service.write_repeats,
)
