"""SQL and its answers on the wire."""

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

DEFAULT_ROWS = 1_000
MOST_ROWS = 10_000
MOST_PARAMS = 1_000


Param: TypeAlias = str | float | Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | bool | None


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`params` take the places of `?` in `sql`, in order."""

    sql: str
    params: Annotated[list[Param], Meta(max_length=MOST_PARAMS)] = []
    limit: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = DEFAULT_ROWS


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
