"""`user invite` of the command line."""

from typing import get_args

import msgspec

from delta_server.core.errors import Invalid
from delta_server.features.invitations import service
from delta_server.features.invitations.schemas import (
    InvitationAnswer,
    NewInstanceInvitation,
    NewInvitation,
)
from delta_server.features.projects.service import ProjectRole
from delta_server.features.users.service import InstanceRole
from delta_server.services import Services
from delta_server.tasks.commands import Command, Progress


class Invite(msgspec.Struct, frozen=True):
    """`project` is a name, None for the instance."""

    email: str
    project: str | None
    role: str
    expires_in: str


async def _invite(svc: Services, invite: Invite, _: Progress) -> InvitationAnswer:
    """Raises Invalid, NotFound, Conflict."""
    return await service.invite_by_command(svc, invite.project, _new(invite))


def _new(invite: Invite) -> NewInvitation | NewInstanceInvitation:
    known = get_args(InstanceRole if invite.project is None else ProjectRole)
    if invite.role not in known:
        where = "the instance" if invite.project is None else "a project"
        raise Invalid(f"--role must be one of {', '.join(known)}: those are the roles in {where}", field="--role")
    if invite.project is None:
        role = msgspec.convert(invite.role, InstanceRole)
        return NewInstanceInvitation(invite.email, role, invite.expires_in)
    return NewInvitation(invite.email, msgspec.convert(invite.role, ProjectRole), invite.expires_in)


COMMANDS: dict[str, Command] = {"user invite": Command(Invite, InvitationAnswer, _invite)}
