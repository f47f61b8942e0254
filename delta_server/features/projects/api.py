"""/v1/projects: by id or name; account keys manage all of their account, a project's key its own."""

from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core import scopes
from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.features.projects import leaving, schemas, service
from delta_server.features.projects.schemas import (
    LeavingPassword,
    MemberAnswer,
    MemberRole,
    Members,
    NewOwner,
    NewProject,
    OwnerAnswer,
    Project,
    ProjectAnswer,
    ProjectChange,
)
from delta_server.features.projects.store import Project as Row
from delta_server.http import idempotency, pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page, PageNumber, PageSize
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_LIST, _MEMBERS, _BIN = "projects", "members", "deleted projects"
_TAGS = ["Projects"]
_EXAMPLE = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "name": "shop",
    "description": "prices of our suppliers",
    "created_at": "2026-05-01T12:00:00.000Z",
    "updated_at": "2026-05-01T12:00:00.000Z",
    "plan": "enterprise",
}
_MEMBER = {
    "user_id": "01890a5d-ac96-774b-bcce-b302099a8059",
    "email": "bo@example.com",
    "name": "Bo",
    "role": "editor",
    "since": "2026-05-01T12:00:00.000Z",
}

_OWNER = {"user_id": "01890a5d-ac96-774b-bcce-b302099a8059", "email": "bo@example.com", "name": "Bo"}


@post(
    "/v1/projects",
    summary="Make a project",
    tags=_TAGS,
    responses={201: ResponseSpec(ProjectAnswer, generate_examples=False)},
    opt=example(request={"name": "shop", "description": "prices of our suppliers"}, answer={"project": _EXAMPLE}),
)
async def create_project(
    data: JSONBody[NewProject],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    idempotency_key: NamedDependency[IdempotencyKey],
) -> Response[bytes]:
    return idempotency.respond(await service.create_project(services, caller, data, idempotency_key), "/v1/projects")


@get(
    "/v1/projects",
    summary="List projects by name",
    tags=_TAGS,
    opt=example(answer={"data": [_EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_projects(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    name_prefix: Annotated[str, QueryParameter(description="Only projects whose name begins so")] = "",
    deleted: Annotated[bool, QueryParameter(description="Those in the bin, what was deleted last first")] = False,
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
    page: PageNumber = None,
    page_size: PageSize = None,
) -> Response[Page[Project]]:
    size = page_size or limit
    skip = pagination.rows_to_skip(page, size, cursor)
    if deleted:
        before = decode_cursor(_BIN, cursor, tuple[int, int]) if cursor else None
        in_bin = await service.list_deleted(services, caller, prefix=name_prefix, before=before, limit=skip + size + 1)
        return pagination.respond(
            request, pagination.page(in_bin[skip:], limit=size, item=schemas.project, cursor=_bin_cursor)
        )
    after = decode_cursor(_LIST, cursor, tuple[str])[0] if cursor else None
    rows = await service.list_projects(services, caller, prefix=name_prefix, after=after, limit=skip + size + 1)
    found = pagination.page(
        rows[skip:], limit=size, item=schemas.project, cursor=lambda row: encode_cursor(_LIST, row.name)
    )
    return pagination.respond(request, found)


@get(
    "/v1/projects/{project_id:str}",
    summary="Get a project",
    tags=_TAGS,
    opt=example(answer={"project": _EXAMPLE, "scopes": scopes.in_order(scopes.opened("read"))}),
)
async def get_project(
    project_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> ProjectAnswer:
    project = schemas.project(service.get_project(services, caller, project_id))
    return ProjectAnswer(project, scopes.in_order(caller.scopes))


@patch(
    "/v1/projects/{project_id:str}",
    summary="Change a project",
    tags=_TAGS,
    opt=example(request={"name": "shop"}, answer={"project": _EXAMPLE}),
)
async def update_project(
    project_id: FromPath[str],
    data: JSONBody[ProjectChange],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> ProjectAnswer:
    return ProjectAnswer(schemas.project(await service.update_project(services, caller, project_id, data)))


@delete(
    "/v1/projects/{project_id:str}",
    summary="Delete a project with all that is in it",
    tags=_TAGS,
    opt=example(answer=None),
)
async def delete_project(
    project_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    purge: Annotated[bool, QueryParameter(description="For good, also what lies in the bin")] = False,
) -> None:
    """It lies in the bin for `storage.bin_days` and can be restored until then. Meanwhile its keys are refused; its
    name is free at once."""
    await service.delete_project(services, caller, project_id, purge=purge)


@post(
    "/v1/projects/{project_id:str}/restore",
    summary="Restore a deleted project",
    tags=_TAGS,
    status_code=200,
    opt=example(answer={"project": _EXAMPLE}),
)
async def restore_project(
    project_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    name: Annotated[str | None, QueryParameter(description="Another name, where its own is taken by now")] = None,
) -> ProjectAnswer:
    """With all that was in it, its members and its keys. Its own keys are refused until then: it takes an account's, or
    an admin who signed in."""
    return ProjectAnswer(schemas.project(await service.restore_project(services, caller, project_id, name)))


def _bin_cursor(row: Row) -> str:
    assert row.binned is not None
    return encode_cursor(_BIN, row.binned.deleted_at, row.id)


@get(
    "/v1/projects/{project_id:str}/members",
    summary="List a project's members",
    tags=_TAGS,
    opt=example(answer={"data": [_MEMBER], "owner": _OWNER, "has_more": False, "next_cursor": None}),
)
async def list_members(
    request: Request[Any, Any, Any],
    project_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Members]:
    """Owners and admins of the instance see every project, and are listed where they are members or own it."""
    after = decode_cursor(_MEMBERS, cursor, tuple[int, int]) if cursor else service.FIRST_MEMBER
    rows, owner = await service.members(services, caller, project_id, after=after, limit=limit + 1)
    found = pagination.page(
        rows,
        limit=limit,
        item=lambda row: schemas.member(*row),
        cursor=lambda row: encode_cursor(_MEMBERS, row[0].created_at, row[0].user),
    )
    owned_by = None if owner is None else schemas.owner(owner)
    return pagination.respond(request, Members(found.data, owned_by, found.has_more, found.next_cursor))


@put(
    "/v1/projects/{project_id:str}/members/{user_id:str}",
    summary="Add a member, or change a role",
    tags=_TAGS,
    opt=example(request={"role": "editor"}, answer={"member": _MEMBER}),
)
async def set_member(
    project_id: FromPath[str],
    user_id: FromPath[str],
    data: JSONBody[MemberRole],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> MemberAnswer:
    return MemberAnswer(schemas.member(*await service.set_member(services, caller, project_id, user_id, data.role)))


@delete(
    "/v1/projects/{project_id:str}/members/{user_id:str}",
    summary="Remove a member",
    tags=_TAGS,
    opt=example(answer=None),
)
async def remove_member(
    project_id: FromPath[str],
    user_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> None:
    await service.remove_member(services, caller, project_id, user_id)


@post(
    "/v1/projects/{project_id:str}/transfer",
    summary="Give a project to another user",
    tags=_TAGS,
    status_code=200,
    opt=example(request={"owner": "bo@example.com"}, answer={"owner": _OWNER}),
)
async def transfer_project(
    project_id: FromPath[str],
    data: JSONBody[NewOwner],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> OwnerAnswer:
    """For its owner, owners and admins of the instance, and account keys. The new owner becomes an admin of the
    project, the one before stays a member."""
    user = await service.transfer_project(services, caller, project_id, data.owner)
    return OwnerAnswer(schemas.owner(user))


@delete(
    "/v1/auth/me",
    summary="Delete one's own account",
    tags=["People"],
    status_code=204,
    opt=example(request={"password": "correct horse battery"}, answer=None),
)
async def delete_own_account(
    data: JSONBody[LeavingPassword],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    force: Annotated[bool, QueryParameter(description="Leave though the instance has no other owner")] = False,
) -> None:
    """With all sessions and memberships. Who owns projects cannot, nor the last owner of the instance unless `force`
    says so: 409. Then only a command on the server's machine makes an owner."""
    await leaving.delete_own_account(services, caller, data.password, force=force)


ROUTES = [
    delete_own_account,
    transfer_project,
    create_project,
    list_projects,
    get_project,
    update_project,
    delete_project,
    restore_project,
    list_members,
    set_member,
    remove_member,
]
