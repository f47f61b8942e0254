"""Accounts that people make for themselves."""

from delta_server.features.registrations import api, schemas, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import SIGN_IN
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="registrations",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("POST", "/v1/auth/register"): SIGN_IN,
        ("POST", "/v1/auth/confirm-email"): SIGN_IN,
    },
    tables=["registration"],
    jobs=[tasks.JOB],
    periodic=[Periodic("delete registrations that nobody confirmed", tasks.sweep, every_s=3600)],
)
