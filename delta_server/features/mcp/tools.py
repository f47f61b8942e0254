"""What programs that speak MCP may do: read. Each tool asks for the scope that the route of the same answer needs."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from delta_server.core import ids, times
from delta_server.core.errors import TooLarge
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.core.query.aggregates import AggregateRequest
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.history import service as history
from delta_server.features.queries import service as queries
from delta_server.features.snapshots import service as snapshots
from delta_server.services import Services

MOST_BYTES = 256 << 10
"""Of an answer: whoever reads it reads all of it."""
_PAGE = 100


class Tool(msgspec.Struct, frozen=True):
    """`run` returns JSON."""

    name: str
    scope: str
    title: str
    description: str
    arguments: type[Any]
    run: Callable[[Services, int, Any], Awaitable[bytes]]


class ListEndpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    prefix: str = ""
    after: str | None = None


class GetDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    endpoint: str
    time: str | None = None
    path: str = ""


class WhatChanged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    endpoint: str
    from_time: str
    to_time: str | None = None


class FieldHistory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    endpoint: str
    path: str
    from_time: str | None = None
    to_time: str | None = None
    limit: int = _PAGE


class QueryEvents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    metrics: list[str] = msgspec.field(default_factory=lambda: ["count"])
    group_by: list[str] = []
    range: str | list[str] = "7d"
    filters: list[list[Any]] = []
    limit: int = _PAGE


async def _list_endpoints(svc: Services, project: int, wanted: ListEndpoints) -> bytes:
    found = await svc.db.read(endpoints.page, project, prefix=wanted.prefix, after=wanted.after, limit=_PAGE + 1)
    rows = [
        {
            "name": one.endpoint.name,
            "description": one.endpoint.description,
            "last_captured_at": _time(one.last_captured_at),
        }
        for one in found[:_PAGE]
    ]
    after = found[_PAGE - 1].endpoint.name if len(found) > _PAGE else None
    return msgspec.json.encode({"endpoints": rows, "after": after})


async def _get_document(svc: Services, project: int, wanted: GetDocument) -> bytes:
    at = times.LATEST_MS
    if wanted.time is not None:
        at = times.parse_moment(wanted.time, field="time", now_ms=svc.clock.now_ms())
    snapshot = snapshots.snapshot_at(svc, project, endpoints.resolve(svc, project, wanted.endpoint), at)
    if wanted.path:
        body = (await snapshots.value_at(svc, snapshot, wanted.path)).raw
    else:
        body = await snapshots.read_document(svc, snapshot)
    head = {"snapshot_id": ids.text(snapshot.uid), "captured_at": times.format(snapshot.captured_at)}
    return msgspec.json.encode({**head, "document": msgspec.Raw(body)})


async def _what_changed(svc: Services, project: int, wanted: WhatChanged) -> bytes:
    endpoint = endpoints.resolve(svc, project, wanted.endpoint)
    asked = deltas.Comparison(from_time=wanted.from_time, to_time=wanted.to_time, format="changes")
    return msgspec.json.encode(await deltas.compare(svc, project, asked, endpoint))


async def _field_history(svc: Services, project: int, wanted: FieldHistory) -> bytes:
    now_ms = svc.clock.now_ms()
    first, last = (
        None if text is None else times.parse_moment(text, field=field, now_ms=now_ms)
        for text, field in ((wanted.from_time, "from_time"), (wanted.to_time, "to_time"))
    )
    span = TimelineSpan(
        times.EARLIEST_MS if first is None else first, times.LATEST_MS + 1 if last is None else last, descending=True
    )
    endpoint = endpoints.resolve(svc, project, wanted.endpoint)
    page = await history.get_history(svc, endpoint, wanted.path, span, limit=min(max(wanted.limit, 1), 1000))
    return msgspec.json.encode({"path": wanted.path, "changes": page.changes, "has_more": page.next is not None})


async def _query_events(svc: Services, project: int, wanted: QueryEvents) -> bytes:
    asked = AggregateRequest(
        metrics=wanted.metrics,
        group_by=wanted.group_by,
        range=wanted.range,
        filters=wanted.filters,
        limit=min(max(wanted.limit, 1), 1000),
    )
    here = queries.position_of(svc, None)
    query = await queries.parse(svc, asked, here, size_bytes=len(msgspec.json.encode(wanted)))
    found = await queries.run_query(svc, project, query, None)
    return msgspec.json.encode({"rows": msgspec.Raw(found.rows), "estimated": found.approximate})


def _time(at: int | None) -> str | None:
    return None if at is None else times.format(at)


_WHEN = "A time such as 2026-05-01T12:00:00Z, a date, or an age such as 24h."
TOOLS = [
    Tool(
        "list_endpoints",
        "endpoints:read",
        "List endpoints",
        "The endpoints of the project: documents whose history is kept, by name. `prefix` narrows them; `after` of an "
        "answer asks for the next ones.",
        ListEndpoints,
        _list_endpoints,
    ),
    Tool(
        "get_document",
        "snapshots:read",
        "Get a document as of a time",
        f"The document of an endpoint (its name or id), the newest or as of `time`. {_WHEN} `path` asks for one value "
        "of a large one: a JSON Pointer such as /items/0/price, or with a key for an index: /items/sku=A7/price.",
        GetDocument,
        _get_document,
    ),
    Tool(
        "what_changed",
        "snapshots:read",
        "What changed between two times",
        f"What differs between an endpoint's document as of `from_time` and as of `to_time` (now without it). {_WHEN}",
        WhatChanged,
        _what_changed,
    ),
    Tool(
        "field_history",
        "snapshots:read",
        "Get every value a field had",
        f"The values at `path` of an endpoint's documents along time, the newest first. {_WHEN}",
        FieldHistory,
        _field_history,
    ),
    Tool(
        "query_events",
        "events:read",
        "Query events",
        "Metrics of events by groups: metrics such as count, unique_users, avg_duration, p95_data.price; `group_by` "
        "fields such as eventType, source, data.plan, or time:1d; `range` an age such as 7d or two times; `filters` "
        'such as ["is", "source", ["api"]], ["gte", "duration", 100].',
        QueryEvents,
        _query_events,
    ),
]
BY_NAME = {tool.name: tool for tool in TOOLS}


async def call(svc: Services, project: int, tool: Tool, arguments: dict[str, Any]) -> str:
    """Its answer as JSON. Raises ValidationError for the arguments, and DeltaError."""
    wanted = msgspec.convert(arguments, tool.arguments)
    answer = await tool.run(svc, project, wanted)
    if len(answer) > MOST_BYTES:
        raise TooLarge(
            f"the answer has {len(answer):,} bytes, more than {MOST_BYTES:,}: ask for a part, by path, range or limit"
        )
    return answer.decode()


def described(tool: Tool) -> dict[str, Any]:
    """As tools/list has it."""
    (schema,), parts = msgspec.json.schema_components([tool.arguments])
    shape = parts[tool.arguments.__name__] if "$ref" in schema else schema
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": {name: value for name, value in shape.items() if name != "title"},
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    }
