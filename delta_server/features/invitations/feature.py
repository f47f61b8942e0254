"""Invitations into projects and into the instance."""

from delta_server.features.invitations import api, commands, schemas, service, tasks
from delta_server.http.feature import Feature
from delta_server.http.guards import SIGN_IN, Access
from delta_server.services import Cascade
from delta_server.tasks.periodic import Periodic

_OF_PROJECT = Access("admin", keys="any")
_OF_INSTANCE = Access("admin", keys="account")

FEATURE = Feature(
    name="invitations",
    family="members",
    routes=api.ROUTES,
    fields=schemas.FIELDS,
    guards={
        ("POST", "/v1/projects/{}/invitations"): _OF_PROJECT,
        ("GET", "/v1/projects/{}/invitations"): _OF_PROJECT,
        ("DELETE", "/v1/projects/{}/invitations/{}"): _OF_PROJECT,
        ("POST", "/v1/invitations"): _OF_INSTANCE,
        ("GET", "/v1/invitations"): _OF_INSTANCE,
        ("DELETE", "/v1/invitations/{}"): _OF_INSTANCE,
        ("POST", "/v1/invitations/accept"): SIGN_IN,  # by an access token or a password: the handler looks
    },
    path_parameters={"invitation_id": "The invitation's id"},
    tables=["invitation"],
    commands=commands.COMMANDS,
    jobs=[tasks.JOB],
    cascades=[Cascade("project", lambda _: service.delete_some)],
    periodic=[Periodic("delete old invitations", tasks.sweep, every_s=3600)],
)
