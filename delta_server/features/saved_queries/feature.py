"""Questions about events and SQL, by a name."""

from delta_server.features.saved_queries import api, commands, schemas, store
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ, Access
from delta_server.services import Cascade

_WRITE = Access("write")

FEATURE = Feature(
    name="saved_queries",
    family="boards",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    commands=commands.COMMANDS,
    guards={
        ("POST", "/v1/saved-queries"): _WRITE,
        ("GET", "/v1/saved-queries"): READ,
        ("GET", "/v1/saved-queries/{}"): READ,
        ("PATCH", "/v1/saved-queries/{}"): _WRITE,
        ("DELETE", "/v1/saved-queries/{}"): ADMIN,
    },
    path_parameters={"query_id": "The saved query's id"},
    tables=["saved_query"],
    cascades=[Cascade("project", lambda _: store.delete_of_project)],
)
