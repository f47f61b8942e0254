"""Questions about what persons do one after another: funnels, retention, paths."""

from delta_server.features.behaviour import api
from delta_server.http.feature import Feature
from delta_server.http.guards import READ

FEATURE = Feature(
    name="behaviour",
    routes=api.ROUTES,
    guards={
        ("POST", "/v1/query/funnel"): READ,
        ("POST", "/v1/query/retention"): READ,
        ("POST", "/v1/query/paths"): READ,
    },
)
