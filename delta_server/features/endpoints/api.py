"""/v1/endpoints: by id or name; in a path the slash of a name is written %2F."""

from typing import Annotated

from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from msgspec import UNSET

from delta_server.core.caller import Caller
from delta_server.features.endpoints import schemas, service
from delta_server.features.endpoints.schemas import EndpointAnswer, EndpointChange, NewEndpoint
from delta_server.features.usage import service as usage
from delta_server.http import idempotency
from delta_server.http.docs import example
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_TAGS = ["Endpoints"]


@post(
    "/v1/endpoints",
    summary="Make an endpoint",
    tags=_TAGS,
    responses={201: ResponseSpec(EndpointAnswer, generate_examples=False)},
    opt=example(request=schemas.EXAMPLE_NEW, answer={"endpoint": schemas.EXAMPLE}),
)
async def create_endpoint(
    data: JSONBody[NewEndpoint],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    idempotency_key: NamedDependency[IdempotencyKey],
) -> Response[bytes]:
    async with usage.reporting_exceeded(services, caller.project):
        answer = await service.create_endpoint(services, caller, data, idempotency_key)
    return idempotency.respond(answer, "/v1/endpoints")


@get(
    "/v1/endpoints/{endpoint:str}",
    summary="Get an endpoint",
    tags=_TAGS,
    opt=example(answer={"endpoint": schemas.EXAMPLE}),
)
async def get_endpoint(
    endpoint: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> EndpointAnswer:
    return EndpointAnswer(service.view(service.get_endpoint(services, project, endpoint)))


@patch(
    "/v1/endpoints/{endpoint:str}",
    summary="Change an endpoint and its settings",
    tags=_TAGS,
    opt=example(
        request={"diff": {"ignore": ["/generated_at"], "tolerance": None}, "retention": None},
        answer={"endpoint": schemas.EXAMPLE},
    ),
)
async def update_endpoint(
    endpoint: FromPath[str],
    data: JSONBody[EndpointChange],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> EndpointAnswer:
    """A new `retention` deletes snapshots, so it asks for `endpoints:admin`."""
    if data.retention is not UNSET:
        caller.require("endpoints:admin")
    return EndpointAnswer(service.view(await service.update_endpoint(services, project, endpoint, data)))


@delete(
    "/v1/endpoints/{endpoint:str}",
    summary="Delete an endpoint with all its history",
    tags=_TAGS,
    opt=example(answer=None),
)
async def delete_endpoint(
    endpoint: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    purge: Annotated[bool, QueryParameter(description="For good, also what lies in the bin")] = False,
) -> None:
    """It lies in the bin for `storage.bin_days` and can be restored until then; its name is free at once."""
    await service.delete_endpoint(services, project, endpoint, purge=purge)


@post(
    "/v1/endpoints/{endpoint:str}/restore",
    summary="Restore a deleted endpoint",
    tags=_TAGS,
    status_code=200,
    opt=example(answer={"endpoint": schemas.EXAMPLE}),
)
async def restore_endpoint(
    endpoint: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    name: Annotated[str | None, QueryParameter(description="Another name, where its own is taken by now")] = None,
) -> EndpointAnswer:
    """With all its history. Where several in the bin have the name, it takes the id."""
    return EndpointAnswer(service.view(await service.restore_endpoint(services, project, endpoint, name)))


ROUTES = [create_endpoint, get_endpoint, update_endpoint, delete_endpoint, restore_endpoint]
