"""Sync: records that devices keep offline, in one order per person."""

from delta_server.features.sync import api, deleting, expiring, schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import READ, Access
from delta_server.services import Cascade
from delta_server.tasks.periodic import Periodic

_PUSH = Access("write", body="document", rate_class="ingest")

FEATURE = Feature(
    name="sync",
    routes=api.ROUTES,
    guards={
        ("POST", "/v1/sync/{}/delta"): _PUSH,
        ("GET", "/v1/sync/{}/delta"): READ,
        ("GET", "/v1/sync/{}/deleted"): READ,
        ("GET", "/v1/sync/config"): READ,
    },
    path_parameters={"data_type": "What the records are, such as `notes`: any name of up to 100 characters"},
    fields=schemas.FIELDS,
    tables=[
        "sync_epoch",
        "sync_space",
        "sync_collection",
        "sync_change",
        "sync_grave",
    ],
    cascades=[Cascade("project", lambda _: deleting.delete_of_project)],
    periodic=[Periodic("expire synced records", expiring.expire, every_s=3600)],
)
