"""What an endpoint's documents have in common, learned from them, with the history of its changes."""

from delta_server.features.schemas import api, schemas, store, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import READ
from delta_server.services import Cascade
from delta_server.tasks.loops import Loop

FEATURE = Feature(
    name="schemas",
    family="snapshots",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("GET", "/v1/endpoints/{}/schema"): READ,
        ("GET", "/v1/endpoints/{}/schema/changes"): READ,
    },
    tables=["endpoint_schema", "endpoint_schema_change"],
    cascades=[Cascade("endpoint", lambda _: store.delete_some)],
    loops=[Loop("learn schemas", tasks.follow)],
)
