"""Endpoints: what a history is kept of."""

from functools import partial

from delta_server.features.endpoints import api, commands, schemas, service, settings, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ, Access
from delta_server.http.health import Dependency
from delta_server.tasks.periodic import Periodic

FEATURE = Feature(
    name="endpoints",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("POST", "/v1/endpoints"): Access("write", keys="any"),  # the project may stand in the body
        ("GET", "/v1/endpoints/{}"): READ,
        ("PATCH", "/v1/endpoints/{}"): Access("write"),  # admin where the retention changes
        ("DELETE", "/v1/endpoints/{}"): ADMIN,
        ("POST", "/v1/endpoints/{}/restore"): ADMIN,
    },
    path_parameters={"endpoint": "An endpoint's id or name; / in a name is written %2F"},
    tables=["endpoint"],
    checksummed=[settings.ROWS],
    commands=commands.COMMANDS,
    periodic=[Periodic("remove deleted endpoints", tasks.remove_deleted, every_s=60)],
    # No project has the number 0: this reads what is to be read for nobody.
    health=lambda services: Dependency("snapshot_store", partial(services.db.peek, service.find_or_name, 0, "none")),
    make_room=tasks.remove_deleted,
)
