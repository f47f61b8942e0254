"""What an endpoint's documents have in common, learned from them, with the history of its changes."""

from delta_server.features.schemas import api, commands, enforcement_api, enforcement_schemas, schemas, store, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ, Access
from delta_server.services import Cascade
from delta_server.tasks.loops import Loop

FEATURE = Feature(
    name="schemas",
    family="snapshots",
    routes=[*api.ROUTES, *enforcement_api.ROUTES],
    fields={**schemas.FIELDS, **enforcement_schemas.FIELDS},
    path_parameters={"kept_id": "The id that the list of documents kept aside gives"},
    guards={
        ("GET", "/v1/endpoints/{}/schema"): READ,
        ("GET", "/v1/endpoints/{}/schema/changes"): READ,
        ("GET", "/v1/endpoints/{}/schema/enforcement"): READ,
        ("PUT", "/v1/endpoints/{}/schema/enforcement"): Access("write", family="endpoints"),
        ("POST", "/v1/endpoints/{}/schema/try"): READ,
        ("GET", "/v1/endpoints/{}/schema/kept-aside"): READ,
        ("GET", "/v1/endpoints/{}/schema/kept-aside/{}"): READ,
        ("POST", "/v1/endpoints/{}/schema/kept-aside/accept"): Access("write", family="endpoints"),
        ("DELETE", "/v1/endpoints/{}/schema/kept-aside"): ADMIN,
        ("DELETE", "/v1/endpoints/{}/schema/kept-aside/{}"): ADMIN,
    },
    commands=commands.COMMANDS,
    tables=["endpoint_schema", "endpoint_schema_change"],
    cascades=[Cascade("endpoint", lambda _: store.delete_some)],
    loops=[Loop("learn schemas", tasks.follow)],
)
