"""What a dashboard opens with: endpoints with what happened to them, and timelines."""

from delta_server.features.overview import api, schemas, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import READ, Access
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="overview",
    family="snapshots",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("GET", "/v1/endpoints"): Access("read", family="endpoints"),
        ("GET", "/v1/endpoints/{}/timeline"): READ,
        ("GET", "/v1/projects/{}/timeline"): Access("read", keys="any"),
    },
    periodic=[Periodic("count activity by day", tasks.count_activity, every_s=3600)],
)
