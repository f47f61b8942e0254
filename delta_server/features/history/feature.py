"""The history of single values."""

from delta_server.features.history import api, schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import READ

FEATURE = Feature(
    name="history",
    family="snapshots",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("GET", "/v1/endpoints/{}/history"): READ,
        ("GET", "/v1/endpoints/{}/series"): READ,
        ("GET", "/v1/endpoints/{}/fields"): READ,
        ("GET", "/v1/endpoints/{}/blame"): READ,
        ("GET", "/v1/endpoints/{}/stats"): READ,
    },
)
