"""Exports on the wire: their forms, the names of their files, examples."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal, TypeAlias

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.query.plan import Span
from delta_server.core.tables.request import TableRequest, check_array, fields_of, key_of
from delta_server.core.times import DAY_MS, EARLIEST_MS, LATEST_MS
from delta_server.http.spans import parse_span

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
"""All of EventJson but the key, which is its last field."""
EXAMPLE_EVENTS = (
    ",".join(EVENT_COLUMNS) + "\r\n"
    "m-1,page_view,2026-05-01T12:00:00.000Z,2026-05-01T12:00:00.350Z,web,u-42,,s-7,120.5,3,ok,"
    '"[""docs""]","{""path"":""/pricing""}",,,\r\n'
)
EXAMPLE_HISTORY = (
    "key,valid_from,valid_to,snapshot,name,price\r\n"
    "A7,2026-05-01T12:00:00.000Z,2026-05-03T08:00:00.000Z,01890a5d-ac96-774b-bcce-b302099a8057,Lamp,19.5\r\n"
    "A7,2026-05-03T08:00:00.000Z,,01891350-2d16-7c2f-9b6a-7a3c4f2a9c11,Lamp,17.0\r\n"
)
EXAMPLE_SPEC: dict[str, Any] = {
    "labels": {"event_type": "purchase", "from": "2026-01-01", "value": "data.amount"},
    "features": [
        {"name": "price", "endpoint": "shop", "path": "/items/[sku={sku}]/price", "where": {"sku": "data.sku"}},
        {"name": "views_7d", "event_type": "page_view", "window": "7d"},
        {"name": "spent_30d", "event_type": "purchase", "window": "30d", "metric": "sum", "of": "data.amount"},
    ],
    "split": {"at": "2026-04-01", "gap": "7d"},
}
EXAMPLE_FEATURES = (
    "key,time,label,split,price,views_7d,spent_30d\r\nm-1,2026-03-01T12:00:00.000Z,19.5,train,19.5,3,40.0\r\n"
)
FIELDS = {
    "TrainingSpec.labels": "The events that rows are of",
    "TrainingSpec.features": "What each row has, by name",
    "known_by": "`arrival`: what was received by then; `time`: what was captured or happened by then, whenever it came",
    "TrainingSpec.split": "Labels before a time train, the others validate",
    "Labels.event_type": "The type of the events",
    "Labels.from": "From this time on",
    "Labels.to": "Before this time; now, if it is missing",
    "Labels.value": "The field that is to be predicted, the column `label`",
    "FeatureSpec.name": "Name of the column",
    "FeatureSpec.endpoint": "Id or name of an endpoint: the feature is of its document",
    "FeatureSpec.path": "Where in the document; `{name}` is a field of the label event",
    "FeatureSpec.where": "The fields of the label event that the path names",
    "FeatureSpec.event_type": "The feature is of events of this type",
    "FeatureSpec.window": "Those so long before the label: 7d, 12h ...",
    "FeatureSpec.metric": "What is computed of them",
    "FeatureSpec.of": "Of which field, for all but count",
    "FeatureSpec.same": "Only events whose fields are the label's; none for all events",
    "Split.at": "The first moment of the validation",
    "Split.gap": "Labels so short before it are in neither part",
}
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


def table_request(
    array: str | None,
    fields: list[str] | None,
    key: str | None,
    as_of: str | None,
    every: str | None,
    *,
    span: tuple[str | None, str | None],
    now_ms: int,
) -> TableRequest:
    """Raises Invalid."""
    if array is not None:
        check_array(array)
    if as_of is not None and (every is not None or span != (None, None)):
        raise Invalid("as_of is one moment: leave out every, from and to", field="as_of")
    within = parse_span("history", from_=span[0], to=span[1], order="asc", cursor=None, now_ms=now_ms)
    from_ms, to_ms = within.from_ms, within.to_ms
    if as_of is not None:
        from_ms = times.parse_moment(as_of, field="as_of", now_ms=now_ms)
        to_ms = from_ms + 1
    return TableRequest(
        array=array,
        fields=fields_of(fields or []),
        key=() if key is None else key_of(key),
        from_ms=from_ms,
        to_ms=to_ms,
        every_ms=None if every is None else times.parse_length(every, field="every"),
    )


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
