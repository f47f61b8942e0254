"""Prometheus' HTTP API over events and numeric fields."""

from delta_server.features.prometheus import api, schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import READ

_AT = "/v1/prometheus/api/v1"

FEATURE = Feature(
    name="prometheus",
    family="events",
    routes=api.ROUTES,
    guards={
        ("GET", f"{_AT}/query"): READ,
        ("POST", f"{_AT}/query"): READ,
        ("GET", f"{_AT}/query_range"): READ,
        ("POST", f"{_AT}/query_range"): READ,
        ("GET", f"{_AT}/labels"): READ,
        ("POST", f"{_AT}/labels"): READ,
        ("GET", f"{_AT}/label/{{}}/values"): READ,
        ("GET", f"{_AT}/series"): READ,
        ("POST", f"{_AT}/series"): READ,
        ("GET", f"{_AT}/status/buildinfo"): READ,
        ("GET", f"{_AT}/metadata"): READ,
    },
    problem_form=schemas.PROBLEM_FORM,
    path_parameters={"label": "A label: __name__, endpoint, path, event_type, source"},
)
