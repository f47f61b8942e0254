"""Queries of events: counts and sums, lists, funnels, retention, paths."""

from delta_server.features.queries import api, funnels_api, schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import READ

FEATURE = Feature(
    name="queries",
    family="events",
    routes=[*api.ROUTES, *funnels_api.ROUTES],
    fields=schemas.FIELDS,
    guards={
        ("POST", "/v1/query"): READ,
        ("GET", "/v1/events/raw"): READ,
        ("GET", "/v1/events/aggregated"): READ,
        ("GET", "/v1/events/analytics"): READ,
        ("POST", "/v1/query/funnel"): READ,
        ("POST", "/v1/query/retention"): READ,
        ("POST", "/v1/query/paths"): READ,
        ("POST", "/v1/query/persons"): READ,
    },
)
