"""Rows and events on the wire. The event family writes its names in camelCase, as its clients do."""

import msgspec

from delta_server.core.query.aggregates import AggregateRequest


class Meta(msgspec.Struct, frozen=True):
    """`source` is what was read: events (raw), counts kept along the way (rollup) or both; `rows_scanned` how many rows
    of it. `approximate` gives the relative error of each metric that is an estimate. `complete_from` and `complete_to`
    say from when on, and up to when, each metric (`previous.count` of the range before) counts all that happened, where
    that is not the whole range: retention has deleted the rest. `merges_pending`: ids were found to be one user's
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
    query: AggregateRequest


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


FIELDS = {
    "EventJson.messageId": "Id by which a repeated event is recognised",
    "EventJson.eventType": "What happened",
    "EventJson.timestamp": "When it happened",
    "EventJson.receivedAt": "When the server received it",
    "EventJson.source": "Where it came from",
    "EventJson.userId": "Who did it",
    "EventJson.anonymousId": "Who did it, before they signed in",
    "EventJson.sessionId": "The session it belongs to",
    "EventJson.duration": "How long it took, in the sender's unit",
    "EventJson.priority": "Its priority",
    "EventJson.status": "Its status",
    "EventJson.tags": "Its tags",
    "EventJson.data": "What its sender said about it",
    "EventJson.metadata": "What its sender added",
    "EventJson.originalTimestamp": "What the sender's clock said, where that was corrected",
    "EventJson.flags": "What was odd about its times",
    "EventJson.key": "The id of the API key it came with, where that is known",
    "AggregateRequest.metrics": "What is computed",
    "AggregateRequest.groupBy": "What rows are made of",
    "AggregateRequest.range": "From when until when",
    "AggregateRequest.timezone": "The time zone of days and buckets",
    "AggregateRequest.weekStart": "The day that weeks begin with",
    "AggregateRequest.filters": "Conditions that events meet",
    "AggregateRequest.having": "Conditions that rows meet",
    "AggregateRequest.orderBy": "The order of the rows",
    "AggregateRequest.limit": "How many rows at most",
    "AggregateRequest.cursor": "Where the page begins",
    "AggregateRequest.fill": "What buckets without events have",
    "AggregateRequest.compare": "The range that this one is compared with",
    "Meta.source": "What was read: `raw` events, counts kept along the way (`rollup`) or `both`",
    "Meta.rows_scanned": "How many rows were read",
    "Meta.approximate": "Relative error of each metric that is an estimate",
    "Meta.complete_from": "From when on each column counts all that happened, where that is not the whole range",
    "Meta.complete_to": "Up to when each metric counts all that happened, where that is not the whole range",
    "Meta.merges_pending": "Ids were found to be one user's that are counted as two for some minutes",
    "FunnelsMeta.source": "What was read: `raw` events, counts kept along the way (`rollup`) or `both`",
    "FunnelsMeta.rows_scanned": "How many rows were read",
    "FunnelsMeta.complete_from": "From when on each column counts all that happened, where that is not the whole range",
    "FunnelsMeta.merges_pending": "Ids were found to be one user's that are counted as two for some minutes",
    "CountedPerson.id": "The person's id: a user's, or an anonymous one",
    "FunnelRequest.range": "From when until when",
    "FunnelRequest.timezone": "The time zone of days and buckets",
    "FunnelRequest.filters": "Conditions that events meet",
    "FunnelRequest.limit": "How many rows at most",
    "PathsRequest.range": "From when until when",
    "PathsRequest.timezone": "The time zone of days and buckets",
    "PathsRequest.filters": "Conditions that events meet",
    "PathsRequest.limit": "How many rows at most",
    "RetentionRequest.range": "From when until when",
    "RetentionRequest.timezone": "The time zone of days and buckets",
    "RetentionRequest.filters": "Conditions that events meet",
    "RetentionRequest.weekStart": "The day that weeks begin with",
    "FunnelRequest.steps": "The steps, in order",
    "FunnelRequest.window": "How long after the first step the others count",
    "FunnelRequest.groupBy": "The field whose values rows are split by",
    "FunnelRequest.breakdown": "The same as `groupBy`",
    "PathsRequest.start": "The event that paths begin with",
    "PathsRequest.by": "The field whose values paths lead through",
    "PathsRequest.direction": "What comes after the start, or before it",
    "PathsRequest.depth": "How many moves a path has",
    "PathsRequest.gap": "How much time ends a path",
    "RetentionRequest.start": "The event that makes a person part of a cohort",
    "RetentionRequest.again": "The event that counts as coming back",
    "RetentionRequest.every": "The length of a period",
    "RetentionRequest.periods": "How many periods",
    "RetentionRequest.firstEver": "Whether persons count who did it before the range too",
    "QueriesResult.rows": "The rows, one for each group",
    "QueriesResult.meta": "About the answer",
    "QueriesResult.query": "The question with what it left open",
    "FunnelResult.rows": "A row for each step, of each value of `groupBy`",
    "FunnelResult.meta": "About the answer",
    "FunnelResult.query": "The question with what it left open",
    "RetentionResult.rows": "A row for each cohort and period after it",
    "RetentionResult.meta": "About the answer",
    "RetentionResult.query": "The question with what it left open",
    "PathsResult.rows": "A row for each move from one value to the next",
    "PathsResult.meta": "About the answer",
    "PathsResult.query": "The question with what it left open",
}
