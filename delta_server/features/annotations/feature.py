"""Deploys, incidents and what else was noted of a time."""

from delta_server.features.annotations import api, commands, schemas, store
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ, Access
from delta_server.services import Cascade

_WRITE = Access("write")

FEATURE = Feature(
    name="annotations",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    commands=commands.COMMANDS,
    guards={
        ("POST", "/v1/annotations"): _WRITE,
        ("GET", "/v1/annotations"): READ,
        ("PATCH", "/v1/annotations/{}"): _WRITE,
        ("DELETE", "/v1/annotations/{}"): ADMIN,
    },
    path_parameters={"annotation_id": "The annotation's id"},
    tables=["annotation"],
    cascades=[Cascade("project", lambda _: store.delete_of_project)],
)
