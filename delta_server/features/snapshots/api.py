"""/v1/snapshots: documents in, the exact bytes out."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from litestar import MediaType, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from msgspec import UNSET
from msgspec.structs import replace

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.packs import codec
from delta_server.features.endpoints import service as endpoints
from delta_server.features.snapshots import schemas, service, values
from delta_server.features.snapshots.schemas import (
    AllStored,
    ListedSnapshot,
    ReceivedSnapshot,
    SnapshotWithData,
    Stored,
    Value,
)
from delta_server.features.snapshots.store import Snapshot as Row
from delta_server.http import body, conditional, exchange, idempotency, pagination, spans
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.pagination import DEFAULT_LIMIT, CursorText, Limit, Page
from delta_server.http.parameters import FromPath, QueryParameter
from delta_server.http.pieces import InPieces
from delta_server.services import Services
from delta_server.storage.idempotency import IdempotencyKey

_TAGS = ["Snapshots"]
_JSON = "application/json"
_LIST = "snapshots"
_NOT_COPIED_BYTES = 256 << 10
"""From so many bytes on a document is sent as it is in the cache: many slow readers of 10 MB have it once."""
_DEFAULTS = {"from": None, "to": None, "order": "desc", "changed_only": "false", "cursor": None}
_AROUND = "A snapshot's id, or a time, a date or an age with `endpoint_id`: those around it"
_LIST_INCLUDE = "`delta`: what each changed since the one before, where that is computed"

Include: TypeAlias = Annotated[
    Literal["delta"] | None, QueryParameter(description="`delta`: wait for what changed since the snapshot before")
]
EndpointParameter: TypeAlias = Annotated[
    str | None, QueryParameter(description="Id or name: the whole body is the document. Without it: an envelope")
]
IncludeParts: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        description="`place`: its number and the snapshots beside it; `delta`: what changed since the one before; "
        "both with a comma between"
    ),
]
WithData: TypeAlias = Annotated[bool, QueryParameter(name="data", description="false leaves the document out")]
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
        Stored(schemas.without_created_flag(kept), delta, kept.endpoint_created or UNSET, list(kept.misfits) or UNSET)
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
    around: Annotated[str | None, QueryParameter(description=_AROUND)] = None,
    include: Annotated[Literal["delta"] | None, QueryParameter(description=_LIST_INCLUDE)] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[ListedSnapshot]]:
    """With `around` the answer is the `limit` snapshots around one, newest first, and has no next page."""
    endpoint = endpoints.resolve(services, project, endpoint_id) if endpoint_id is not None else None
    if around is not None:
        _check_around(request.query_params.multi_items())
        rows = await service.list_around(services, project, endpoint, around, limit=limit)
        return Response(Page(await _listed(services, project, rows, include), False, None))
    span = spans.parse_span(_LIST, from_=from_, to=to, order=order, cursor=cursor, now_ms=services.clock.now_ms())
    rows = await service.list_snapshots(services, project, endpoint, span, limit=limit + 1, changed_only=changed_only)
    found = pagination.page(
        rows, limit=limit, item=lambda row: row, cursor=lambda row: spans.cursor_at(_LIST, order, row.position)
    )
    listed = await _listed(services, project, found.data, include)
    return pagination.respond(request, Page(listed, found.has_more, found.next_cursor))


def _check_around(given: Iterable[tuple[str, str]]) -> None:
    """Raise Invalid for an option that would have no effect. Its default may stand there."""
    for name, value in given:
        if name in _DEFAULTS and value != _DEFAULTS[name]:
            raise Invalid(f"{name} is for the list; with around go endpoint_id, include and limit", field=name)


async def _listed(services: Services, project: int, rows: Sequence[Row], include: str | None) -> list[ListedSnapshot]:
    if include is None:
        return list(map(schemas.listed, rows))
    return list(map(schemas.listed, rows, await service.stored_deltas(services, project, rows)))


@get(
    "/v1/snapshots/{snapshot_id:str}",
    summary="Get a snapshot with its document",
    tags=_TAGS,
    responses={200: ResponseSpec(SnapshotWithData, generate_examples=False)},
    opt=example(answer=schemas.EXAMPLE_WITH_PLACE),
)
async def get_snapshot(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    snapshot_id: FromPath[str],
    endpoint_id: OfEndpoint = None,
    include: IncludeParts = None,
    with_data: WithData = True,
) -> Response[Any]:
    row = service.get_snapshot(services, project, snapshot_id, endpoint_id)
    return await _with_parts(request, services, project, row, include, with_data=with_data)


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
    include: IncludeParts = None,
    with_data: WithData = True,
) -> Response[Any]:
    row = service.snapshot_at(services, project, endpoints.resolve(services, project, endpoint), times.LATEST_MS)
    return await _with_parts(request, services, project, row, include, with_data=with_data)


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
    include: IncludeParts = None,
    with_data: WithData = True,
) -> Response[Any]:
    time_ms = times.parse_moment(time, field="time", now_ms=services.clock.now_ms())
    row = service.snapshot_at(services, project, endpoints.resolve(services, project, endpoint), time_ms)
    return await _with_parts(request, services, project, row, include, with_data=with_data)


@delete("/v1/snapshots/{snapshot_id:str}", summary="Delete a snapshot", tags=_TAGS, opt=example(answer=None))
async def delete_snapshot(
    services: NamedDependency[Services],
    project: NamedDependency[int],
    snapshot_id: FromPath[str],
    endpoint_id: OfEndpoint = None,
) -> None:
    await service.delete_snapshot(services, project, snapshot_id, endpoint_id)


_PARTS = ("place", "delta")


async def _with_parts(
    request: Request[Any, Any, Any], services: Services, project: int, row: Row, include: str | None, *, with_data: bool
) -> Response[Any]:
    """The snapshot, its document unless that is left out, and what `include` names. Raises Invalid."""
    wanted = [] if include is None else include.split(",")
    if not set(wanted) <= set(_PARTS):
        raise Invalid(f"include must be {' or '.join(_PARTS)}, or both with a comma between", field="include")
    answer = SnapshotWithData(
        schemas.snapshot(row),
        place=schemas.place(await service.place_of(services, row)) if "place" in wanted else UNSET,
        delta=await service.delta_of(services, project, row) if "delta" in wanted else UNSET,
    )
    # its endpoint's name, for one, may change, and so may its place
    tag = conditional.etag(codec.digest(msgspec.json.encode(answer)))
    if unchanged := conditional.not_modified(request, tag):
        return unchanged
    if not with_data:
        return Response(answer, headers=conditional.headers(tag))
    document = await _read(request, services, row)
    if len(document) < _NOT_COPIED_BYTES:
        return Response(replace(answer, data=msgspec.Raw(document)), headers=conditional.headers(tag))
    return InPieces(schemas.with_document(answer, document), media_type=_JSON, headers=conditional.headers(tag))


async def _read(request: Request[Any, Any, Any], services: Services, row: Row) -> bytes:
    """The document, for which an answer has room."""
    exchange.reserve_answer(request.scope, row.size)
    return await service.read_document(services, row)


async def _data(request: Request[Any, Any, Any], services: Services, row: Row) -> Response[Any]:
    tag = conditional.etag(row.hash)
    if unchanged := conditional.not_modified(request, tag):
        return unchanged
    data = await _read(request, services, row)
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
