"""Users and groups: what events say of them."""

from functools import partial

from delta_server.features.profiles import api, schemas, service, store, tasks, views
from delta_server.http.feature import Feature
from delta_server.http.guards import READ
from delta_server.http.health import Dependency
from delta_server.services import Cascade
from delta_server.tasks.loops import Loop

_LOOPS = frozenset({"update profiles", "run erasures"})

FEATURE = Feature(
    name="profiles",
    family="events",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("GET", "/v1/users"): READ,
        ("GET", "/v1/users/{}"): READ,
        ("GET", "/v1/users/{}/traits"): READ,
        ("GET", "/v1/groups"): READ,
        ("GET", "/v1/groups/{}"): READ,
    },
    path_parameters={
        "user": "Any of the user's ids; / in one is written %2F",
        "group": "The group's id; / in it is written %2F",
    },
    tables=["profile", "profiled", "alias", "person_link", "person_state", "person_change"],
    checksummed=[store.PROFILE_ROWS, store.WAITING_ROWS],
    sql_views={"profiles": views.PROFILES},
    event_companions={service.PackedUpdates: service.store_updates},
    cascades=[Cascade("project", lambda _: service.delete_some)],
    loops=[Loop("update profiles", tasks.update_profiles)],
    # No project has the number 0: this reads what is to be read for nobody.
    health=lambda services: Dependency("user_store", partial(services.db.peek, store.find, 0, "user", ""), _LOOPS),
)
