"""Invitations into projects (/v1/projects/{project_id}/invitations) and into the instance (/v1/invitations)."""

from typing import Any, cast
from urllib.parse import quote

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core.caller import Caller
from delta_server.core.cursors import row_below
from delta_server.features.invitations import service
from delta_server.features.invitations.schemas import (
    Acceptance,
    AcceptedAnswer,
    Invitation,
    InvitationAnswer,
    NewInstanceInvitation,
    NewInvitation,
)
from delta_server.http import auth, idempotency, pagination
from delta_server.http.asgi import Scope
from delta_server.http.docs import example
from delta_server.http.guards import PERSON
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_LIST = "invitations"
_TAGS = ["Invitations"]
_EXAMPLE = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8061",
    "email": "bo@example.com",
    "role": "editor",
    "project_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "project": "shop",
    "invited_by": "ada@example.com",
    "state": "pending",
    "created_at": "2026-05-01T12:00:00.000Z",
    "expires_at": "2026-05-08T12:00:00.000Z",
    "accepted_at": None,
}
_TO_INSTANCE = {**_EXAMPLE, "role": "member", "project_id": None, "project": None}
_SHOWN_ONCE = {
    "token": "di_5d41402abc4b2a76...",
    "link": "https://delta.example.com/link#invitation=di_5d41402abc...",
    "mailed": True,
}


@post(
    "/v1/projects/{project_id:str}/invitations",
    summary="Invite somebody into a project",
    tags=_TAGS,
    responses={201: ResponseSpec(InvitationAnswer, generate_examples=False)},
    opt=example(
        request={"email": "bo@example.com", "role": "editor", "expires_in": "7d"},
        answer={"invitation": _EXAMPLE, **_SHOWN_ONCE},
    ),
)
async def invite(
    project_id: FromPath[str],
    data: JSONBody[NewInvitation],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    idempotency_key: NamedDependency[IdempotencyKey],
) -> Response[bytes]:
    """With an account or without, the answer is the same. An open invitation for the same address is revoked. The role
    is at most one's own; who loses it, or may not invite any more, loses the open invitations too."""
    answer = await service.invite(services, caller, project_id, data, idempotency_key)
    return idempotency.respond(answer, f"/v1/projects/{quote(project_id, safe='')}/invitations")  # a name may be any


@post(
    "/v1/invitations",
    summary="Invite somebody into the instance",
    tags=_TAGS,
    responses={201: ResponseSpec(InvitationAnswer, generate_examples=False)},
    opt=example(
        request={"email": "bo@example.com", "role": "member", "expires_in": "7d"},
        answer={"invitation": _TO_INSTANCE, **_SHOWN_ONCE},
    ),
)
async def invite_to_instance(
    data: JSONBody[NewInstanceInvitation],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    idempotency_key: NamedDependency[IdempotencyKey],
) -> Response[bytes]:
    """As into a project. A key gives at most the role `admin`."""
    answer = await service.invite_to_instance(services, caller, data, idempotency_key)
    return idempotency.respond(answer, "/v1/invitations")


@get(
    "/v1/projects/{project_id:str}/invitations",
    summary="List invitations into a project, the newest first",
    tags=_TAGS,
    opt=example(answer={"data": [_EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_invitations(
    request: Request[Any, Any, Any],
    project_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[Invitation]]:
    """Those that ended are listed for 30 days longer."""
    return await _listed(request, services, caller, project_id, limit, cursor)


@get(
    "/v1/invitations",
    summary="List invitations into the instance, the newest first",
    tags=_TAGS,
    opt=example(answer={"data": [_TO_INSTANCE], "has_more": False, "next_cursor": None}),
)
async def list_instance_invitations(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[Invitation]]:
    return await _listed(request, services, caller, None, limit, cursor)


async def _listed(
    request: Request[Any, Any, Any],
    services: Services,
    caller: Caller,
    project: str | None,
    limit: int,
    cursor: str | None,
) -> Response[Page[Invitation]]:
    below = row_below(_LIST, cursor)
    rows = await service.list_invitations(services, caller, project, below=below, limit=limit + 1)
    found = pagination.page_by_row(_LIST, rows, limit=limit)
    return pagination.respond(request, found)


@delete(
    "/v1/projects/{project_id:str}/invitations/{invitation_id:str}",
    summary="Revoke an invitation into a project",
    tags=_TAGS,
    opt=example(answer=None),
)
async def revoke_invitation(
    project_id: FromPath[str],
    invitation_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> None:
    await service.revoke(services, caller, project_id, invitation_id)


@delete(
    "/v1/invitations/{invitation_id:str}",
    summary="Revoke an invitation into the instance",
    tags=_TAGS,
    opt=example(answer=None),
)
async def revoke_instance_invitation(
    invitation_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> None:
    await service.revoke(services, caller, None, invitation_id)


@post(
    "/v1/invitations/accept",
    summary="Accept an invitation",
    tags=_TAGS,
    status_code=200,
    opt=example(
        request={"token": "di_5d41402abc4b2a76...", "password": "correct horse battery", "name": "Bo"},
        answer={
            "email": "bo@example.com",
            "project_id": "01890a5d-ac96-774b-bcce-b302099a8057",
            "project": "shop",
            "role": "editor",
        },
    ),
)
async def accept(
    request: Request[Any, Any, Any], data: JSONBody[Acceptance], services: NamedDependency[Services]
) -> AcceptedAnswer:
    """Once: with the access token of whom it is for, or with a password, which is a new account's, or the one that the
    address has. Then sign in. A role that may do more is kept."""
    headers = cast("Scope", request.scope)["headers"]
    caller = None
    if auth.brings_key(headers):
        caller = request.app.state.authenticate(auth.key_of(headers))
        auth.check(caller, PERSON)
    return await service.accept(services, caller, data, address=request.scope["state"]["exchange"].address)


ROUTES = [
    invite,
    invite_to_instance,
    list_invitations,
    list_instance_invitations,
    revoke_invitation,
    revoke_instance_invitation,
    accept,
]
