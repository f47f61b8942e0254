"""Questions about events: counts, sums, lists."""

from delta_server.features.analytics import api
from delta_server.http.feature import Feature
from delta_server.http.guards import READ

FEATURE = Feature(
    name="analytics",
    routes=api.ROUTES,
    guards={
        ("POST", "/v1/query"): READ,
        ("GET", "/v1/events/raw"): READ,
        ("GET", "/v1/events/aggregated"): READ,
        ("GET", "/v1/events/analytics"): READ,
    },
)
