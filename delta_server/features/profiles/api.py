"""/v1/users, /v1/groups: profiles, by id and as lists."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.features.profiles import schemas, service, trait_changes
from delta_server.features.profiles.schemas import GroupAnswer, UserAnswer
from delta_server.features.profiles.service import Kind
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.leaving import while_connected
from delta_server.http.pagination import DEFAULT_LIMIT, CursorText, Limit, Page
from delta_server.http.parameters import FromPath, QueryParameter
from delta_server.services import Services

_USERS = ["Users"]
_TRAITS = "trait changes"

Search = Annotated[str, QueryParameter(description="Only those whose id or traits hold every one of these words")]


def _page_of(example_item: dict[str, Any]) -> dict[str, Any]:
    return {"data": [example_item], "has_more": False, "next_cursor": None}


@get(
    "/v1/users",
    summary="List users, last seen first",
    tags=_USERS,
    opt=example(answer=_page_of(schemas.EXAMPLE_USER)),
)
async def list_users(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    q: Search = "",
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[schemas.Profile]]:
    return await _list(request, services, project, "user", q=q, limit=limit, cursor=cursor)


@get(
    "/v1/groups",
    summary="List groups, last seen first",
    tags=_USERS,
    opt=example(answer=_page_of(schemas.EXAMPLE_GROUP)),
)
async def list_groups(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    q: Search = "",
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[schemas.Profile]]:
    return await _list(request, services, project, "group", q=q, limit=limit, cursor=cursor)


@get(
    "/v1/users/{user:str}",
    summary="Get a user by any of their ids",
    tags=_USERS,
    opt=example(answer={"user": schemas.EXAMPLE_USER_WITH_EVENTS}),
)
async def get_user(
    user: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> UserAnswer:
    return UserAnswer(await service.get_user(services, project, user))


@get(
    "/v1/users/{user:str}/traits",
    summary="List what changed in a user's traits, the newest first",
    tags=_USERS,
    opt=example(answer=_page_of(schemas.EXAMPLE_TRAITS_CHANGE)),
)
async def list_trait_changes(
    request: Request[Any, Any, Any],
    user: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[schemas.TraitsChange]]:
    """Out of the identify calls among their events that are kept. Calls that changed nothing are left out, so a page
    may have fewer than `limit` though there are more."""
    after = decode_cursor(_TRAITS, cursor, tuple[int, int]) if cursor else None
    work = trait_changes.page(services, project, user, after=after, limit=limit)
    found, end = await while_connected(request, work)
    next_cursor = encode_cursor(_TRAITS, *end) if end else None
    return pagination.respond(request, Page([schemas.traits_change(one) for one in found], bool(end), next_cursor))


@get(
    "/v1/groups/{group:str}",
    summary="Get a group",
    tags=_USERS,
    opt=example(answer={"group": schemas.EXAMPLE_GROUP}),
)
async def get_group(
    group: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> GroupAnswer:
    return GroupAnswer(schemas.profile(service.get_group(services, project, group)))


async def _list(
    request: Request[Any, Any, Any],
    services: Services,
    project: int,
    kind: Kind,
    *,
    q: str,
    limit: int,
    cursor: str | None,
) -> Response[Page[schemas.Profile]]:
    before = decode_cursor(kind, cursor, tuple[int, int]) if cursor else None
    rows = await service.list_profiles(services, project, kind, q=q, before=before, limit=limit + 1)
    found = pagination.page(
        rows,
        limit=limit,
        item=schemas.profile,
        cursor=lambda row: encode_cursor(kind, row.last_seen_at, row.id),
    )
    return pagination.respond(request, found)


ROUTES = [list_users, list_groups, get_user, list_trait_changes, get_group]
