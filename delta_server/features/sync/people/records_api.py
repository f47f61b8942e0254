"""/v1/sync/{data_type}/records and /v1/sync/spaces: what is there, what was, and putting it back."""

from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core import times
from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.sync.judging import DELETED
from delta_server.features.deltas.service import Compared
from delta_server.features.sync import schemas, spaces
from delta_server.features.sync.api import whose
from delta_server.features.sync.people import records, records_schemas
from delta_server.features.sync.people.records import SpaceSeen, Versions
from delta_server.features.sync.people.records_schemas import RecordComparison, RecordRestore, Restored, SyncSpace
from delta_server.features.sync.schemas import EXAMPLE_RECORD, Record
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.leaving import run_in_turn
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services

_TAGS = ["Sync"]
_LIST, _DELETED, _HISTORY, _SPACES = "sync records", "sync deleted records", "sync history", "sync spaces"
_RECORDS = {200: ResponseSpec(Page[Record], generate_examples=False)}
_EXAMPLE = {"data": [EXAMPLE_RECORD], "has_more": False, "next_cursor": None}


Content: TypeAlias = Annotated[
    bool, QueryParameter(description="false: without `data` and `encrypted`, with `bytes` and `kind` in their place")
]


@get(
    "/v1/sync/{data_type:str}/records",
    summary="List records",
    tags=_TAGS,
    responses=_RECORDS,
    opt=example(answer=_EXAMPLE),
)
async def list_records(
    request: Request[Any, Any, Any],
    data_type: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    prefix: Annotated[str, QueryParameter(max_length=256, description="Those whose ids begin so")] = "",
    deleted: Annotated[
        bool, QueryParameter(description="The deleted ones instead, the newest deletion first, without their contents")
    ] = False,
    content: Content = True,
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[Record]]:
    """By id. A page may be shorter than `limit`, even empty, with more to come."""
    space, of = whose(request, caller, project), spaces.checked_type(data_type)
    if deleted:
        before = decode_cursor(_DELETED, cursor, tuple[int])[0] if cursor else 1 << 62
        page = await records.list_deleted(services, space, of, prefix, before=before, limit=limit)
        more = None if page.last is None else encode_cursor(_DELETED, page.last.seq)
        return pagination.respond(request, _records(page, more, content=content))
    above = decode_cursor(_LIST, cursor, tuple[str])[0] if cursor else ""
    page = await records.list_records(services, space, of, prefix, above=above, limit=limit, content=content)
    living = msgspec.structs.replace(page, found=[each for each in page.found if each.change.kind != DELETED])
    more = None if page.last is None else encode_cursor(_LIST, page.last.record_id)
    return pagination.respond(request, _records(living, more, content=content))


def _records(page: Versions, more: str | None, *, content: bool) -> Page[Record]:
    shown = [
        schemas.record(each.change, page.device_ids)
        if content
        else schemas.without_content(each.change, each.size_bytes, page.device_ids)
        for each in page.found
    ]
    return Page(shown, more is not None, more)


@get(
    "/v1/sync/{data_type:str}/records/{record_id:str}",
    summary="Read a record",
    tags=_TAGS,
    responses={200: ResponseSpec(Record, generate_examples=False)},
    opt=example(answer=EXAMPLE_RECORD),
)
async def read_record(
    request: Request[Any, Any, Any],
    data_type: FromPath[str],
    record_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    version: Annotated[int | None, QueryParameter(ge=1, le=1 << 62, description="One of its history")] = None,
) -> Record:
    """Its newest version, or the one asked for; of one that was deleted the deletion, as long as it is remembered."""
    space = whose(request, caller, project)
    page = await records.record(services, space, spaces.checked_type(data_type), record_id, version)
    return schemas.record(page.found[0].change, page.device_ids)


@get(
    "/v1/sync/{data_type:str}/records/{record_id:str}/history",
    summary="List the versions of a record",
    tags=_TAGS,
    responses=_RECORDS,
    opt=example(answer=_EXAMPLE),
)
async def read_history(
    request: Request[Any, Any, Any],
    data_type: FromPath[str],
    record_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    content: Content = True,
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[Record]]:
    """The newest first, back for `sync.history_days`. A page may be shorter than `limit`, with more to come."""
    below = decode_cursor(_HISTORY, cursor, tuple[int])[0] if cursor else None
    space, of = whose(request, caller, project), spaces.checked_type(data_type)
    page = await records.history(services, space, of, record_id, below=below, limit=limit, content=content)
    more = None if page.last is None else encode_cursor(_HISTORY, page.last.seq)
    return pagination.respond(request, _records(page, more, content=content))


@post(
    "/v1/sync/{data_type:str}/records/{record_id:str}/compare",
    summary="Compare two versions of a record",
    tags=_TAGS,
    status_code=200,
    opt=example(request=records_schemas.EXAMPLE_COMPARISON, answer=records_schemas.EXAMPLE_COMPARED),
)
async def compare_versions(
    request: Request[Any, Any, Any],
    data_type: FromPath[str],
    record_id: FromPath[str],
    data: JSONBody[RecordComparison],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> Compared:
    """Any two of its history, as snapshots are compared, without settings. Encrypted ones cannot be."""
    space, of = whose(request, caller, project), spaces.checked_type(data_type)
    versions, wanted = (data.from_version, data.to_version), (data.format, data)
    return await run_in_turn(
        request, services, project, lambda svc: records.compare(svc, space, of, record_id, versions, wanted)
    )


@post(
    "/v1/sync/{data_type:str}/records/{record_id:str}/restore",
    summary="Restore a version of a record",
    tags=_TAGS,
    status_code=200,
    opt=example(request={"version": 3}, answer={"version": 5}),
)
async def restore_record(
    request: Request[Any, Any, Any],
    data_type: FromPath[str],
    record_id: FromPath[str],
    data: JSONBody[RecordRestore],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> Restored:
    """As a new change, which all devices pull; a deleted record comes back."""
    space, of = whose(request, caller, project), spaces.checked_type(data_type)
    return Restored(await records.restore(services, space, of, record_id, data.version))


@get(
    "/v1/sync/spaces",
    summary="List spaces",
    tags=_TAGS,
    opt=example(answer={"data": [records_schemas.EXAMPLE_SPACE], "has_more": False, "next_cursor": None}),
)
async def list_spaces(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    project: NamedDependency[int],
    q: Annotated[str, QueryParameter(max_length=200, description="Those whose owners have this in them")] = "",
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[SyncSpace]]:
    """All of the project, those that changed last first."""
    before = decode_cursor(_SPACES, cursor, tuple[int, int]) if cursor else (1 << 62, 0)
    rows = await records.list_spaces(services, project, q, before=before, limit=limit + 1)
    found = pagination.page(
        rows,
        limit=limit,
        item=_space,
        cursor=lambda seen: encode_cursor(_SPACES, seen.row.changed_at, seen.row.id),
    )
    return pagination.respond(request, found)


def _space(seen: SpaceSeen) -> SyncSpace:
    row = seen.row
    return SyncSpace(
        row.owner,
        row.seq,
        row.records,
        row.size_bytes,
        seen.devices,
        seen.conflicts,
        times.format(row.changed_at),
        times.format(row.created_at),
    )


ROUTES = [list_records, read_record, read_history, compare_versions, restore_record, list_spaces]
