"""What is unusual, found without configuration."""

from delta_server.features.anomalies import api, schemas, store, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import READ
from delta_server.services import Cascade
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="anomalies",
    family="alerts",
    routes=[api.list_anomalies],
    guards={("GET", "/v1/anomalies"): READ},
    fields=schemas.FIELDS,
    tables=["anomaly", "anomaly_series", "anomaly_progress", "anomaly_watched"],
    cascades=[
        Cascade("endpoint", lambda _: store.delete_of_endpoint),
        Cascade("project", lambda _: store.delete_of_project),
    ],
    periodic=[
        Periodic("look for anomalies", tasks.judge, every_s=60),
        Periodic("expire anomalies", tasks.expire, every_s=3600),
    ],
)
