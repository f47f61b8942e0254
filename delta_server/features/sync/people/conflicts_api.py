"""/v1/sync/conflicts: what devices disagree about, and the choice."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from delta_server.core import ids, times
from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.sync.merging import Merge
from delta_server.features.sync import schemas
from delta_server.features.sync.api import whose
from delta_server.features.sync.people import conflicts, conflicts_schemas
from delta_server.features.sync.people.conflicts import Found, Pair
from delta_server.features.sync.people.conflicts_schemas import Chosen, SyncConflict
from delta_server.http import body, pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Page
from delta_server.http.parameters import FromPath, QueryParameter
from delta_server.services import Services

_TAGS = ["Sync"]
_LIST = "sync conflicts"


@get(
    "/v1/sync/conflicts",
    summary="List conflicts that wait for a choice",
    tags=_TAGS,
    responses={200: ResponseSpec(Page[SyncConflict], generate_examples=False)},
    opt=example(answer={"data": [conflicts_schemas.EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_conflicts(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    type: Annotated[str | None, QueryParameter(description="Of this data type alone")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="How many at most")] = 20,
    cursor: CursorText = None,
) -> Response[Page[SyncConflict]]:
    """Of data types with `conflicts` = `manual`, the oldest first, with a proposal where the sides touched different
    fields. A page may be shorter than `limit`, with more to come."""
    above = decode_cursor(_LIST, cursor, tuple[int])[0] if cursor else 0
    space = whose(request, caller, project)
    found, merges = await conflicts.list_conflicts(services, space, type, above=above, limit=limit)
    data = [_conflict(pair, merge, found) for pair, merge in zip(found.pairs, merges, strict=True)]
    more = None if found.next is None else encode_cursor(_LIST, found.next)
    return pagination.respond(request, Page(data, more is not None, more))


@post(
    "/v1/sync/conflicts/{conflict_id:str}",
    summary="Choose",
    tags=_TAGS,
    status_code=200,
    opt=example(
        request=conflicts_schemas.EXAMPLE_CHOICE,
        answer=conflicts_schemas.EXAMPLE_CHOSEN,
        media_type="application/json",
    ),
)
async def choose(
    request: Request[Any, Any, Any],
    conflict_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> Chosen:
    """What is chosen becomes a new version, which all devices pull. 409, with the record as it is now, when that is not
    `server_version` any more."""
    choice = conflicts_schemas.choice(await body.document(request))
    return Chosen(await conflicts.choose(services, whose(request, caller, project), conflict_id, choice))


def _conflict(pair: Pair, merge: Merge | None, found: Found) -> SyncConflict:
    conflict = pair.conflict
    base, server = (
        None if version is None else schemas.record(version, found.device_ids) for version in (pair.base, pair.server)
    )
    if pair.buried is not None:
        server = schemas.Record(conflict.record_id, "delete", pair.buried, msgspec.UNSET)
    return SyncConflict(
        ids.text(conflict.uid),
        pair.data_type,
        conflict.record_id,
        found.device_ids.get(conflict.device),
        times.format(conflict.created_at),
        base,
        server,
        schemas.record(conflicts.pushed(conflict), found.device_ids),
        None if merge is None else conflicts_schemas.proposal(merge),
    )


ROUTES = [list_conflicts, choose]
