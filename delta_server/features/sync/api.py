"""/v1/sync: devices push what they changed, and pull what others did."""

from typing import Annotated, Any, TypeAlias

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream

from delta_server.core.caller import Caller
from delta_server.core.sync import changes
from delta_server.features.sync import news, page_texts, pulling, pushing, schemas, spaces
from delta_server.features.sync.pulling import View, Wanted
from delta_server.features.sync.schemas import PullPage, PushAnswer, SyncConfig
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.uploads import upload_schemas
from delta_server.http import body, event_streams
from delta_server.http.docs import example
from delta_server.http.parameters import FromPath, QueryParameter
from delta_server.services import Services

_TAGS = ["Sync"]
_JSON = "application/json"
_PAGE = {200: ResponseSpec(PullPage, generate_examples=False)}

CursorOf: TypeAlias = Annotated[str | None, QueryParameter(description="next_cursor of the page before, or kept")]
Since: TypeAlias = Annotated[
    str | None, QueryParameter(description="Instead of a cursor: what changed from this time on; second best")
]
PageLimit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=pulling.MAX_PAGE, description="How many records at most")]
Offset: TypeAlias = Annotated[int, QueryParameter(ge=0, description="With `since`: so many records are skipped")]
OwnDevice: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        max_length=200, description="Who asks: the cursor it brings is remembered as how far it is, with sync:write"
    ),
]
Excluded: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=200, description="Changes that this device pushed are left out")
]


def whose(request: Request[Any, Any, Any], caller: Caller, project: int) -> Whose:
    return spaces.whose(caller, project, request.headers)


async def _pulled(svc: Services, of: Whose, data_type: str, wanted: Wanted) -> Response[bytes]:
    return Response(await page_texts.pull_text(svc, of, spaces.checked_type(data_type), wanted), media_type=_JSON)


@post(
    "/v1/sync/{data_type:str}/delta",
    summary="Push changes",
    tags=_TAGS,
    status_code=200,
    responses={200: ResponseSpec(PushAnswer, generate_examples=False)},
    opt=example(request=schemas.EXAMPLE_PUSH, answer=schemas.EXAMPLE_PUSHED, media_type=_JSON),
)
async def push(
    request: Request[Any, Any, Any],
    data_type: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> PushAnswer:
    """1 to 1,000 changes of a device, all or none unless `mode` is `per_record`. The same batch again is answered the
    same, and a change that came before, in whatever batch, is a duplicate."""
    sent = await body.document(request)
    return await pushing.push(services, whose(request, caller, project), spaces.checked_type(data_type), sent)


@get(
    "/v1/sync/{data_type:str}/delta",
    summary="Pull changes",
    tags=_TAGS,
    responses=_PAGE,
    opt=example(answer=schemas.EXAMPLE_PAGE, media_type=_JSON),
)
async def pull(
    request: Request[Any, Any, Any],
    data_type: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    cursor: CursorOf = None,
    since: Since = None,
    limit: PageLimit = 1000,
    offset: Offset = 0,
    exclude_device: Excluded = None,
    device_id: OwnDevice = None,
    view: Annotated[
        View | None,
        QueryParameter(description="`ordered`: one list; `split`: `changes` and `deleted`, as with `since`"),
    ] = None,
) -> Response[bytes]:
    """Records that changed after the cursor, each once with its newest version, in the order of the changes; without a
    cursor all records. Keep `next_cursor` once the page is stored. 410 RESYNC_REQUIRED: pull without a cursor and drop
    what is not in it."""
    wanted = Wanted(
        cursor=cursor,
        since=since,
        limit=limit,
        offset=offset,
        exclude_device=exclude_device,
        device_id=device_id if caller.may("sync:write") else None,
        view=view,
    )
    return await _pulled(services, whose(request, caller, project), data_type, wanted)


@get(
    "/v1/sync/{data_type:str}/deleted",
    summary="List what was deleted",
    tags=_TAGS,
    responses=_PAGE,
    opt=example(
        answer={**schemas.EXAMPLE_PAGE, "changes": [], "counts": {"upserts": 0, "deletions": 0}}, media_type=_JSON
    ),
)
async def list_deleted(
    request: Request[Any, Any, Any],
    data_type: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    cursor: CursorOf = None,
    since: Since = None,
    limit: PageLimit = 1000,
    offset: Offset = 0,
) -> Response[bytes]:
    """The deletions alone, as long as they are remembered (`sync.tombstone_days`), with cursors of their own."""
    wanted = Wanted(cursor=cursor, since=since, limit=limit, offset=offset, deletions_only=True)
    return await _pulled(services, whose(request, caller, project), data_type, wanted)


@get(
    "/v1/sync/config",
    summary="What a device may do",
    tags=_TAGS,
    sync_to_thread=False,
    opt=example(answer=schemas.EXAMPLE_CONFIG),
)
def get_config(services: NamedDependency[Services], project: NamedDependency[int]) -> SyncConfig:
    options = services.config.sync
    return SyncConfig(
        max_changes=changes.MAX_CHANGES,
        max_batch_bytes=changes.MAX_BYTES,
        max_page=pulling.MAX_PAGE,
        record_bytes=options.record_bytes,
        pushes_per_minute=options.pushes_per_minute,
        pulls_per_minute=options.pulls_per_minute,
        records=options.records,
        bytes=options.space_bytes,
        devices=options.devices,
        types=options.types,
        tombstone_days=options.tombstone_days,
        history_days=options.history_days,
        upload_days=options.upload_days,
        max_part_lines=upload_schemas.MOST_LINES,
        max_part_bytes=upload_schemas.MOST_BYTES,
    )


@get(
    "/v1/sync/stream",
    summary="Hear that there is something to pull, as server-sent events",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_NEWS, media_type="text/event-stream"),
    media_type="text/event-stream",
)
async def stream(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    data_type: Annotated[str | None, QueryParameter(description="Only this one")] = None,
) -> Stream:
    """`event: news` says that a data type has changes up to `version`: pull when that is above the `until` of the last
    pull. At first of all data types, then of those that change; a client that comes back with Last-Event-ID hears
    what it missed. `event: end` says that the key is no longer valid."""
    services.live.check_room(project)
    of = None if data_type is None else spaces.checked_type(data_type)
    heard = news.parse_last_id(request.headers.get("last-event-id", ""))
    client = event_streams.client_of(request)
    pieces = news.follow(
        services,
        whose(request, caller, project),
        heard,
        is_allowed=client.is_allowed,
        abort=client.abort,
        data_type=of,
    )
    return event_streams.answer(pieces)


ROUTES = [push, pull, list_deleted, get_config, stream]
