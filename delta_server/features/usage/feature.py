"""What projects use, and what their plans allow."""

from delta_server.features.usage import api, schemas, store, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import Access
from delta_server.services import Cascade
from delta_server.tasks.periodic import Periodic

_READ = Access("read", keys="any", family="projects")

FEATURE = Feature(
    name="usage",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("GET", "/v1/projects/{}/usage"): _READ,
        ("GET", "/v1/projects/{}/usage/history"): _READ,
    },
    tables=["project_use", "endpoint_use", "usage_hour", "usage_day"],
    cascades=[
        Cascade("endpoint", lambda _: store.delete_of_endpoint),
        Cascade("project", lambda _: store.delete_of_project),
    ],
    periodic=[
        Periodic("count what projects store", tasks.count, every_s=3600),
        Periodic("note what projects occupy", tasks.keep_history, every_s=300),
        Periodic("roll up usage", tasks.expire, every_s=3600),
    ],
)
