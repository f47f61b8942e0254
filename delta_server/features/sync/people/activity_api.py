"""/v1/sync/stats and /v1/sync/recent: how much there is of each data type, and what changed last."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.features.sync import spaces
from delta_server.features.sync.api import whose
from delta_server.features.sync.people import activity, activity_schemas
from delta_server.features.sync.people.activity_schemas import RecentChange, TypeStats
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import QueryParameter
from delta_server.services import Services

_TAGS = ["Sync"]
_STATS, _RECENT = "sync stats", "sync recent"


@get(
    "/v1/sync/stats",
    summary="Statistics of each data type",
    tags=_TAGS,
    opt=example(answer={"data": [activity_schemas.EXAMPLE_STATS], "has_more": False, "next_cursor": None}),
)
async def get_stats(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[TypeStats]]:
    """By data type: what there is, changes a day, the newest change, and who made them."""
    above = decode_cursor(_STATS, cursor, tuple[str])[0] if cursor else ""
    rows = await activity.stats(services, whose(request, caller, project), above=above, limit=limit + 1)
    found = pagination.page(
        rows,
        limit=limit,
        item=activity_schemas.stats,
        cursor=lambda each: encode_cursor(_STATS, each.collection.data_type),
    )
    return pagination.respond(request, found)


@get(
    "/v1/sync/recent",
    summary="List what changed last",
    tags=_TAGS,
    opt=example(answer={"data": [activity_schemas.EXAMPLE_RECENT], "has_more": False, "next_cursor": None}),
)
async def list_recent(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    data_type: Annotated[str | None, QueryParameter(description="Only this one")] = None,
    device_id: Annotated[
        str | None, QueryParameter(max_length=200, description="Only what this device pushed, by what it calls itself")
    ] = None,
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[RecentChange]]:
    """Changes of the last `sync.history_days`, and the newest of each record, without their contents, the newest first.
    A page may be shorter than `limit`, even empty, with more to come."""
    page = await activity.recent(
        services,
        whose(request, caller, project),
        data_type=None if data_type is None else spaces.checked_type(data_type),
        device_id=device_id,
        below=decode_cursor(_RECENT, cursor, tuple[int])[0] if cursor else None,
        limit=limit,
    )
    more = None if page.more is None else encode_cursor(_RECENT, page.more)
    return pagination.respond(request, Page(activity_schemas.recent(page), more is not None, more))


ROUTES = [get_stats, list_recent]
