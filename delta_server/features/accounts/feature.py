"""Accounts and the keys of all tenants."""

from delta_server.features.accounts import api, schemas, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import ANY_ADMIN
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="accounts",
    family="keys",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("POST", "/v1/auth/api-keys"): ANY_ADMIN,
        ("GET", "/v1/auth/api-keys"): ANY_ADMIN,
        ("DELETE", "/v1/auth/api-keys/{}"): ANY_ADMIN,
        ("POST", "/v1/auth/api-keys/{}/rotate"): ANY_ADMIN,
    },
    path_parameters={"key_id": "The key's id, the part between the second and third underscore"},
    tables=["account", "api_key"],
    periodic=[
        Periodic("end streams of expired keys", tasks.end_streams, every_s=1),
        Periodic("record when keys were last used", tasks.write_last_uses, every_s=60),
    ],
    at_end=tasks.write_last_uses,
)
