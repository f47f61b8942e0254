"""Users and groups, and their erasure."""

from delta_server.features.profiles import service as profiles
from delta_server.features.users import api, service, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import ADMIN, READ
from delta_server.http.health import Dependency
from delta_server.services import Cascade
from delta_server.tasks.loops import Loop

_LOOP = "update profiles, run erasures"

FEATURE = Feature(
    name="users",
    routes=api.ROUTES,
    guards={
        ("GET", "/v1/users"): READ,
        ("GET", "/v1/users/{}"): READ,
        ("DELETE", "/v1/users/{}"): ADMIN,
        ("GET", "/v1/groups"): READ,
        ("GET", "/v1/groups/{}"): READ,
        ("GET", "/v1/erasures"): READ,
        ("GET", "/v1/erasures/{}"): READ,
    },
    path_parameters={
        "user": "Any of the user's ids; / in one is written %2F",
        "group": "The group's id; / in it is written %2F",
        "erasure_id": "The erasure's id",
    },
    tables=["erasure"],
    cascades=[Cascade("project", lambda _: service.delete_some)],
    loops=[Loop(_LOOP, tasks.look_after_people)],
    # No project has the number 0: this reads what is to be read for nobody.
    health=lambda _: Dependency("user_store", lambda tx: profiles.find(tx, 0, "user", ""), frozenset({_LOOP})),
)
