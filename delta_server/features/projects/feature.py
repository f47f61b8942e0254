"""Projects: account keys manage them, a project's key sees and changes its own."""

from delta_server.features.projects import api, commands, project_commands, schemas, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import ANY, ANY_ADMIN, PERSON, Access
from delta_server.tasks.periodic import Periodic

_ADMIN_OF_DELETED = Access("admin", keys="any", deleted=True)

FEATURE = Feature(
    name="projects",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("DELETE", "/v1/auth/me"): PERSON,
        ("POST", "/v1/projects"): Access("write", keys="account", newcomers=True),
        ("GET", "/v1/projects"): ANY,
        ("GET", "/v1/projects/{}"): ANY,
        ("PATCH", "/v1/projects/{}"): ANY_ADMIN,
        ("DELETE", "/v1/projects/{}"): _ADMIN_OF_DELETED,
        ("POST", "/v1/projects/{}/restore"): _ADMIN_OF_DELETED,
        ("POST", "/v1/projects/{}/transfer"): ANY_ADMIN,
        ("GET", "/v1/projects/{}/members"): Access("read", keys="any", family="members"),
        ("PUT", "/v1/projects/{}/members/{}"): Access("admin", keys="any", family="members"),
        ("DELETE", "/v1/projects/{}/members/{}"): Access("admin", keys="any", family="members"),
    },
    path_parameters={
        "project_id": "A project's id or name; / in a name is written %2F",
        "user_id": "A user's id or e-mail address",
    },
    tables=["project", "member"],
    commands={**commands.COMMANDS, **project_commands.COMMANDS},
    periodic=[Periodic("remove deleted projects", tasks.remove_deleted, every_s=60)],
    make_room=tasks.remove_deleted,
)
