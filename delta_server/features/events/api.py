"""Events in: Delta's own form, Segment's calls, CloudEvents and OTLP logs.

Clients of other products send in their own ways. Bodies are JSON whatever their content type, keys may stand in the
body, and an answer is exactly 200: some send everything again on a 202.

/v1/events/retention: for how long events and their rollups are kept. /v1/events/stats: what they take.
"""

from functools import partial
from typing import Any

from litestar import Request, Response, get, post, put
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core.event_storage.segment_plan import EventRetention
from delta_server.core.events import (
    cloudevents,
    event_batch,
    native_event,
    otlp_log,
    otlp_protobuf,
    segment_event,
    validate,
)
from delta_server.core.events.event_batch import Parsed
from delta_server.core.events.event_time import Arrival
from delta_server.core.events.otlp_protobuf import PROTOBUF
from delta_server.features.events import schemas, service
from delta_server.features.events.schemas import LogsTaken, NewRetention, PartialSuccess, StatsShown, Taken
from delta_server.http import ingest_auth
from delta_server.http.docs import example
from delta_server.http.parameters import FromPath, JSONBody
from delta_server.services import Services

_TAGS = ["Events"]
_JSON = "application/json"
_NDJSON = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
_SHORT = {"track": "t", "identify": "i", "page": "p", "screen": "s", "group": "g", "alias": "a"}
_ANSWERS = {200: ResponseSpec(Taken, generate_examples=False)}


async def _read_request(request: Request[Any, Any, Any], services: Services) -> tuple[int, str, bytes]:
    """Whose events they are, the key's id, and the body. Raises Unauthorized, Forbidden, TooLarge."""
    body = await request.body()
    known = "user" in request.scope
    caller = ingest_auth.caller_of(request, None if known else await services.cpu(event_batch.write_key, body))
    service.check_size(services, caller.project or 0, caller.key_id, len(body))
    return caller.project or 0, caller.key_id, body


def _content_type(request: Request[Any, Any, Any]) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


@post(
    "/v1/events",
    summary="Send an event",
    tags=_TAGS,
    status_code=200,
    responses=_ANSWERS,
    opt=example(request=schemas.EXAMPLE_EVENT, answer=schemas.EXAMPLE_TAKEN, media_type=_JSON),
)
async def append_event(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Response[Taken]:
    """Delta's form, or CloudEvents in any of their modes. `Idempotency-Key` stands in for a missing `messageId`."""
    project, key, body = await _read_request(request, services)
    read = _cloud_reader(request) or partial(native_event.parse_one, message_id=_idempotency_key(request))
    return Response(await service.append_events(services, project, body, read, key=key))


@post(
    "/v1/events/batch",
    summary="Send up to 10,000 events",
    tags=_TAGS,
    status_code=200,
    responses=_ANSWERS,
    opt=example(request={"events": [schemas.EXAMPLE_EVENT]}, answer=schemas.EXAMPLE_BATCH_TAKEN, media_type=_JSON),
)
async def append_events(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Response[Taken]:
    """`{"events": [...]}`, a bare array, NDJSON, or CloudEvents. One that is wrong does not keep the others out."""
    project, key, body = await _read_request(request, services)
    read = _cloud_reader(request) or partial(native_event.parse_many, lines=_content_type(request) in _NDJSON)
    return Response(await service.append_events(services, project, body, read, key=key))


def _cloud_reader(request: Request[Any, Any, Any]) -> Any:
    """How to read a request that brings CloudEvents, None for others."""
    headers, kind = request.scope["headers"], request.headers.get("content-type", "")
    mode = cloudevents.mode(kind, headers)
    if mode == "binary":
        return partial(cloudevents.parse_binary, headers, kind)
    return {"one": cloudevents.parse_one, "batch": cloudevents.parse_many, None: None}[mode]


def _idempotency_key(request: Request[Any, Any, Any]) -> str | None:
    return validate.text(request.headers.get("idempotency-key"), "Idempotency-Key", validate.MOST_MESSAGE_ID)


def _call(call: str) -> HTTPRouteHandler:
    """The route of one of Segment's calls."""

    @post(
        [f"/v1/{call}", f"/v1/{_SHORT[call]}", f"/v1/s/{call}", f"/v1/s/s2s/{call}"],
        summary=f"Segment's {call} call",
        tags=["Segment"],
        status_code=200,
        responses=_ANSWERS,
        opt=example(request=schemas.EXAMPLE_CALLS[call], answer=schemas.EXAMPLE_TAKEN, media_type=_JSON),
    )
    async def handle(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Response[Taken]:
        project, key, body = await _read_request(request, services)
        return Response(await service.append_events(services, project, body, read, key=key))

    def read(body: bytes, arrival: Arrival) -> Parsed:
        return segment_event.parse_one(body, call, arrival)

    return handle


@post(
    ["/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch", "/v1/s/batch", "/v1/s/s2s/batch"],
    summary="Many of Segment's calls",
    tags=["Segment"],
    status_code=200,
    responses=_ANSWERS,
    opt=example(request=schemas.EXAMPLE_CALL_BATCH, answer=schemas.EXAMPLE_BATCH_TAKEN, media_type=_JSON),
)
async def append_calls(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Response[Taken]:
    """`context` and `integrations` beside the batch are those of each call, whose own win member by member."""
    project, key, body = await _read_request(request, services)
    return Response(await service.append_events(services, project, body, segment_event.parse_many, key=key))


@get(
    "/v1/projects/{write_key:str}/settings",
    summary="What Segment's browser client loads first",
    tags=["Segment"],
    opt=example(answer=schemas.browser_settings("dk_write_...")),
)
async def settings(request: Request[Any, Any, Any], write_key: FromPath[str]) -> dict[str, Any]:
    ingest_auth.caller_in_path(request, write_key)
    return schemas.browser_settings(write_key)


@get(
    "/sourceConfig",
    summary="What RudderStack's browser and mobile clients load first",
    tags=["Segment"],
    opt=example(answer=schemas.source_config("dk_write_...")),
)
async def source_config(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Their `configUrl` (`controlPlaneUrl` of the mobile ones) is this server. Without it they send nothing."""
    ingest_auth.caller_of(request)
    return schemas.source_config(ingest_auth.key_in(request) or "")


@post(
    "/v1/logs",
    summary="Send OpenTelemetry's log records",
    tags=_TAGS,
    status_code=200,
    responses={200: ResponseSpec(LogsTaken, generate_examples=False)},
    opt=example(request=schemas.EXAMPLE_LOGS, answer={}, media_type=_JSON),
)
async def append_logs(
    request: Request[Any, Any, Any], services: NamedDependency[Services]
) -> Response[LogsTaken] | Response[bytes]:
    """OTLP/HTTP in JSON or protobuf; the answer is in the form of the request."""
    project, key, body = await _read_request(request, services)
    kind = _content_type(request)
    if kind in otlp_protobuf.MEDIA_TYPES:
        taken = await service.append_events(services, project, body, partial(otlp_log.parse, form=PROTOBUF), key=key)
        message = taken.rejected[0].message if taken.rejected else ""
        return Response(otlp_protobuf.response(len(taken.rejected), message), media_type=kind)
    taken = await service.append_events(services, project, body, otlp_log.parse, key=key)
    if not taken.rejected:
        return Response(LogsTaken())
    return Response(LogsTaken(PartialSuccess(str(len(taken.rejected)), taken.rejected[0].message)))


@get(
    "/v1/events/retention",
    summary="For how long events are kept",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_RETENTION),
)
async def shown(services: NamedDependency[Services], project: NamedDependency[int]) -> EventRetention:
    return service.retention(services, project)


@put(
    "/v1/events/retention",
    summary="Set for how long events are kept",
    tags=_TAGS,
    opt=example(request=schemas.EXAMPLE_RETENTION, answer=schemas.EXAMPLE_RETENTION),
)
async def change(
    data: JSONBody[NewRetention], services: NamedDependency[Services], project: NamedDependency[int]
) -> EventRetention:
    """Queries may see events past their time until the background has deleted them."""
    return await service.set_retention(services, project, data)


@get(
    "/v1/events/stats",
    summary="How many events there are and what they take",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_STATS),
)
async def stats(services: NamedDependency[Services], project: NamedDependency[int]) -> StatsShown:
    return await service.stats(services, project)


ROUTES = [
    append_event,
    append_events,
    *map(_call, segment_event.CALLS),
    append_calls,
    settings,
    source_config,
    append_logs,
    shown,
    change,
    stats,
]
