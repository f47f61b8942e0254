"""/v1/projects: by id or name; account keys manage all of their account, a project's key its own."""

from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from delta_server.features.projects import schemas, service
from delta_server.features.projects.schemas import NewProject, Project, ProjectAnswer, ProjectChange, UsageAnswer
from delta_server.http import idempotency, pagination
from delta_server.http.auth import Caller
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.services import Services
from delta_server.storage.once import Once

_LIST = "projects"


@post("/v1/projects", summary="Make a project", responses={201: ResponseSpec(ProjectAnswer)})
async def create(
    data: JSONBody[NewProject],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> Response[bytes]:
    return idempotency.respond(await service.create(services, caller, data, once))


@get("/v1/projects", summary="List projects by name")
async def list_(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    name_prefix: Annotated[str, QueryParameter(description="Only projects whose name begins so")] = "",
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[Project]]:
    after = pagination.decode_cursor(_LIST, cursor, tuple[str])[0] if cursor else None
    rows = await service.page(services, caller, prefix=name_prefix, after=after, limit=limit + 1)
    found = pagination.page(
        rows, limit=limit, item=schemas.project, cursor=lambda row: pagination.encode_cursor(_LIST, row.name)
    )
    return pagination.respond(request, found)


@get("/v1/projects/{project_id:str}", summary="Get a project")
async def get_one(
    project_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> ProjectAnswer:
    return ProjectAnswer(schemas.project(service.get(services, caller, project_id)))


@get("/v1/projects/{project_id:str}/usage", summary="Tell what a project keeps")
async def usage(
    project_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> UsageAnswer:
    return UsageAnswer(await service.usage(services, caller, project_id))


@patch("/v1/projects/{project_id:str}", summary="Change a project")
async def change(
    project_id: FromPath[str],
    data: JSONBody[ProjectChange],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> ProjectAnswer:
    return ProjectAnswer(schemas.project(await service.change(services, caller, project_id, data)))


@delete("/v1/projects/{project_id:str}", summary="Delete a project with all that is in it, and revoke its keys")
async def delete_(
    project_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> None:
    await service.delete(services, caller, project_id)


ROUTES = [create, list_, get_one, usage, change, delete_]
