"""/v1/sync/{type}/rxdb and /v1/sync/watermelon: sync for clients that people have in their apps already."""

from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream

from delta_server.core.caller import Caller
from delta_server.core.errors import BadRequest, Invalid
from delta_server.core.sync.rxdb import Rows
from delta_server.core.sync.watermelon import Migration, SentPush, Timestamp
from delta_server.features.sync import service as sync
from delta_server.features.sync.service import Wanted, Whose
from delta_server.features.sync_clients import rxdb, schemas, watermelon
from delta_server.features.sync_clients.schemas import (
    RxdbCheckpoint,
    RxdbPage,
    WatermelonChanges,
    WatermelonPull,
    WatermelonPushed,
)
from delta_server.http import body, event_streams
from delta_server.http.docs import example
from delta_server.http.event_filters import split
from delta_server.http.leaving import while_allowed
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.http.validation import invalid
from delta_server.services import Services

T = TypeVar("T")

_TAGS = ["Sync"]
_JSON = "application/json"

Primary: TypeAlias = Annotated[
    str, QueryParameter(min_length=1, max_length=100, description="The field that is the primary key")
]
Device: TypeAlias = Annotated[
    str | None, QueryParameter(min_length=1, max_length=200, description="Who asks: it is among the devices then")
]
Confirm: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=100, description="What an answer MASS_DELETE gave, to delete that many")
]
_TABLES = "The tables of the client's schema; several with commas. Without it those of the space"


def _whose(request: Request[Any, Any, Any], caller: Caller, project: int) -> Whose:
    return sync.whose(caller, project, request.headers)


@get(
    "/v1/sync/{data_type:str}/rxdb/pull",
    summary="Pull for RxDB",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_PAGE),
)
async def rxdb_pull(
    request: Request[Any, Any, Any],
    data_type: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    cursor: Annotated[str | None, QueryParameter(description="That of the checkpoint; empty at first")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=sync.MAX_PAGE, description="RxDB's batch size")] = 100,
    primary: Primary = "id",
    device_id: Device = None,
) -> RxdbPage:
    """What a pull handler returns. 410 RESYNC_REQUIRED: remove the replication (`remove()`) and start it again, which
    compares all documents."""
    asks = device_id if caller.may("sync:write") else None
    wanted = Wanted(cursor=cursor or None, limit=limit, device_id=asks)
    found = await rxdb.pull(services, _whose(request, caller, project), sync.checked_type(data_type), primary, wanted)
    return RxdbPage(found[0], RxdbCheckpoint(found[1]))


@post(
    "/v1/sync/{data_type:str}/rxdb/push",
    summary="Push for RxDB",
    tags=_TAGS,
    status_code=200,
    responses={200: ResponseSpec(list[msgspec.Raw], generate_examples=False)},
    opt=example(request=schemas.EXAMPLE_ROWS, answer=[], media_type=_JSON),
)
async def rxdb_push(
    request: Request[Any, Any, Any],
    data_type: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    primary: Primary = "id",
    device_id: Device = None,
    confirm: Confirm = None,
) -> list[msgspec.Raw]:
    """Up to 1,000 rows of a push handler, each on the state that it assumes. The answer has the documents that conflict
    as they are here; a deleted one is its id and `_deleted`."""
    asked = rxdb.AskedPush(sync.checked_type(data_type), primary, device_id, confirm)
    sent = await body.document(request)
    try:
        return await rxdb.push(services, _whose(request, caller, project), asked, sent)
    except msgspec.ValidationError as error:
        raise invalid(error, Rows) from None


@get(
    "/v1/sync/{data_type:str}/rxdb/stream",
    summary="Hear for RxDB that there is something to pull",
    tags=_TAGS,
    opt=example(answer=schemas.EXAMPLE_RESYNC, media_type="text/event-stream"),
    media_type="text/event-stream",
)
async def rxdb_stream(
    request: Request[Any, Any, Any],
    data_type: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> Stream:
    """For `stream$`: each event is "RESYNC", upon which RxDB pulls. Documents are never sent here: one that is late
    would move a client back."""
    services.live.check_room(project)
    client = event_streams.client_of(request)
    pieces = sync.follow(
        services,
        _whose(request, caller, project),
        sync.parse_last_id(request.headers.get("last-event-id", "")),
        is_allowed=client.is_allowed,
        abort=client.abort,
        data_type=sync.checked_type(data_type),
        render=lambda _type, _version: rxdb.RESYNC,
    )
    return event_streams.answer(pieces)


@get(
    "/v1/sync/watermelon/pull",
    summary="Pull for WatermelonDB",
    tags=_TAGS,
    media_type=_JSON,
    responses={200: ResponseSpec(WatermelonChanges, generate_examples=False)},
    opt=example(answer=schemas.EXAMPLE_CHANGES),
)
async def watermelon_pull(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    last_pulled_at: Annotated[
        str | None, QueryParameter(description="lastPulledAt; absent, empty or `null` at first")
    ] = None,
    schema_version: Annotated[str | None, QueryParameter(description="Taken and not looked at")] = None,
    migration: Annotated[
        str | None,
        QueryParameter(description="As pullChanges gets it, in JSON: what is new"),
    ] = None,
    tables: Annotated[list[str] | None, QueryParameter(description=_TABLES)] = None,
) -> Stream:
    """What pullChanges returns. Rows are `updated` only, also new ones. A client that was away for too long, or from
    before a backup was restored, gets all there is with `experimentalStrategy` replacement."""
    last = _of_query(last_pulled_at, Timestamp, "last_pulled_at")
    new = _of_query(migration, Migration, "migration")
    names = None if tables is None else split(tables)
    return await _pulled(request, services, _whose(request, caller, project), last, new, names)


def _of_query(text: str | None, kind: type[T], name: str) -> T | None:
    """What a parameter says in JSON. Raises Invalid."""
    if not text or text == "null":
        return None
    try:
        return body.decode(text.encode(errors="surrogatepass"), kind, name)
    except (BadRequest, Invalid) as error:
        raise Invalid(error.message, field=name) from None


@post(
    "/v1/sync/watermelon/pull",
    summary="Pull for WatermelonDB, with what pullChanges is handed",
    tags=_TAGS,
    status_code=200,
    media_type=_JSON,
    responses={200: ResponseSpec(WatermelonChanges, generate_examples=False)},
    opt=example(request=schemas.EXAMPLE_PULL, answer=schemas.EXAMPLE_CHANGES),
)
async def watermelon_pull_by_post(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    data: JSONBody[WatermelonPull | None] = None,
) -> Stream:
    """As GET."""
    asked = data or WatermelonPull()
    of = _whose(request, caller, project)
    return await _pulled(request, services, of, asked.last_pulled_at, asked.migration, asked.tables)


async def _pulled(
    request: Request[Any, Any, Any],
    services: Services,
    of: Whose,
    last: int | None,
    migration: Migration | None,
    tables: list[str] | None,
) -> Stream:
    names = None if tables is None else list(dict.fromkeys(sync.checked_type(name) for name in tables))
    if names is not None and len(names) > schemas.MAX_TABLES:
        raise Invalid(f"at most {schemas.MAX_TABLES} tables", field="tables")
    pull = await watermelon.begin(services, of, watermelon.AskedPull(last, migration, names))
    return Stream(while_allowed(request, watermelon.pieces(services, pull)), media_type=_JSON)


@post(
    "/v1/sync/watermelon/push",
    summary="Push for WatermelonDB",
    tags=_TAGS,
    status_code=200,
    responses={200: ResponseSpec(WatermelonPushed, generate_examples=False)},
    opt=example(request=schemas.EXAMPLE_PUSH, answer={"rows": 2}, media_type=_JSON),
)
async def watermelon_push(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    device_id: Device = None,
    confirm: Confirm = None,
) -> WatermelonPushed:
    """What pushChanges is handed, all of it or nothing. 409: rows have changed since lastPulledAt; synchronize again.
    Of an updated row the columns in `_changed` are taken, so that what a client's schema lacks stays."""
    sent = await body.document(request)
    of = _whose(request, caller, project)
    try:
        return WatermelonPushed(await watermelon.push(services, of, sent, device_id=device_id, confirm=confirm))
    except msgspec.ValidationError as error:
        raise invalid(error, SentPush) from None


ROUTES = [rxdb_pull, rxdb_push, rxdb_stream, watermelon_pull, watermelon_pull_by_post, watermelon_push]
