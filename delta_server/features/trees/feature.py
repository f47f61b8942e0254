"""Documents a piece at a time, for those that are too large to be read whole."""

from delta_server.features.trees import api, schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import READ

FEATURE = Feature(
    name="trees",
    family="snapshots",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("GET", "/v1/snapshots/{}/tree"): READ,
        ("GET", "/v1/snapshots/{}/find"): READ,
        ("GET", "/v1/snapshots/{}/records"): READ,
    },
)
