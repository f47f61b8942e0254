"""Persons are erased, when they ask for it."""

from delta_server.features.erasures import api, schemas, service, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ
from delta_server.services import Cascade

FEATURE = Feature(
    name="erasures",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("DELETE", "/v1/users/{}"): ADMIN,
        ("GET", "/v1/erasures"): READ,
        ("GET", "/v1/erasures/{}"): READ,
    },
    path_parameters={"erasure_id": "The erasure's id"},
    tables=["erasure"],
    event_companions={tasks.ErasureJob: tasks.record},
    cascades=[Cascade("project", lambda _: service.delete_some)],
    jobs=[tasks.JOB],
)
