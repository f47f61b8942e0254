"""/v1/snapshots/{id}/tree, /find and /records: documents that are too large to be read whole."""

from typing import Annotated, Any, TypeAlias

from litestar import Request, get
from litestar.di import NamedDependency

from delta_server.core.outline.record_search import RecordSearch
from delta_server.core.outline.rows import TreeLevel
from delta_server.core.outline.search import TextSearch
from delta_server.features.snapshots import service as snapshots
from delta_server.features.trees import schemas, service
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.parameters import FromPath, QueryParameter
from delta_server.services import Services

_TAGS = ["Snapshots"]
MOST_ROWS = 1000
Start: TypeAlias = Annotated[int, QueryParameter(ge=0, le=1 << 40, description="The first to come, from 0")]
Count: TypeAlias = Annotated[int, QueryParameter(ge=1, le=MOST_ROWS, description="How many come at most")]


@get(
    "/v1/snapshots/{snapshot_id:str}/tree",
    summary="Get one level of a snapshot's document as rows",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_TREE),
)
async def get_level(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    snapshot_id: FromPath[str],
    path: Annotated[str, QueryParameter(description="Of the value whose rows come; the document without it")] = "",
    start: Start = 0,
    count: Count = 500,
) -> TreeLevel:
    """For documents that are too large to be read whole. Rows have what changed since the version before."""
    snapshot = snapshots.get_snapshot(services, project, snapshot_id)
    return await run_in_turn(
        request,
        services,
        project,
        lambda svc: service.level(svc, project, snapshot, path, start=start, count=count),
    )


@get(
    "/v1/snapshots/{snapshot_id:str}/find",
    summary="Find a text in a snapshot's document",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_FOUND),
)
async def find(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    snapshot_id: FromPath[str],
    q: Annotated[
        str, QueryParameter(min_length=1, max_length=200, description="A part of a name or value, in any case")
    ],
    start: Start = 0,
    count: Count = 100,
) -> TextSearch:
    """In the document's order, with the paths of the places. At most 10,000 hits are counted."""
    snapshot = snapshots.get_snapshot(services, project, snapshot_id)
    return await run_in_turn(
        request, services, project, lambda svc: service.find(svc, project, snapshot, q, start=start, count=count)
    )


@get(
    "/v1/snapshots/{snapshot_id:str}/records",
    summary="Find records of a snapshot's document by key or label",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_RECORDS),
)
async def find_records(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    snapshot_id: FromPath[str],
    q: Annotated[
        str, QueryParameter(max_length=200, description="A part of its key or label, in any case; all without it")
    ] = "",
    path: Annotated[str, QueryParameter(description="Only records there, as of one array: /items")] = "",
    start: Start = 0,
    count: Count = 100,
) -> RecordSearch:
    """In the document's order, a record before those in it. At most 10,000 are counted."""
    snapshot = snapshots.get_snapshot(services, project, snapshot_id)
    return await run_in_turn(
        request,
        services,
        project,
        lambda svc: service.find_records(svc, project, snapshot, q, path, start=start, count=count),
    )


ROUTES = [get_level, find, find_records]
