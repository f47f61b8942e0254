"""Rows and events on the wire. The event family writes its names in camelCase, as its clients do."""

import msgspec

from delta_server.core.query.aggregates import Asked


class Meta(msgspec.Struct, frozen=True):
    """`source` is what was read: events (raw), counts kept along the way (rollup) or both; `rows_scanned` how many rows
    of it. `approximate` gives the relative error of each metric that is an estimate. `complete_from` and `complete_to`
    say from when on, and up to when, each metric (`previous.count` of the range before) counts all that happened, where
    that is not the whole range: retention has let go of the rest. `merges_pending`: ids were found to be one user's
    that some of the counts know as two still; the background corrects that within minutes."""

    source: str
    rows_scanned: int
    approximate: dict[str, float]
    complete_from: dict[str, str]
    complete_to: dict[str, str]
    merges_pending: bool
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


_META = {
    "source": "both",
    "rows_scanned": 4210,
    "approximate": {"p95_duration": 0.01},
    "complete_from": {},
    "complete_to": {},
    "merges_pending": False,
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
        "weekStart": "monday",
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
