"""POST /v1/endpoints/{endpoint}/preview: new settings tried on recorded history."""

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from msgspec import UNSET

from delta_server.features.endpoints import service as endpoints
from delta_server.features.previews import schemas, service
from delta_server.features.previews.schemas import DiffPreview, PreviewRequest, RetentionPreview
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.parameters import FromPath, JSONBody
from delta_server.services import Services


@post(
    "/v1/endpoints/{endpoint:str}/preview",
    summary="Try new settings on an endpoint's history",
    tags=["Endpoints"],
    status_code=200,
    opt=example(request=schemas.EXAMPLE_REQUEST, answer=schemas.EXAMPLE_DIFF),
)
async def preview(
    request: Request[Any, Any, Any],
    data: JSONBody[PreviewRequest],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
) -> DiffPreview | RetentionPreview:
    """With `diff`, what settings of comparison would make of the `last` deltas; with `retention`, what would be
    deleted. Both as they would be sent to change the endpoint, which stays as it is."""
    service.check(data)
    of = endpoints.resolve(services, project, endpoint)
    if data.diff is UNSET:
        return await service.of_retention(services, of, data)
    return await run_in_turn(request, services, project, lambda svc: service.of_diff(svc, of, data))


ROUTES = [preview]
