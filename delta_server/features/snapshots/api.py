"""/v1/snapshots: documents in, the exact bytes out."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from litestar import MediaType, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from msgspec import UNSET

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.packs import codec
from delta_server.features.endpoints import service as endpoints
from delta_server.features.snapshots import schemas, service, values
from delta_server.features.snapshots.schemas import (
    AllStored,
    ReceivedSnapshot,
    Snapshot,
    SnapshotWithData,
    Stored,
    Value,
)
from delta_server.features.snapshots.store import Snapshot as Row
from delta_server.http import body, conditional, idempotency, pagination, spans
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.pagination import DEFAULT_LIMIT, CursorText, Limit, Page
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_TAGS = ["Snapshots"]
_JSON = "application/json"
_LIST = "snapshots"

Include: TypeAlias = Annotated[
    Literal["delta"] | None, QueryParameter(description="`delta`: wait for what changed since the snapshot before")
]
EndpointParameter: TypeAlias = Annotated[
    str | None, QueryParameter(description="Id or name: the whole body is the document. Without it: an envelope")
]
OfEndpoint: TypeAlias = Annotated[
    str | None, QueryParameter(description="Id or name; 404 when the snapshot is not one of this endpoint")
]


@post(
    "/v1/snapshots",
    summary="Store a snapshot",
    tags=_TAGS,
    responses={201: ResponseSpec(Stored, generate_examples=False)},
    opt=example(request=schemas.EXAMPLE_ENVELOPE, answer=schemas.EXAMPLE_STORED, media_type=_JSON),
)
async def create_snapshot(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    idempotency_key: NamedDependency[IdempotencyKey],
    endpoint: EndpointParameter = None,
    captured_at: Annotated[str | None, QueryParameter(description="With `endpoint`: when; default now")] = None,
    source: Annotated[str | None, QueryParameter(description="With `endpoint`: where it came from")] = None,
    metadata: Annotated[str | None, QueryParameter(description="With `endpoint`: a JSON object")] = None,
    include: Include = None,
) -> Response[Stored]:
    """Send the document as the body with `?endpoint=NAME`, or `{"endpoint_id", "data", "metadata"}`."""
    raw = await body.document(request)
    if endpoint is not None:
        item = ReceivedSnapshot(endpoint, raw, captured_at, source, metadata)
    else:
        _refuse_beside_envelope(captured_at=captured_at, source=source, metadata=metadata)
        item = await services.cpu(schemas.decode_one, raw)
    wanted = service.new_snapshots(services, project, [item])
    created = await service.create_snapshots(services, project, wanted, idempotency_key, with_deltas=include == "delta")
    [stored] = _answers(created)
    headers = {**idempotency.headers(replayed=created.replayed), "location": f"/v1/snapshots/{stored.snapshot.id}"}
    return Response(stored, headers=headers)


@post(
    "/v1/snapshots/batch",
    summary="Store up to 1,000 snapshots, all or none",
    tags=_TAGS,
    responses={201: ResponseSpec(AllStored, generate_examples=False)},
    opt=example(
        request={"snapshots": [schemas.EXAMPLE_ENVELOPE]}, answer={"data": [schemas.EXAMPLE_STORED]}, media_type=_JSON
    ),
)
async def create_snapshots(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    idempotency_key: NamedDependency[IdempotencyKey],
    include: Include = None,
) -> Response[AllStored]:
    """`data` of the answer has one result for each snapshot, in the order they were sent."""
    items = await services.cpu(schemas.decode_many, await body.document(request))
    wanted = service.new_snapshots(services, project, items)
    created = await service.create_snapshots(services, project, wanted, idempotency_key, with_deltas=include == "delta")
    return Response(AllStored(_answers(created)), headers=idempotency.headers(replayed=created.replayed))


def _refuse_beside_envelope(**given: str | None) -> None:
    for name, value in given.items():
        if value is not None:
            raise Invalid(f"in the query, {name} goes with endpoint; an envelope has its own", field=name)


def _answers(created: service.CreatedSnapshots) -> list[Stored]:
    deltas = created.deltas or [None] * len(created.snapshots)
    return [
        Stored(schemas.without_created_flag(kept), delta, kept.endpoint_created or UNSET)
        for kept, delta in zip(created.snapshots, deltas, strict=True)
    ]


@get(
    "/v1/snapshots",
    summary="List snapshots, newest first",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_SNAPSHOT], "has_more": False, "next_cursor": None}),
)
async def list_snapshots(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint_id: Annotated[str | None, QueryParameter(description="Id or name; all endpoints without it")] = None,
    from_: spans.From = None,
    to: spans.To = None,
    order: spans.Order = "desc",
    changed_only: Annotated[bool, QueryParameter(description="Leave out those equal to the one before")] = False,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[Snapshot]]:
    endpoint = endpoints.resolve(services, project, endpoint_id) if endpoint_id is not None else None
    span = spans.parse_span(_LIST, from_=from_, to=to, order=order, cursor=cursor, now_ms=services.clock.now_ms())
    rows = await service.list_snapshots(services, project, endpoint, span, limit=limit + 1, changed_only=changed_only)
    found = pagination.page(
        rows, limit=limit, item=schemas.snapshot, cursor=lambda row: spans.cursor_at(_LIST, order, row.position)
    )
    return pagination.respond(request, found)


@get(
    "/v1/snapshots/{snapshot_id:str}",
    summary="Get a snapshot with its document",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_WITH_DATA),
)
async def get_snapshot(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    snapshot_id: FromPath[str],
    endpoint_id: OfEndpoint = None,
) -> Response[Any]:
    return await _with_data(request, services, service.get_snapshot(services, project, snapshot_id, endpoint_id))


@get(
    "/v1/snapshots/{snapshot_id:str}/data",
    summary="Get a snapshot's document, byte for byte",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_DOCUMENT),
)
async def get_data(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    snapshot_id: FromPath[str],
    endpoint_id: OfEndpoint = None,
) -> Response[Any]:
    return await _data(request, services, service.get_snapshot(services, project, snapshot_id, endpoint_id))


@get(
    "/v1/snapshots/{snapshot_id:str}/value",
    summary="Get one value of a snapshot's document",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_VALUE),
)
async def get_value(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    snapshot_id: FromPath[str],
    path: Annotated[str, QueryParameter(description="A place such as /items/[sku=A7]/name or /items/0")] = "",
    endpoint_id: OfEndpoint = None,
) -> Value:
    """As it is written there, up to 8 MiB: what is cut in the rows of a comparison, whole."""
    row = service.get_snapshot(services, project, snapshot_id, endpoint_id)
    found = await run_in_turn(request, services, project, lambda svc: values.value_at(svc, row, path))
    return Value(snapshot_id, path, found.pointer, found.kind, len(found.raw), msgspec.Raw(found.raw))


@get(
    "/v1/snapshots/latest/{endpoint:str}",
    summary="Get an endpoint's latest snapshot",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_WITH_DATA),
)
async def get_latest(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
) -> Response[Any]:
    row = service.snapshot_at(services, project, endpoints.resolve(services, project, endpoint), times.LATEST_MS)
    return await _with_data(request, services, row)


@get(
    "/v1/snapshots/at/{endpoint:str}",
    summary="Get an endpoint's snapshot as of a time",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_WITH_DATA),
)
async def get_at(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    endpoint: FromPath[str],
    time: Annotated[str, QueryParameter(description="A time, a date, or an age such as 24h")],
) -> Response[Any]:
    time_ms = times.parse_moment(time, field="time", now_ms=services.clock.now_ms())
    row = service.snapshot_at(services, project, endpoints.resolve(services, project, endpoint), time_ms)
    return await _with_data(request, services, row)


@delete("/v1/snapshots/{snapshot_id:str}", summary="Delete a snapshot", tags=_TAGS, opt=example(answer=None))
async def delete_snapshot(
    services: NamedDependency[Services],
    project: NamedDependency[int],
    snapshot_id: FromPath[str],
    endpoint_id: OfEndpoint = None,
) -> None:
    await service.delete_snapshot(services, project, snapshot_id, endpoint_id)


async def _with_data(request: Request[Any, Any, Any], services: Services, row: Row) -> Response[Any]:
    shown = schemas.snapshot(row)
    tag = conditional.etag(codec.digest(msgspec.json.encode(shown)))  # its endpoint's name, for one, may change
    if unchanged := conditional.not_modified(request, tag):
        return unchanged
    answer = SnapshotWithData(shown, msgspec.Raw(await service.read_document(services, row)))
    return Response(answer, headers=conditional.headers(tag))


async def _data(request: Request[Any, Any, Any], services: Services, row: Row) -> Response[Any]:
    tag = conditional.etag(row.hash)
    if unchanged := conditional.not_modified(request, tag):
        return unchanged
    data = await service.read_document(services, row)
    return Response(data, media_type=MediaType.JSON, headers=conditional.headers(tag))


ROUTES = [
    create_snapshot,
    create_snapshots,
    list_snapshots,
    get_snapshot,
    get_data,
    get_value,
    get_latest,
    get_at,
    delete_snapshot,
]
