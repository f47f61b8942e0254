"""The views that SQL sees: a project's events, and what else is stored of it, from one state of the database."""

import msgspec

from delta_server.core.errors import TooCostly
from delta_server.storage.events.query import filters, person_joins, relation
from delta_server.storage.events.query.read_view import ALWAYS, ReadView
from delta_server.storage.sql_view import View, instant, time

MAX_ROWS = 250_000
"""Of each view of a feature: they are brought into memory. Events have no such bound."""

OWN = ("events", "documents", "records", "field_values")
"""The views that storage itself has; features have the others."""

EVENTS = (
    f"{filters.MESSAGE_ID} AS message_id, event_type, {instant('time_ms')} AS timestamp,"
    f" {instant('received_at')} AS received_at, {instant('original_at')} AS original_timestamp,"
    " source, user_id, anonymous_id, session_id, duration, priority, status, tags, data, metadata, time_ms,"
    " person"
)


DOCUMENTS = f"SELECT endpoint, {time('captured_at')}, latest, document::JSON AS document"
NO_DOCUMENTS = (
    f"{DOCUMENTS} FROM (SELECT NULL::VARCHAR AS endpoint, NULL::BIGINT AS captured_at, NULL::BOOLEAN AS latest,"
    " NULL::VARCHAR AS document) WHERE false"
)

_HELD = f"{time('valid_from')}, {time('valid_to')}, snapshot"
HISTORIES = {
    "records": f"SELECT endpoint, path, key, {_HELD}, value::JSON AS record",
    "field_values": f"SELECT endpoint, key AS path, {_HELD}, value::JSON AS value, TRY_CAST(value AS DOUBLE) AS number",
}
"""The views of intervals, by name."""
HISTORY_COLUMNS = {
    "key": "VARCHAR", "valid_from": "BIGINT", "valid_to": "BIGINT", "snapshot": "VARCHAR", "value": "VARCHAR",
}  # fmt: skip
NO_HISTORIES = {
    name: f"{select} FROM (SELECT NULL::VARCHAR AS endpoint, NULL::VARCHAR AS path,"
    f" {', '.join(f'NULL::{kind} AS {column}' for column, kind in HISTORY_COLUMNS.items())}) WHERE false"
    for name, select in HISTORIES.items()
}


class FileView(msgspec.Struct, frozen=True):
    """A view of files that DuckDB reads: `scanned` is how many rows they hold, `paths` those that may be read."""

    sql: str
    scanned: int
    paths: tuple[str, ...]


def events(read_view: ReadView) -> FileView:
    links = person_joins.attach_plainly(read_view)
    segments, blocks = read_view.segments(), read_view.blocks()
    source = relation.of_files(read_view, ALWAYS, segments, blocks)
    paths = [read_view.segment_path(segment.id) for segment in segments]
    paths += [f"hot://{read_view.token}/0"] if blocks else []
    select = f"SELECT {EVENTS} FROM {person_joins.events(read_view, source.sql)}"
    return FileView(select, source.scanned, (*paths, *links))


def no_events(read_view: ReadView) -> str:
    source = relation.of_files(read_view, ALWAYS, [], [])
    return f"SELECT {EVENTS} FROM (SELECT *, NULL::VARCHAR AS person FROM {source.sql})"


def lines(read_view: ReadView, name: str, view: View) -> tuple[bytes, int]:
    """(the view's rows as NDJSON, how many). Raises TooCostly when they are too many."""
    rows = read_view.all(f"{view.sql} LIMIT {MAX_ROWS + 1}", read_view.project)
    if len(rows) > MAX_ROWS:
        raise TooCostly(f"the project has more than {MAX_ROWS} {name}, which is more than SQL is given at once")
    return "\n".join(row[0] for row in rows).encode(), len(rows)


def load(name: str, view: View, path: str) -> str:
    """The statement that makes the view, as a table, from its lines at `path`."""
    columns = ", ".join(f"{column}: '{kind}'" for column, kind in view.columns.items())
    read = f"read_ndjson('{path}', columns = {{{columns}}}, maximum_object_size = {_LINE_BYTES})"
    return f"CREATE TABLE {name} AS SELECT {view.shown} FROM {read}"


_LINE_BYTES = 8 << 20
