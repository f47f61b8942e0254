"""The server as a whole, for its owner and admins."""

from delta_server.features.instance import api, people_api, schemas
from delta_server.http.feature import Feature
from delta_server.http.guards import Access

FEATURE = Feature(
    name="instance",
    routes=[*api.ROUTES, *people_api.ROUTES],
    fields=schemas.FIELDS,
    guards={
        ("GET", "/v1/instance"): Access("admin", keys="account"),
        ("GET", "/v1/instance/users"): Access("admin", keys="account"),
        ("PATCH", "/v1/instance/users/{}"): Access("admin", keys="account"),
    },
)
