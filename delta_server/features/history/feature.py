"""The history of single values."""

from delta_server.features.history import api, kept_series, schemas, store
from delta_server.http.feature import Feature
from delta_server.http.guards import READ
from delta_server.services import Cascade
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="history",
    family="snapshots",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    tables=["kept_series"],
    cascades=[Cascade("endpoint", lambda _: store.delete_some)],
    periodic=[Periodic("complete the series that are asked for", kept_series.complete, every_s=300)],
    guards={
        ("GET", "/v1/endpoints/{}/history"): READ,
        ("GET", "/v1/endpoints/{}/series"): READ,
        ("GET", "/v1/endpoints/{}/fields"): READ,
        ("GET", "/v1/endpoints/{}/blame"): READ,
        ("GET", "/v1/endpoints/{}/stats"): READ,
    },
)
