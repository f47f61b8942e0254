"""The server as a whole, for its owner and admins."""

from delta_server.features.instance import api, schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import Access

FEATURE = Feature(
    name="instance",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={("GET", "/v1/instance"): Access("admin", keys="account")},
)
