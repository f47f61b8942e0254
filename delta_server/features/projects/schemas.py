"""Projects on the wire."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import ids, passwords, times
from delta_server.core.json_schema import documented
from delta_server.core.names import Description, Name
from delta_server.features.projects import store
from delta_server.features.users.service import User


class LeavingPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    password: Annotated[str, documented(maxLength=passwords.MOST)]


class NewProject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    description: Description = ""


class ProjectChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is absent stays; null is the default again."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    plan: str | UnsetType = UNSET


class Project(msgspec.Struct, frozen=True):
    id: str
    name: str
    description: str
    created_at: str
    updated_at: str
    plan: str
    deleted_at: str | UnsetType = UNSET
    purge_at: str | UnsetType = UNSET


class ProjectAnswer(msgspec.Struct, frozen=True):
    project: Project
    scopes: list[str] | UnsetType = UNSET


ProjectRole = Literal["viewer", "editor", "admin"]


class MemberRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Viewers read, editors add, admins delete and say who else may."""

    role: ProjectRole


class Member(msgspec.Struct, frozen=True):
    user_id: str
    email: str
    name: str
    role: ProjectRole
    since: str


class MemberAnswer(msgspec.Struct, frozen=True):
    member: Member


class Owner(msgspec.Struct, frozen=True):
    user_id: str
    email: str
    name: str


class OwnerAnswer(msgspec.Struct, frozen=True):
    owner: Owner


class NewOwner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`owner` is a user's id or e-mail address."""

    owner: str


class Members(msgspec.Struct, frozen=True):
    """A page of them, in the order they came. `owner` is null where the account alone owns the project."""

    data: list[Member]
    owner: Owner | None
    has_more: bool
    next_cursor: str | None


def owner(user: User) -> Owner:
    return Owner(ids.text(user.uid), user.email, user.name)


def member(row: store.Member, user: User) -> Member:
    role = msgspec.convert(row.role, ProjectRole)
    return Member(ids.text(user.uid), user.email, user.name, role, times.format(row.created_at))


def project(row: store.Project) -> Project:
    return Project(
        id=ids.text(row.uid),
        name=row.name,
        description=row.description,
        created_at=times.format(row.created_at),
        updated_at=times.format(row.updated_at),
        plan=row.plan,
        deleted_at=UNSET if row.binned is None else times.format(row.binned.deleted_at),
        purge_at=UNSET if row.binned is None else times.format(row.binned.purge_at),
    )


FIELDS = {
    "Member.user_id": "The user's id",
    "Member.email": "The address they sign in with",
    "Member.role": "What they may do in the project",
    "Member.since": "When they were added",
    "MemberAnswer.member": "The member",
    "Members.owner": "Whose project it is; null for the account's alone",
    "OwnerAnswer.owner": "Whose project it is now",
    "Owner.user_id": "Id of the user",
    "Owner.email": "Their e-mail address",
    "Owner.name": "Their name",
    "Project.id": "Id of the project",
    "Project.plan": "The plan that limits what it may store",
    "Project.deleted_at": "When it was deleted; only of what lies in the bin",
    "Project.purge_at": "Until when it can be restored; only of what lies in the bin",
    "ProjectAnswer.project": "The project",
    "ProjectAnswer.scopes": "What the caller may do in it; only where one project is asked for",
}
