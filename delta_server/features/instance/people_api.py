"""/v1/instance/users: who may sign in."""

from typing import Any

from litestar import Request, Response, get, patch
from litestar.di import NamedDependency

from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.features.instance import people, schemas
from delta_server.features.instance.schemas import InstanceUser, InstanceUserAnswer, InstanceUserChange
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.pagination import DEFAULT_LIMIT, CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody
from delta_server.services import Services

_LIST = "users of the instance"
_TAGS = ["Users"]


@get(
    "/v1/instance/users",
    summary="List the people of the instance, by e-mail address",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_USER], "has_more": False, "next_cursor": None}),
)
async def list_users(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[InstanceUser]]:
    after = decode_cursor(_LIST, cursor, tuple[str])[0] if cursor else ""
    rows = await people.list_users(services, caller, after=after, limit=limit + 1)
    found = pagination.page(
        rows, limit=limit, item=schemas.user, cursor=lambda row: encode_cursor(_LIST, row.user.email)
    )
    return pagination.respond(request, found)


@patch(
    "/v1/instance/users/{user_id:str}",
    summary="Change somebody's role in the instance, or whether they may sign in",
    tags=_TAGS,
    opt=example(request={"role": "admin"}, answer={"user": schemas.EXAMPLE_USER}),
)
async def change_user(
    data: JSONBody[InstanceUserChange],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    user_id: FromPath[str],
) -> InstanceUserAnswer:
    """By id or e-mail address. Who is disabled is signed out everywhere. Only owners change or make owners; the last
    one stays."""
    changed = await people.change_user(services, caller, user_id, role=data.role, disabled=data.disabled)
    return InstanceUserAnswer(schemas.user(changed))


ROUTES = [list_users, change_user]
