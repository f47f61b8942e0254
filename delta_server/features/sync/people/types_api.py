"""/v1/sync/types: what happens to conflicts of a data type, and what its records are to be."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, put
from litestar.di import NamedDependency

from delta_server.core import times
from delta_server.core.caller import Caller
from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.features.sync import spaces
from delta_server.features.sync.api import whose
from delta_server.features.sync.people import types, types_schemas
from delta_server.features.sync.people.types import TypeSeen
from delta_server.features.sync.people.types_schemas import SyncType, TypeAnswer, TypeChange
from delta_server.http import pagination
from delta_server.http.docs import example
from delta_server.http.pagination import CursorText, Limit, Page
from delta_server.http.parameters import FromPath, JSONBody, QueryParameter
from delta_server.services import Services

_TAGS = ["Sync"]
_LIST = "sync types"


@get(
    "/v1/sync/types",
    summary="List data types",
    tags=_TAGS,
    opt=example(answer={"data": [types_schemas.EXAMPLE], "has_more": False, "next_cursor": None}),
)
async def list_types(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
    prefix: Annotated[str, QueryParameter(max_length=100, description="Those whose names begin so")] = "",
    limit: Limit = pagination.DEFAULT_LIMIT,
    cursor: CursorText = None,
) -> Response[Page[SyncType]]:
    """Those that were set up in the project, and those with records in the space, by name."""
    above = decode_cursor(_LIST, cursor, tuple[str])[0] if cursor else ""
    space = whose(request, caller, project)
    rows = await types.list_types(services, space, prefix, above=above, limit=limit + 1)
    found = pagination.page(rows, limit=limit, item=_type, cursor=lambda seen: encode_cursor(_LIST, seen.name))
    return pagination.respond(request, found)


@put(
    "/v1/sync/types/{data_type:str}",
    summary="Set up a data type",
    tags=_TAGS,
    opt=example(request=types_schemas.EXAMPLE_CHANGE, answer={"type": types_schemas.EXAMPLE}),
)
async def put_type(
    request: Request[Any, Any, Any],
    data_type: FromPath[str],
    data: JSONBody[TypeChange],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    project: NamedDependency[int],
) -> TypeAnswer:
    """For all spaces of the project, from now on. Records that are there already are not looked at; encrypted ones
    never are."""
    seen = await types.put_type(services, whose(request, caller, project), spaces.checked_type(data_type), data)
    return TypeAnswer(_type(seen))


def _type(seen: TypeSeen) -> SyncType:
    kept, found = seen.kept, seen.collection
    return SyncType(
        seen.name,
        kept.conflicts if kept else "last_write",
        msgspec.json.decode(kept.schema) if kept and kept.schema else None,
        times.format(kept.updated_at) if kept else None,
        found.records if found else 0,
        found.tombstones if found else 0,
        found.size_bytes if found else 0,
    )


ROUTES = [list_types, put_type]
