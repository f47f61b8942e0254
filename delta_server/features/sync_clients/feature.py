"""Sync for clients that exist: RxDB and WatermelonDB, unchanged."""

from delta_server.features.sync_clients import api, schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import READ, WRITE_DOCUMENT

FEATURE = Feature(
    name="sync_clients",
    family="sync",
    routes=api.ROUTES,
    guards={
        ("GET", "/v1/sync/{}/rxdb/pull"): READ,
        ("POST", "/v1/sync/{}/rxdb/push"): WRITE_DOCUMENT,
        ("GET", "/v1/sync/{}/rxdb/stream"): READ,
        ("GET", "/v1/sync/watermelon/pull"): READ,
        ("POST", "/v1/sync/watermelon/pull"): READ,
        ("POST", "/v1/sync/watermelon/push"): WRITE_DOCUMENT,
    },
    fields=schemas.FIELDS,
)
