"""POST /v1/mcp: the Model Context Protocol over HTTP, for programs that work with a language model."""

from typing import Any

from litestar import MediaType, Request, Response, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from msgspec import UNSET

from delta_server.core.caller import Caller
from delta_server.core.errors import BadRequest
from delta_server.features.mcp import schemas, service
from delta_server.features.mcp.schemas import Answer, Fault, Message
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.parameters import JSONBody
from delta_server.services import Services


@post(
    "/v1/mcp",
    summary="Speak the Model Context Protocol",
    tags=["MCP"],
    status_code=200,
    responses={
        200: ResponseSpec(Answer, generate_examples=False),
        202: ResponseSpec(None, description="A notification, which is not answered", generate_examples=False),
    },
    opt=example(request=schemas.EXAMPLE_CALL, answer=schemas.EXAMPLE_ANSWER),
)
async def speak(
    request: Request[Any, Any, Any],
    data: JSONBody[Message],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> Response[Any]:
    """Streamable HTTP without sessions: one JSON-RPC message a request, answered as JSON. The tools only read, and each
    asks for the scope of what it reads: `endpoints:read`, `snapshots:read`, `events:read`."""
    version = request.headers.get("mcp-protocol-version")
    if version is not None and version not in service.VERSIONS:
        raise BadRequest(f"this version of the protocol is not spoken here: use one of {', '.join(service.VERSIONS)}")
    if data.id is UNSET or not data.method:
        return Response(b"", status_code=202, media_type=MediaType.TEXT)
    try:
        result = await run_in_turn(
            request,
            services,
            project,
            lambda svc: service.answer(svc, caller, project, data.method, data.params),
        )
    except service.Refused as refused:
        return Response(Answer(data.id, error=Fault(refused.code, refused.message)))
    return Response(Answer(data.id, result=result))


ROUTES = [speak]
