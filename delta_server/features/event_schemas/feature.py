"""What the events of each type have in common, learned from samples of them, with the history of its changes."""

from delta_server.features.event_schemas import api, schemas, store, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import READ
from delta_server.services import Cascade
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="event_schemas",
    family="events",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    path_parameters={"event_type": "The type, as events name it; / in it is written %2F"},
    guards={
        ("GET", "/v1/event-types"): READ,
        ("GET", "/v1/event-types/{}/schema"): READ,
        ("GET", "/v1/event-types/{}/schema/changes"): READ,
    },
    tables=["event_schema", "event_schema_values", "event_schema_change", "event_schema_progress"],
    cascades=[Cascade("project", lambda _: store.delete_some)],
    periodic=[
        Periodic("learn schemas of events", tasks.learn, every_s=15),
        Periodic("expire schemas of events", tasks.expire, every_s=600),
    ],
)
