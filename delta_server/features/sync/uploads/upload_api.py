"""/v1/sync/upload: all that a device has, in parts, visible all at once."""

from typing import Annotated, Any, TypeAlias

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.errors import NotAcceptable
from delta_server.features.sync import spaces
from delta_server.features.sync.api import whose
from delta_server.features.sync.uploads import receiving, upload_schemas
from delta_server.features.sync.uploads.receiving import Ref, Sent
from delta_server.features.sync.uploads.store import Upload
from delta_server.features.sync.uploads.upload_schemas import SyncUpload, UploadResult
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import QueryParameter
from delta_server.services import Services

_TAGS = ["Sync"]
_LIST = "sync upload"
_NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_FIRST_CONFLICTS = 100

DeviceId: TypeAlias = Annotated[str, QueryParameter(min_length=1, max_length=200, description="The device's own id")]
UploadId: TypeAlias = Annotated[
    str, QueryParameter(min_length=1, max_length=200, description="What the device calls the upload")
]


@post(
    "/v1/sync/upload",
    summary="Upload all records",
    tags=_TAGS,
    status_code=200,
    responses={200: ResponseSpec(SyncUpload, generate_examples=False)},
    opt=example(request=upload_schemas.EXAMPLE_LINES, answer=upload_schemas.EXAMPLE, media_type=_NDJSON[0]),
)
async def upload(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    device_id: DeviceId,
    upload_id: UploadId,
    offset: Annotated[int, QueryParameter(ge=0, le=1 << 40, description="How many lines came in parts before")] = 0,
    complete: Annotated[bool, QueryParameter(description="These lines are the last ones: show all of them")] = False,
    confirm: Annotated[
        str | None, QueryParameter(max_length=100, description="What an answer MASS_DELETE gave, to delete that many")
    ] = None,
) -> SyncUpload:
    """NDJSON, a record a line. A part that is answered is on disk; 409 tells with `lines` where to go on. With
    `complete` all lines become visible at once, or none: ask again when `state` is `committing`."""
    of = whose(request, caller, project)
    spaces.count_push(services, of)
    if request.content_type[0].lower() not in _NDJSON:
        raise NotAcceptable("send a record a line, with Content-Type: application/x-ndjson")
    body = await request.body()
    now_ms, limit_bytes = services.clock.now_ms(), services.config.sync.record_bytes
    lines = await services.cpu_beside(len(body))(upload_schemas.lines, body, offset, now_ms, limit_bytes)
    sent = Sent(offset=offset, lines=lines, is_complete=complete, confirm=confirm)
    return await _shown(services, await receiving.receive(services, of, Ref(device_id, upload_id), sent))


@get(
    "/v1/sync/upload",
    summary="See how far an upload is",
    tags=_TAGS,
    opt=example(answer=upload_schemas.EXAMPLE),
)
async def get_upload(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    device_id: DeviceId,
    upload_id: UploadId,
) -> SyncUpload:
    """`lines` is where to go on."""
    of = whose(request, caller, project)
    spaces.count_pull(services, of)
    return await _shown(services, receiving.find(services, of, Ref(device_id, upload_id)))


async def _shown(services: Services, found: Upload) -> SyncUpload:
    conflicts = []
    if found.state == "done" and found.conflict:
        rows, _ = await receiving.results(services, found, 0, _FIRST_CONFLICTS, conflicts_only=True)
        conflicts = [upload_schemas.result(line, result) for line, result in rows]
    return upload_schemas.shown(found, conflicts)


@get(
    "/v1/sync/upload/results",
    summary="List what became of an upload's lines",
    tags=_TAGS,
    opt=example(answer={"data": [upload_schemas.EXAMPLE_RESULT], "has_more": False, "next_cursor": None}),
)
async def list_results(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    device_id: DeviceId,
    upload_id: UploadId,
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
    conflicts_only: Annotated[bool, QueryParameter(description="Those alone that conflict")] = False,
) -> Response[Page[UploadResult]]:
    """In the order of the lines, once it is done; a page may be shorter than `limit`, even empty, with more to come."""
    of = whose(request, caller, project)
    spaces.count_pull(services, of)
    line = decode_cursor(_LIST, cursor, tuple[int])[0] if cursor else 0
    found = receiving.find(services, of, Ref(device_id, upload_id))
    rows, more = await receiving.results(services, found, line, limit, conflicts_only=conflicts_only)
    page = Page(
        [upload_schemas.result(line, result) for line, result in rows],
        more is not None,
        None if more is None else encode_cursor(_LIST, more),
    )
    return pagination.respond(request, page)


@delete("/v1/sync/upload", summary="Drop an upload", tags=_TAGS, opt=example(answer=None))
async def drop_upload(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    device_id: DeviceId,
    upload_id: UploadId,
) -> None:
    """Its lines are gone, unless they are visible already."""
    await receiving.drop(services, whose(request, caller, project), Ref(device_id, upload_id))


ROUTES = [upload, get_upload, list_results, drop_upload]
