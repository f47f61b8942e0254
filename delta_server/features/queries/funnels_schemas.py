"""What funnels, retention and paths are answered with."""

from typing import Any

import msgspec

from delta_server.core.query.funnels import FunnelRequest, PathsRequest, RetentionRequest


class FunnelsMeta(msgspec.Struct, frozen=True):
    """`source` is what was read, `rows_scanned` how many events it holds. `complete_from` says from when on each column
    counts all that happened, where that is not the whole range: retention has deleted the events before.
    `merges_pending`: ids were found to be one user's that count as two still, for a moment."""

    source: str
    rows_scanned: int
    complete_from: dict[str, str]
    merges_pending: bool
    took_ms: float


class FunnelResult(msgspec.Struct, frozen=True):
    """A row for each step, of each value of `groupBy`: `users` got here, `conversion` is their share of those of the
    first step, `conversion_from_previous` of those of the step before, `median_ms` the time since that step."""

    rows: msgspec.Raw
    meta: FunnelsMeta
    query: FunnelRequest


class RetentionResult(msgspec.Struct, frozen=True):
    """A row for each cohort and period after it: `users` of the cohort's `size` came back. `complete` is false while
    the period is not over within the range. Period 0 is the cohort itself."""

    rows: msgspec.Raw
    meta: FunnelsMeta
    query: RetentionRequest


class PathsResult(msgspec.Struct, frozen=True):
    """A row for each move from one value to the next: `users` made it, `times` in all. With the direction `previous`,
    `to` is what came before `from`."""

    rows: msgspec.Raw
    meta: FunnelsMeta
    query: PathsRequest


class CountedPerson(msgspec.Struct, frozen=True):
    """`GET /v1/users/{user}` has more of who sent `identify`."""

    id: str


_META = {"source": "raw", "rows_scanned": 120_000, "complete_from": {}, "merges_pending": False, "took_ms": 48.1}
_RANGE = {
    "range": ["2026-05-01T00:00:00.000Z", "2026-05-08T00:00:00.000Z"],
    "timezone": "UTC",
    "filters": [["is", "source", ["web"]]],
}
EXAMPLE_FUNNEL: dict[str, Any] = {
    "steps": ["page_view", {"name": "bought", "eventType": "purchase", "filters": [["gt", "data.total", 10]]}],
    "window": "7d",
    **_RANGE,
    "groupBy": None,
    "limit": 25,
}
EXAMPLE_FUNNEL_RESULT = {
    "rows": [
        {
            "step": 1,
            "name": "page_view",
            "users": 1000,
            "conversion": 1.0,
            "conversion_from_previous": 1.0,
            "median_ms": None,
        },
        {
            "step": 2,
            "name": "bought",
            "users": 125,
            "conversion": 0.125,
            "conversion_from_previous": 0.125,
            "median_ms": 84_000.0,
        },
    ],
    "meta": _META,
    "query": EXAMPLE_FUNNEL,
}
EXAMPLE_RETENTION: dict[str, Any] = {
    "start": "signup",
    "again": {"filters": [["is", "eventType", ["page_view", "purchase"]]]},
    "every": "1d",
    "periods": 7,
    "firstEver": False,
    **_RANGE,
    "weekStart": "monday",
}
EXAMPLE_RETENTION_RESULT = {
    "rows": [
        {"cohort": "2026-05-01T00:00:00.000Z", "period": 0, "size": 80, "users": 80, "share": 1.0, "complete": True},
        {"cohort": "2026-05-01T00:00:00.000Z", "period": 1, "size": 80, "users": 32, "share": 0.4, "complete": True},
    ],
    "meta": _META,
    "query": EXAMPLE_RETENTION,
}
EXAMPLE_PATHS: dict[str, Any] = {
    "start": "page_view",
    "by": "eventType",
    "direction": "next",
    "depth": 3,
    "gap": "30m",
    **_RANGE,
    "limit": 50,
}
EXAMPLE_PATHS_RESULT = {
    "rows": [{"step": 1, "from": "page_view", "to": "add_to_cart", "users": 210, "times": 305}],
    "meta": _META,
    "query": EXAMPLE_PATHS,
}
EXAMPLE_PERSONS: dict[str, Any] = {"funnel": EXAMPLE_FUNNEL, "part": {"step": 1, "outcome": "left"}, "limit": 100}
EXAMPLE_PERSONS_FOUND = {"data": [{"id": "u-42"}], "has_more": False, "next_cursor": None}
