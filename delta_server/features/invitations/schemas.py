"""Invitations on the wire."""

from typing import Annotated, Literal

import msgspec

from delta_server.core import ids, passwords, times
from delta_server.core.emails import MAX_CHARACTERS
from delta_server.core.json_schema import documented
from delta_server.core.names import MAX_CHARACTERS as MAX_NAME
from delta_server.features.invitations import store
from delta_server.features.projects.service import ProjectRole
from delta_server.features.users.service import InstanceRole

Email = Annotated[str, documented(maxLength=MAX_CHARACTERS)]
Length = Annotated[str, documented(maxLength=20)]
State = Literal["pending", "accepted", "revoked", "expired"]


class NewInvitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`role` is the one in the project; `expires_in` a length of time, at most 90d."""

    email: Email
    role: ProjectRole = "viewer"
    expires_in: Length = "7d"


class NewInstanceInvitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`role` is the one in the instance; `expires_in` a length of time, at most 90d."""

    email: Email
    role: InstanceRole = "member"
    expires_in: Length = "7d"


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is not signed in chooses a password and a name, or gives the password they have."""

    token: Annotated[str, documented(maxLength=200)]
    password: Annotated[str, documented(minLength=passwords.FEWEST, maxLength=passwords.MOST)] | None = None
    name: Annotated[str, documented(maxLength=MAX_NAME)] = ""


class Invitation(msgspec.Struct, frozen=True):
    """`project_id` is null for one into the instance; `invited_by` an e-mail address or a key's id, null for a
    command."""

    id: str
    email: str
    role: str
    project_id: str | None
    project: str | None
    invited_by: str | None
    state: State
    created_at: str
    expires_at: str
    accepted_at: str | None


class InvitationAnswer(msgspec.Struct, frozen=True):
    """`token` and `link` are shown this once, and null when the request is repeated; `link` where the server knows its
    address (server.public_url). Where mails are sent, members of the instance and keys of projects see neither."""

    invitation: Invitation
    token: str | None
    link: str | None
    mailed: bool


class AcceptedAnswer(msgspec.Struct, frozen=True):
    """`role` is the one in the project, in the instance where that is null."""

    email: str
    project_id: str | None
    project: str | None
    role: str


class Place(msgspec.Struct, frozen=True):
    """The project of an invitation, as people know it."""

    id: str | None = None
    name: str | None = None


def invitation(row: store.Invitation, place: Place, invited_by: str | None, now_ms: int) -> Invitation:
    return Invitation(
        id=ids.text(row.uid),
        email=row.email,
        role=row.role,
        project_id=place.id,
        project=place.name,
        invited_by=invited_by,
        state=_state(row, now_ms),
        created_at=times.format(row.created_at),
        expires_at=times.format(row.expires_at),
        accepted_at=None if row.accepted_at is None else times.format(row.accepted_at),
    )


def _state(row: store.Invitation, now_ms: int) -> State:
    if row.accepted_at is not None:
        return "accepted"
    if row.revoked_at is not None:
        return "revoked"
    return "pending" if row.expires_at > now_ms else "expired"


FIELDS = {
    "Invitation.id": "The invitation's id",
    "Invitation.email": "Whom it is for",
    "Invitation.role": "What they will be in the project, or in the instance",
    "Invitation.project_id": "The project's id; null for the instance",
    "Invitation.project": "The project's name; null for the instance",
    "Invitation.invited_by": "Address of the user or id of the key that invited; null for a command",
    "Invitation.state": "Whether it can be accepted, and why not",
    "Invitation.expires_at": "Until when it can be accepted",
    "Invitation.accepted_at": "When it was accepted",
    "InvitationAnswer.invitation": "The record of the invitation",
    "InvitationAnswer.token": "What accepts it, shown once; null when the request is repeated, or only the mail has it",
    "InvitationAnswer.link": "A link with the token; null where that is, or server.public_url is not set",
    "InvitationAnswer.mailed": "Whether it is mailed to the address too",
    "AcceptedAnswer.email": "Who accepted: sign in with this address",
    "AcceptedAnswer.project_id": "The project's id; null for the instance",
    "AcceptedAnswer.project": "The project's name; null for the instance",
    "AcceptedAnswer.role": "The role they have now",
}
"""What the API's description says of the fields of answers."""
