"""Answers as Parquet files: written by DuckDB into a file without a name in the spill directory, then read from there.

The file is gone when it is closed, and with the process in any case. Its schema depends on the request alone,
not on what is stored or how: every column may be null (`_as_nullable`), and JSON is text, which all readers know.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from delta_server.core.events.event import FLAG_NAMES, ODD
from delta_server.core.query import time_buckets
from delta_server.core.query.plan import Aggregate, Field, Interval, Listing
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.query import compile, relation
from delta_server.storage.events.query.read_view import ReadView
from delta_server.storage.events.query.relation import Params

_PIECE_BYTES = 256 << 10
_OPTIONS = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880, USE_TMP_FILE false"
"""Not version 2, which some readers do not know."""


class Selection(msgspec.Struct, frozen=True):
    sql: str
    values: list[Any]


def pieces(session: QuerySession, selected: Selection) -> Iterator[bytes]:
    """The file that has the rows of `selected`."""
    with session.scratch() as file:
        session.copy_into(file, selected.sql, selected.values, options=_OPTIONS)
        session.release()
        file.seek(0)
        while piece := file.read(_PIECE_BYTES):
            yield piece


def listing(read_view: ReadView, plan: Listing) -> Selection:
    """The events with the names that clients send."""
    params = Params()
    source = relation.events(read_view, plan.span)
    rows = compile.listing(plan, source.sql, params, limit=plan.limit, skip=plan.skip)
    return Selection(f"SELECT {_EVENT} FROM ({rows})", params.values)


def _as_nullable(value: str, of: str) -> str:
    """`value`, where DuckDB cannot know that it is never NULL: it would write the column as a required one, which it
    knows of some sealed events and of none that wait. `of` is any value of the row."""
    return f"CASE WHEN hash({of}) >= 0 THEN {value} END"


def aggregate(plan: Aggregate, sql: str, values: Sequence[Any]) -> Selection:
    """`sql` has one column a key, then one a metric. Stretches of time become the instants at which they begin."""
    params = Params()
    params.values = list(values)
    places = [f"c{n}" for n in range(len(plan.keys) + len(plan.metrics))]
    shown, begun = [], ""
    for place, part in zip(places, (*plan.keys, *plan.metrics), strict=True):
        value = place
        if isinstance(part, Interval):
            begun = f" JOIN ({_bucket_starts(part, plan, params)}) ON {place} = stretch"
            value = _instant("begin")
        elif isinstance(part, Field) and part.kind == "time":
            value = _instant(place)
        shown.append(f"{_as_nullable(value, place)} AS {_quoted(part.name)}")
    return Selection(f"SELECT {', '.join(shown)} FROM ({sql}) AS rows({', '.join(places)}){begun}", params.values)


def _bucket_starts(interval: Interval, plan: Aggregate, params: Params) -> str:
    begins = list(time_buckets.along(interval, plan.span))
    keys = [time_buckets.key(interval, max(begin, plan.span.start_ms)) for begin in begins]
    lists = f"{params.add(keys)}::BIGINT[]", f"{params.add(begins)}::BIGINT[]"
    return f"SELECT unnest({lists[0]}) AS stretch, unnest({lists[1]}) AS begin"


def _instant(ms: str) -> str:
    return f"timezone('UTC', make_timestamp({ms} * 1000))"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_FLAGS = ", ".join(f"CASE WHEN flags & {bit} > 0 THEN '{name}' END" for bit, name in FLAG_NAMES.items())
_COLUMNS = {
    "messageId": "message_id",
    "eventType": "event_type",
    "timestamp": _instant("time_ms"),
    "receivedAt": _instant("received_at"),
    "source": "source",
    "userId": "user_id",
    "anonymousId": "anonymous_id",
    "sessionId": "session_id",
    "duration": "duration",
    "priority": "priority",
    "status": "status",
    "tags": "tags",
    "data": "data::VARCHAR",
    "metadata": "metadata::VARCHAR",
    "originalTimestamp": _instant("original_at"),
    "flags": f"CASE WHEN flags & {ODD} > 0 THEN list_filter([{_FLAGS}], lambda flag: flag IS NOT NULL) END",
}
_EVENT = ", ".join(f'{_as_nullable(value, "seq")} AS "{name}"' for name, value in _COLUMNS.items())
