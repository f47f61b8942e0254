"""What changed from one snapshot to the next."""

from delta_server.features.deltas import api, schemas, service, store, tasks, views
from delta_server.http.feature import Feature
from delta_server.http.guards import READ
from delta_server.services import Cascade
from delta_server.tasks.loops import Loop

FEATURE = Feature(
    name="deltas",
    family="snapshots",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("GET", "/v1/deltas"): READ,
        ("GET", "/v1/deltas/{}"): READ,
        ("POST", "/v1/deltas/compare"): READ,
    },
    path_parameters={"delta_id": "A delta's id: that of the snapshot it leads to"},
    tables=["delta"],
    checksummed=[store.DELTA_ROWS],
    sql_views={"deltas": views.DELTAS},
    cascades=[Cascade("endpoint", lambda _: service.delete_some)],
    loops=[Loop("compute deltas", tasks.compute)],
    queues={"deltas_pending": service.queue_length},
    at_start=tasks.retry_failed,
)
