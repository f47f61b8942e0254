"""Tools for language models."""

from delta_server.features.mcp import api, schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import Access

FEATURE = Feature(
    name="mcp",
    family="endpoints",
    routes=api.ROUTES,
    guards={("POST", "/v1/mcp"): Access("read")},
    fields=schemas.FIELDS,
)
