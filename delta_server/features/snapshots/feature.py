"""Snapshots: documents as they were at a time."""

from delta_server.features.snapshots import api, commands, schemas, service, store, tasks, views
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ, WRITE_DOCUMENT
from delta_server.services import Cascade
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="snapshots",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("POST", "/v1/snapshots"): WRITE_DOCUMENT,
        ("POST", "/v1/snapshots/batch"): WRITE_DOCUMENT,
        ("GET", "/v1/snapshots"): READ,
        ("GET", "/v1/snapshots/{}"): READ,
        ("GET", "/v1/snapshots/{}/data"): READ,
        ("GET", "/v1/snapshots/{}/value"): READ,
        ("DELETE", "/v1/snapshots/{}"): ADMIN,
        ("GET", "/v1/snapshots/latest/{}"): READ,
        ("GET", "/v1/snapshots/at/{}"): READ,
    },
    path_parameters={"snapshot_id": "A snapshot's id"},
    tables=["snapshot"],
    checksummed=[store.SNAPSHOT_ROWS],
    commands=commands.COMMANDS,
    sql_views={"snapshots": views.SNAPSHOTS},
    cascades=[Cascade("endpoint", lambda _: service.delete_some)],
    periodic=[Periodic("apply retention", tasks.apply_retention, every_s=3600)],
)
