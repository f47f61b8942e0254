"""/v1/datasets: what clients deliver again and again."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.response import Stream

from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.datasets.manifest import Format, Which
from delta_server.core.errors import Invalid, NotAcceptable, NotFound
from delta_server.features.datasets import comparing, deliveries, schemas, service
from delta_server.features.datasets.receiving import Incoming
from delta_server.features.datasets.schemas import (
    ComparisonJob,
    ComparisonJobs,
    Dataset,
    DatasetAnswer,
    DatasetClient,
    DatasetWithClients,
    DeltaSummary,
    SettingsChange,
)
from delta_server.http import conditional, encodings, pagination
from delta_server.http.docs import example
from delta_server.http.leaving import while_allowed, while_connected
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services

_TAGS = ["Datasets"]
_LIST, _CLIENTS = "datasets", "dataset clients"
_NDJSON = schemas.MEDIA_TYPES["ndjson"]


@get(
    "/v1/datasets",
    summary="List datasets",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_DATASET], "has_more": False, "next_cursor": None}),
)
async def list_datasets(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[Dataset]]:
    """By name."""
    above = decode_cursor(_LIST, cursor, tuple[str])[0] if cursor else ""
    rows = await service.list_datasets(services, project, above, limit + 1)
    found = pagination.page(rows, limit=limit, item=schemas.dataset, cursor=lambda row: encode_cursor(_LIST, row.name))
    return pagination.respond(request, found)


@get(
    "/v1/datasets/{dataset:str}",
    summary="Get a dataset, and what its clients have delivered",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_PAGE),
)
async def get_dataset(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[DatasetWithClients]:
    """Clients by name."""
    above = decode_cursor(_CLIENTS, cursor, tuple[str])[0] if cursor else ""
    kept, rows = await service.dataset_with_clients(services, project, dataset, above, limit + 1)
    found = pagination.page(
        rows,
        limit=limit,
        item=lambda row: schemas.client(row.name, row.manifest),
        cursor=lambda row: encode_cursor(_CLIENTS, row.name),
    )
    page = DatasetWithClients(schemas.dataset(kept), found.data, found.has_more, found.next_cursor)
    return pagination.respond(request, page)


@patch(
    "/v1/datasets/{dataset:str}",
    summary="Say how deliveries of a dataset are compared",
    tags=_TAGS,
    opt=example(request={"key_fields": ["sku"]}, answer={"dataset": schemas.EXAMPLE_DATASET}),
)
async def change_dataset(
    dataset: FromPath[str],
    data: JSONBody[SettingsChange],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> DatasetAnswer:
    """Makes the dataset where there is none; its first delivery does that too."""
    return DatasetAnswer(schemas.dataset(await service.change_settings(services, project, dataset, data)))


@delete("/v1/datasets/{dataset:str}", summary="Delete a dataset", tags=_TAGS, opt=example(answer=None))
async def delete_dataset(
    dataset: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> None:
    """With all that was delivered to it."""
    await service.delete_dataset(services, project, dataset)


@get(
    "/v1/datasets/{dataset:str}/{client:str}",
    summary="See what a client has delivered",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_CLIENT),
)
async def get_client(
    dataset: FromPath[str], client: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> DatasetClient:
    found, manifest = await service.manifest(services, project, dataset, client)
    return schemas.client(found.name, manifest)


@delete(
    "/v1/datasets/{dataset:str}/{client:str}",
    summary="Delete a client of a dataset",
    tags=_TAGS,
    opt=example(answer=None),
)
async def delete_client(
    dataset: FromPath[str], client: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> None:
    """With both its deliveries."""
    await service.delete_client(services, project, dataset, client)


@put(
    "/v1/datasets/{dataset:str}/{client:str}/current",
    summary="Send a delivery",
    tags=_TAGS,
    opt=example(request=schemas.EXAMPLE_ROWS, answer=schemas.EXAMPLE_CLIENT, media_type=_NDJSON),
)
async def put_current(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    client: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    trailer: Annotated[
        bool,
        QueryParameter(description='The last line is `{"rows": 2, "sha256": "..."}` of those before it'),
    ] = False,
) -> DatasetClient:
    """NDJSON, a JSON value a line; CSV or Parquet by their Content-Type. Any size: it is stored while it comes, and
    takes the place of the delivery before when all of it is there. `Content-Encoding` may be gzip or zstd;
    `Content-Digest` (RFC 9530) or a trailer guard against a delivery that is cut short."""
    kind = request.content_type[0].lower()
    if kind not in schemas.FORMATS:
        raise NotAcceptable("send application/x-ndjson, text/csv or application/vnd.apache.parquet as Content-Type")
    if trailer and schemas.FORMATS[kind] != "ndjson":
        raise Invalid("a trailer goes with NDJSON only", field="trailer")
    incoming = Incoming(
        format=schemas.FORMATS[kind],
        encoding=encodings.request_encoding(request.headers.get("content-encoding", "").encode("latin-1")),
        content_digest=request.headers.get("content-digest"),
        has_trailer=trailer,
    )
    manifest = await service.receive(services, project, dataset, client, incoming, request.stream())
    return schemas.client(client, manifest)


@delete(
    "/v1/datasets/{dataset:str}/{client:str}/current",
    summary="Drop the current delivery",
    tags=_TAGS,
    opt=example(answer=None),
)
async def drop_current(
    dataset: FromPath[str], client: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> None:
    """The previous one stays."""
    await service.drop(services, project, dataset, client, "current")


@delete(
    "/v1/datasets/{dataset:str}/{client:str}/previous",
    summary="Drop the previous delivery",
    tags=_TAGS,
    opt=example(answer=None),
)
async def drop_previous(
    dataset: FromPath[str], client: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> None:
    """The current one stays, and is all new. For a previous one that nothing can be compared with."""
    await service.drop(services, project, dataset, client, "previous")


@get(
    "/v1/datasets/{dataset:str}/{client:str}/current",
    summary="Read the current delivery",
    tags=_TAGS,
    media_type=_NDJSON,
    opt=example(answer=schemas.EXAMPLE_ROWS),
)
async def get_current(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    client: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> Response[Any]:
    """As it was sent, from the blob store to the socket; in zstd where `Accept-Encoding` has it."""
    return await _read(request, services, project, dataset, client, "current")


@get(
    "/v1/datasets/{dataset:str}/{client:str}/previous",
    summary="Read the previous delivery",
    tags=_TAGS,
    media_type=_NDJSON,
    opt=example(answer=schemas.EXAMPLE_ROWS),
)
async def get_previous(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    client: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> Response[Any]:
    """The one that was promoted last."""
    return await _read(request, services, project, dataset, client, "previous")


async def _read(
    request: Request[Any, Any, Any], services: Services, project: int, dataset: str, client: str, which: Which
) -> Response[Any]:
    found, manifest = await service.manifest(services, project, dataset, client)
    delivery = manifest.delivery(which)
    tag = conditional.etag(bytes.fromhex(delivery.sha256))
    if conditional.matches(request.headers.get("if-none-match"), tag):
        return Response(b"", status_code=304, headers=conditional.headers(tag))
    accepted = encodings.answer_encoding(request.headers.get("accept-encoding", "").encode("latin-1"))
    is_encoded = accepted == "zstd" and delivery.format != "parquet"
    headers = {**conditional.headers(f"W/{tag}" if is_encoded else tag), "vary": "accept-encoding"}
    headers["content-type"] = schemas.MEDIA_TYPES[delivery.format]
    headers["content-length"] = str(delivery.stored_bytes if is_encoded else delivery.size_bytes)
    if is_encoded:
        headers["content-encoding"] = "zstd"
    pieces = await deliveries.read(services, found, delivery, decoded=not is_encoded)
    return Stream(while_allowed(request, pieces), headers=headers)


@get(
    "/v1/datasets/{dataset:str}/{client:str}/delta",
    summary="Compare the current delivery with the previous one",
    tags=_TAGS,
    media_type=_NDJSON,
    opt=example(answer=schemas.EXAMPLE_DELTA),
)
async def get_delta(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    client: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    format_: Annotated[Format, QueryParameter(name="format", description="How the delta is written")] = "ndjson",
    progress: Annotated[
        bool, QueryParameter(description="NDJSON begins at once, with lines that say how far the comparison is")
    ] = False,
) -> Stream:
    """A line for each row that was added, changed or removed, and a last one with the summary: without it the answer is
    not whole. Rows may come in any order; memory stays bounded. It ends when its caller leaves."""
    if progress and format_ != "ndjson":
        raise Invalid("progress goes with NDJSON only", field="progress")
    pair = await service.pair(services, project, dataset, client)
    if progress:
        pieces = comparing.follow(services, project, pair)
    else:
        pieces = await while_connected(request, comparing.begin(services, project, pair, format_))
    return Stream(while_allowed(request, pieces), headers={"content-type": schemas.MEDIA_TYPES[format_]})


@get(
    "/v1/datasets/{dataset:str}/{client:str}/delta/summary",
    summary="Count what the current delivery changes",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_SUMMARY),
)
async def get_summary(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    client: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> DeltaSummary:
    """Compared once: it is remembered until another delivery comes."""
    pair = await service.pair(services, project, dataset, client)
    found = await while_connected(request, comparing.summary_of(services, project, pair))
    return DeltaSummary(**msgspec.structs.asdict(found), confirm=comparing.confirmation(pair, found))


@get(
    "/v1/datasets/{dataset:str}/{client:str}/jobs",
    summary="See the comparisons that run",
    tags=_TAGS,
    opt=example(answer={"data": [schemas.EXAMPLE_JOB]}),
)
async def list_jobs(
    dataset: FromPath[str], client: FromPath[str], services: NamedDependency[Services], project: NamedDependency[int]
) -> ComparisonJobs:
    """Of this client's deliveries, each with how far it has come."""
    found = service.client(services, project, dataset, client)
    return ComparisonJobs([schemas.job(each) for each in comparing.running(services, project, found)])


@get(
    "/v1/datasets/{dataset:str}/{client:str}/jobs/{job_id:str}",
    summary="See how far a comparison has come",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_JOB),
)
async def get_job(
    dataset: FromPath[str],
    client: FromPath[str],
    job_id: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
) -> ComparisonJob:
    """While it runs."""
    of = service.client(services, project, dataset, client)
    for each in comparing.running(services, project, of):
        if each.id == job_id:
            return schemas.job(each)
    raise NotFound("no such comparison runs: it has ended, or was of another client")


@post(
    "/v1/datasets/{dataset:str}/{client:str}/promote",
    summary="Make the current delivery the previous one",
    tags=_TAGS,
    status_code=200,
    opt=example(answer={**schemas.EXAMPLE_CLIENT, "current": None, "previous": schemas.EXAMPLE_CLIENT["current"]}),
)
async def promote(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    client: FromPath[str],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    confirm: Annotated[
        str | None, QueryParameter(description="What 409 MASS_REMOVAL gave, for a delivery that lacks most rows")
    ] = None,
) -> DatasetClient:
    """The next delivery will be compared with it. One that lacks most rows of the one before is promoted only with
    `confirm`."""
    promoted = service.promote(services, project, dataset, client, confirm)
    return schemas.client(client, await while_connected(request, promoted))


ROUTES = [
    list_datasets,
    get_dataset,
    change_dataset,
    delete_dataset,
    get_client,
    delete_client,
    put_current,
    drop_current,
    drop_previous,
    get_current,
    get_previous,
    get_delta,
    get_summary,
    list_jobs,
    get_job,
    promote,
]
