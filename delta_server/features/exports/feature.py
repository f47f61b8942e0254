"""Events out, as files."""

from delta_server.features.exports import api
from delta_server.http.feature import Feature
from delta_server.http.guards import READ

FEATURE = Feature(
    name="exports",
    routes=api.ROUTES,
    guards={("GET", "/v1/export/events"): READ, ("GET", "/v1/export/aggregated"): READ},
)
