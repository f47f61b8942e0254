"""DELETE /v1/users/{id}: erases a person. /v1/erasures: how far that has come, and its record."""

from typing import Any

from litestar import Request, Response, delete, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core.caller import Caller
from delta_server.core.cursors import encode_cursor, row_below
from delta_server.features.erasures import schemas, service
from delta_server.features.erasures.schemas import ErasureAnswer
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.pagination import DEFAULT_LIMIT, CursorText, Limit, Page
from delta_server.http.parameters import FromPath
from delta_server.services import Services

_USERS, _ERASURES = ["Users"], "erasures"
_EXAMPLE_PAGE = {"data": [schemas.EXAMPLE_ERASURE], "has_more": False, "next_cursor": None}


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
    job = schemas.erasure(await service.erase_person(services, project, caller, user))
    return Response(ErasureAnswer(job), headers={"location": f"/v1/erasures/{job.id}"})


@get(
    "/v1/erasures",
    summary="List erasures, newest first",
    tags=_USERS,
    opt=example(answer=_EXAMPLE_PAGE),
)
async def list_erasures(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[schemas.Erasure]]:
    before = row_below(_ERASURES, cursor)
    rows = await service.list_erasures(services, project, before=before, limit=limit + 1)
    found = pagination.page(
        rows, limit=limit, item=schemas.erasure, cursor=lambda row: encode_cursor(_ERASURES, row.id)
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
    return ErasureAnswer(schemas.erasure(service.get_erasure(services, project, erasure_id)))


ROUTES = [erase_user, list_erasures, get_erasure]
