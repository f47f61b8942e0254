"""Exports on the wire: their forms, the names of their files, examples."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, TypeAlias

from delta_server.core.query.plan import Span
from delta_server.core.times import DAY_MS, EARLIEST_MS, LATEST_MS

Format: TypeAlias = Literal["csv", "json", "ndjson", "parquet"]
Formulas: TypeAlias = Literal["escape", "keep"]

MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_MOST_ACCEPT = 1 << 10
_ACCEPTED: dict[str, Format] = {
    "text/csv": "csv",
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/vnd.apache.parquet": "parquet",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EDGE_MS = 2 * DAY_MS
"""So near to the ends of time, which are days in some zone, a range is open."""

EVENT_COLUMNS = (
    *("messageId", "eventType", "timestamp", "receivedAt", "source", "userId", "anonymousId", "sessionId"),
    *("duration", "priority", "status", "tags", "data", "metadata", "originalTimestamp", "flags"),
)
EXAMPLE_EVENTS = (
    ",".join(EVENT_COLUMNS) + "\r\n"
    "m-1,page_view,2026-05-01T12:00:00.000Z,2026-05-01T12:00:00.350Z,web,u-42,,s-7,120.5,3,ok,"
    '"[""docs""]","{""path"":""/pricing""}",,,\r\n'
)
EXAMPLE_ROWS = "time,eventType,count\r\n2026-05-01T14:00:00.000Z,page_view,318\r\n"


def wanted(given: Format | None, accept: str) -> Format:
    """`given`, else the first of the forms that the beginning of an Accept header ranks highest, else csv."""
    if given is not None:
        return given
    ranked: list[tuple[float, Format]] = []
    for part in accept[:_MOST_ACCEPT].split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        if kind in _ACCEPTED and quality.replace(".", "", 1).isdecimal() and float(quality) > 0:
            ranked.append((-float(quality), _ACCEPTED[kind]))
    return min(ranked, key=lambda rank: rank[0])[1] if ranked else "csv"


def file_name(what: str, span: Span, zone: tzinfo, form: Format) -> str:
    """`events-2026-05-01-2026-05-08.csv`: from the range's first moment to its end, as the zone's clocks show them."""
    first = "" if span.start_ms < EARLIEST_MS + _EDGE_MS else _moment(span.start_ms, zone)
    end = "" if span.end_ms > LATEST_MS - _EDGE_MS else _moment(span.end_ms, zone)
    between = [first, end] if first and end else [f"from-{first}"] if first else [f"until-{end}"] if end else []
    return f"{'-'.join([what, *between])}.{form}"


def _moment(at: int, zone: tzinfo) -> str:
    """`2026-05-01`, with `T1430` when it is not midnight."""
    try:
        local = (_EPOCH + timedelta(milliseconds=at)).astimezone(zone)
    except OverflowError:  # in year 1 or 9999, at the edge of what has a name
        local = _EPOCH + timedelta(milliseconds=at)
    return local.strftime("%Y-%m-%dT%H%M").removesuffix("T0000")
