"""SQL and its answers on the wire."""

from typing import Any

import msgspec


class Column(msgspec.Struct, frozen=True):
    """`type` is DuckDB's. Of columns with one name, the later ones have a number behind it."""

    name: str
    type: str


class About(msgspec.Struct, frozen=True):
    """`rows_scanned` is how many rows the views hold that were read."""

    rows_scanned: int
    took_ms: float


class Result(msgspec.Struct, frozen=True):
    """`truncated`: there were more rows than `limit`, or than 16 MiB of answer hold."""

    columns: list[Column]
    rows: msgspec.Raw
    truncated: bool
    meta: About


EXAMPLE: dict[str, Any] = {
    "sql": "select event_type, count(*) as events, count(distinct user_id) as users from events"
    " where timestamp >= cast(? as timestamp) group by event_type order by events desc",
    "params": ["2026-05-01"],
    "limit": 100,
}
EXAMPLE_RESULT = {
    "columns": [
        {"name": "event_type", "type": "VARCHAR"},
        {"name": "events", "type": "BIGINT"},
        {"name": "users", "type": "BIGINT"},
    ],
    "rows": [{"event_type": "page_view", "events": 4210, "users": 318}],
    "truncated": False,
    "meta": {"rows_scanned": 120_000, "took_ms": 61.2},
}


FIELDS = {
    "Column.name": "Name of the column; of several with one name the later ones have a number behind it",
    "Column.type": "DuckDB's type",
    "SqlResult.columns": "The columns, in order",
    "SqlResult.rows": "The rows as objects",
    "truncated": "Whether there were more rows than `limit`, or than an answer holds",
    "SqlResult.meta": "About the answer",
    "About.rows_scanned": "How many rows the views hold that were read",
}
