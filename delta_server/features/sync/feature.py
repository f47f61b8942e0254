"""Sync: records that devices keep offline, in one order per person."""

from delta_server.features.sync import api, epochs, schemas
from delta_server.features.sync.forgetting import deleting, expiring
from delta_server.features.sync.people import (
    activity_api,
    activity_schemas,
    conflicts_api,
    conflicts_schemas,
    devices_api,
    devices_schemas,
    records_api,
    records_schemas,
    types_api,
    types_schemas,
)
from delta_server.features.sync.states import full_api, full_schemas
from delta_server.features.sync.uploads import large_pushes, staging, upload_api, upload_schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ, Access
from delta_server.services import Cascade, Services
from delta_server.tasks.periodic import Periodic

_WRITE = Access("write")
_PUSH = Access("write", body="document", rate_class="ingest")


async def _begin(services: Services) -> None:
    await large_pushes.undo_left(services)
    await epochs.begin(services)


FEATURE = Feature(
    name="sync",
    routes=[
        *api.ROUTES,
        *conflicts_api.ROUTES,
        *activity_api.ROUTES,
        *devices_api.ROUTES,
        *records_api.ROUTES,
        *types_api.ROUTES,
        *full_api.ROUTES,
        *upload_api.ROUTES,
    ],
    guards={
        ("POST", "/v1/sync/{}/delta"): _PUSH,
        ("GET", "/v1/sync/{}/delta"): READ,
        ("GET", "/v1/sync/{}/deleted"): READ,
        ("GET", "/v1/sync/config"): READ,
        ("GET", "/v1/devices"): READ,
        ("GET", "/v1/sync/types"): READ,
        ("GET", "/v1/sync/stats"): READ,
        ("GET", "/v1/sync/recent"): READ,
        ("GET", "/v1/sync/spaces"): ADMIN,
        ("GET", "/v1/sync/{}/records"): READ,
        ("GET", "/v1/sync/{}/records/{}"): READ,
        ("GET", "/v1/sync/{}/records/{}/history"): READ,
        ("POST", "/v1/sync/{}/records/{}/compare"): READ,
        ("POST", "/v1/sync/{}/records/{}/restore"): _WRITE,
        ("GET", "/v1/sync/conflicts"): READ,
        ("POST", "/v1/sync/conflicts/{}"): Access("write", body="document"),
        ("PUT", "/v1/sync/types/{}"): ADMIN,
        ("PATCH", "/v1/devices/{}"): _WRITE,
        ("DELETE", "/v1/devices/{}"): _WRITE,
        ("GET", "/v1/sync/stream"): READ,
        ("GET", "/v1/sync/status"): READ,
        ("POST", "/v1/sync/digest"): READ,
        ("GET", "/v1/sync/download"): READ,
        ("POST", "/v1/sync/upload"): _PUSH,
        ("GET", "/v1/sync/upload"): READ,
        ("GET", "/v1/sync/upload/results"): READ,
        ("DELETE", "/v1/sync/upload"): _WRITE,
    },
    path_parameters={
        "data_type": "What the records are, such as `notes`: any name of up to 100 characters",
        "record_id": "The device's own id of the record",
        "conflict_id": "The id that the list of conflicts gives",
        "device_id": "The id that the list of devices gives",
    },
    fields={
        **schemas.FIELDS,
        **full_schemas.FIELDS,
        **upload_schemas.FIELDS,
        **activity_schemas.FIELDS,
        **conflicts_schemas.FIELDS,
        **devices_schemas.FIELDS,
        **records_schemas.FIELDS,
        **types_schemas.FIELDS,
    },
    tables=[
        "sync_epoch",
        "sync_space",
        "sync_collection",
        "sync_change",
        "sync_grave",
        "sync_activity",
        "sync_upload",
        "sync_upload_part",
        "sync_upload_sum",
    ],
    at_start=_begin,
    at_end=epochs.mark,
    cascades=[Cascade("project", lambda _: deleting.delete_of_project)],
    periodic=[
        Periodic("expire synced records", expiring.expire, every_s=3600),
        Periodic("expire uploads of records", expiring.expire_uploads, every_s=3600),
    ],
    jobs=[staging.JOB],
)
