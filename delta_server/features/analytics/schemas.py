"""Rows and events on the wire. The event family writes its names in camelCase, as its clients do."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import times
from delta_server.core.event import FLAG_NAMES
from delta_server.core.queries import Asked


class Meta(msgspec.Struct, frozen=True):
    """`source` is what was read: events (raw), counts kept along the way (rollup) or both; `rows_scanned` how many rows
    of it. `approximate` gives the relative error of each metric that is an estimate."""

    source: str
    rows_scanned: int
    approximate: dict[str, float]
    took_ms: float
    has_more: bool
    next_cursor: str | None


class Result(msgspec.Struct, frozen=True):
    """`query` is the question with what it left open."""

    rows: msgspec.Raw
    meta: Meta
    query: Asked


class Table(msgspec.Struct, frozen=True):
    data: msgspec.Raw
    meta: Meta

    @property
    def next_cursor(self) -> str | None:
        return self.meta.next_cursor


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """`originalTimestamp` is there when the sender's clock was corrected; `flags` tell what was odd about its times."""

    message_id: str
    event_type: str
    timestamp: str
    received_at: str
    source: str | None
    user_id: str | None
    anonymous_id: str | None
    session_id: str | None
    duration: float | None
    priority: int | None
    status: str | None
    tags: list[str] | None
    data: msgspec.Raw | None
    metadata: msgspec.Raw | None
    original_timestamp: str | UnsetType = UNSET
    flags: list[str] | UnsetType = UNSET


def event(columns: Sequence[str], row: Sequence[Any]) -> Event:
    """An event from a row of the event log's relation."""
    found = dict(zip(columns, row, strict=True))
    flags = found["flags"] or 0
    original_at = found["original_at"]
    return Event(
        message_id=found["message_id"],
        event_type=found["event_type"],
        timestamp=times.format(found["time_ms"]),
        received_at=times.format(found["received_at"]),
        source=found["source"],
        user_id=found["user_id"],
        anonymous_id=found["anonymous_id"],
        session_id=found["session_id"],
        duration=found["duration"],
        priority=found["priority"],
        status=found["status"],
        tags=found["tags"],
        data=_raw(found["data"]),
        metadata=_raw(found["metadata"]),
        original_timestamp=UNSET if original_at is None else times.format(original_at),
        flags=[name for bit, name in FLAG_NAMES.items() if flags & bit] or UNSET,
    )


def _raw(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())


_META = {
    "source": "both",
    "rows_scanned": 4210,
    "approximate": {"p95_duration": 0.01},
    "took_ms": 12.4,
    "has_more": False,
    "next_cursor": None,
}
EXAMPLE_QUERY = {
    "metrics": ["count", "p95_duration"],
    "groupBy": ["time:1h", "eventType", "data.plan"],
    "range": ["2026-05-01", "2026-05-02"],
    "timezone": "Europe/Paris",
    "filters": [["is", "source", ["api"]], ["gte", "duration", 100]],
    "having": [["gt", "count", 10]],
    "orderBy": [["count", "desc"]],
    "limit": 100,
    "compare": "previous",
}
_ROW = {"time": "2026-05-01T14:00:00.000+02:00", "eventType": "page_view", "count": 318, "p95_duration": 240.5}
EXAMPLE_RESULT = {
    "rows": [_ROW | {"data.plan": "pro", "previous": {"count": 290, "p95_duration": 251.0}}],
    "meta": _META,
    "query": EXAMPLE_QUERY
    | {
        "range": ["2026-05-01T00:00:00.000+02:00", "2026-05-02T00:00:00.000+02:00"],
        "cursor": None,
        "fill": None,
    },
}
EXAMPLE_TABLE = {"data": [_ROW], "meta": _META}
EXAMPLE_EVENT = {
    "messageId": "5a7c0f0e-9a44-4a52-8b0e-1d1a4c2d7f10",
    "eventType": "page_view",
    "timestamp": "2026-05-01T12:00:00.000Z",
    "receivedAt": "2026-05-01T12:00:00.350Z",
    "source": "web",
    "userId": "u-42",
    "anonymousId": None,
    "sessionId": "s-7",
    "duration": 120.5,
    "priority": 3,
    "status": "ok",
    "tags": ["docs"],
    "data": {"path": "/pricing"},
    "metadata": None,
}
EXAMPLE_EVENTS = {"data": [EXAMPLE_EVENT], "has_more": False, "next_cursor": None}
