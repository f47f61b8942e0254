"""/v1/users, /v1/groups: profiles by id. /v1/erasures: what was done about DELETE /v1/users/{id}."""

from typing import Annotated, Any

from litestar import Request, Response, delete, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter

from delta_server.features.profiles.service import Kind
from delta_server.features.users import schemas, service
from delta_server.features.users.schemas import ErasureAnswer, GroupAnswer, UserAnswer
from delta_server.http import pagination
from delta_server.http.auth import Caller
from delta_server.http.docs import example
from delta_server.http.pagination import DEFAULT_LIMIT, CursorText, Limit, Page
from delta_server.services import Services

_USERS, _ERASURES = ["Users"], "erasures"
_NEWEST = 1 << 62

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
    return UserAnswer(await service.get(services, project, user))


@get(
    "/v1/groups/{group:str}",
    summary="Get a group",
    tags=_USERS,
    opt=example(answer={"group": schemas.EXAMPLE_GROUP}),
)
async def get_group(
    group: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> GroupAnswer:
    return GroupAnswer(schemas.profile(service.group(services, project, group)))


@delete(
    "/v1/users/{user:str}",
    summary="Erase a user: profile, events and their share of all counts",
    tags=_USERS,
    status_code=202,
    responses={202: ResponseSpec(ErasureAnswer, generate_examples=False)},
    opt=example(answer={"erasure": schemas.EXAMPLE_ERASURE}),
)
async def erase_user(
    user: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    caller: NamedDependency[Caller],
) -> Response[ErasureAnswer]:
    """The profile goes at once, the events in the background: `location` is where to see how far it has come."""
    job = schemas.erasure(await service.erase(services, project, caller, user))
    return Response(ErasureAnswer(job), headers={"location": f"/v1/erasures/{job.id}"})


@get(
    "/v1/erasures",
    summary="List erasures, newest first",
    tags=_USERS,
    opt=example(answer=_page_of(schemas.EXAMPLE_ERASURE)),
)
async def list_erasures(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[schemas.Erasure]]:
    before = pagination.decode_cursor(_ERASURES, cursor, tuple[int])[0] if cursor else _NEWEST
    rows = await service.erasures(services, project, before=before, limit=limit + 1)
    found = pagination.page(
        rows, limit=limit, item=schemas.erasure, cursor=lambda row: pagination.encode_cursor(_ERASURES, row.id)
    )
    return pagination.respond(request, found)


@get(
    "/v1/erasures/{erasure_id:str}",
    summary="Get an erasure: how far it has come, and afterwards its record",
    tags=_USERS,
    opt=example(answer={"erasure": schemas.EXAMPLE_ERASURE}),
)
async def get_erasure(
    erasure_id: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> ErasureAnswer:
    return ErasureAnswer(schemas.erasure(service.erasure(services, project, erasure_id)))


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
    before = pagination.decode_cursor(kind, cursor, tuple[int, int]) if cursor else None
    rows = await service.page(services, project, kind, q=q, before=before, limit=limit + 1)
    found = pagination.page(
        rows,
        limit=limit,
        item=schemas.profile,
        cursor=lambda row: pagination.encode_cursor(kind, row.last_seen_at, row.id),
    )
    return pagination.respond(request, found)


ROUTES = [list_users, list_groups, get_user, get_group, erase_user, list_erasures, get_erasure]
