"""The views that SQL sees: a project's events, and what else is stored of it, from one state of the database."""

import msgspec

from delta_server.core.errors import TooCostly
from delta_server.storage.events import filters, persons, relation
from delta_server.storage.events.snapshot import ALWAYS, Snapshot

MOST_ROWS = 250_000
"""Of snapshots, deltas, fields and profiles: they are brought into memory. Events have no such bound."""


class View(msgspec.Struct, frozen=True):
    """`sql` has SQLite write a JSON object a row, with `?` for the project; `columns` are as DuckDB reads them from the
    objects, `shown` is the view's select list."""

    sql: str
    columns: dict[str, str]
    shown: str


def _time(name: str) -> str:
    return f"{_instant(name)} AS {name}"


def _instant(ms: str) -> str:
    """With a time zone, so that `AT TIME ZONE` turns it into that zone's clock: of a plain TIMESTAMP it makes the
    instant at which clocks there show it."""
    return f"make_timestamptz({ms} * 1000)"


EVENTS = (
    f"{filters.MESSAGE_ID} AS message_id, event_type, {_instant('time_ms')} AS timestamp,"
    f" {_instant('received_at')} AS received_at, {_instant('original_at')} AS original_timestamp,"
    " source, user_id, anonymous_id, session_id, duration, priority, status, tags, data, metadata, time_ms,"
    " person"
)
_UUID = "{0}::UUID::VARCHAR AS {0}"

TABLES = {
    "snapshots": View(
        "SELECT json_object('id', lower(hex(s.uid)), 'endpoint_id', lower(hex(e.uid)), 'endpoint', e.name,"
        " 'captured_at', s.captured_at, 'size_bytes', c.size, 'content_hash', lower(hex(c.hash)),"
        " 'unchanged', json(iif(s.captured_at > c.captured_at, 'true', 'false')), 'source', s.source,"
        " 'metadata', s.metadata) FROM endpoint e JOIN snapshot s ON s.endpoint = e.id"
        " JOIN content c ON c.id = s.content WHERE e.project = ? AND e.deleted_at IS NULL",
        {
            "id": "VARCHAR", "endpoint_id": "VARCHAR", "endpoint": "VARCHAR", "captured_at": "BIGINT",
            "size_bytes": "BIGINT", "content_hash": "VARCHAR", "unchanged": "BOOLEAN", "source": "VARCHAR",
            "metadata": "VARCHAR",
        },
        f"{_UUID.format('id')}, {_UUID.format('endpoint_id')}, endpoint, {_time('captured_at')}, size_bytes,"
        " content_hash, unchanged, source, metadata::JSON AS metadata",
    ),
    "deltas": View(
        "SELECT json_object('snapshot_id', lower(hex(s.uid)), 'endpoint_id', lower(hex(e.uid)), 'endpoint', e.name,"
        " 'captured_at', c.captured_at, 'kind', d.kind, 'added', d.added, 'removed', d.removed,"
        " 'replaced', d.replaced, 'moved', d.moved, 'similarity_score', d.similarity)"
        " FROM endpoint e JOIN content c ON c.endpoint = e.id AND c.dead = 0 JOIN delta d ON d.content = c.id"
        " JOIN snapshot s ON s.endpoint = e.id AND s.captured_at = c.captured_at"
        " WHERE e.project = ? AND e.deleted_at IS NULL",
        {
            "snapshot_id": "VARCHAR", "endpoint_id": "VARCHAR", "endpoint": "VARCHAR", "captured_at": "BIGINT",
            "kind": "INTEGER", "added": "BIGINT", "removed": "BIGINT", "replaced": "BIGINT", "moved": "BIGINT",
            "similarity_score": "DOUBLE",
        },
        f"{_UUID.format('snapshot_id')}, {_UUID.format('endpoint_id')}, endpoint, {_time('captured_at')},"
        " ['content', 'reorder', 'format', 'ignored'][kind + 1] AS kind, added, removed, replaced, moved,"
        " added + removed + replaced + moved AS changes_count, similarity_score / 1e6 AS similarity_score",
    ),
    "fields": View(
        "SELECT json_object('endpoint_id', lower(hex(e.uid)), 'endpoint', e.name, 'path', f.pattern,"
        " 'changes', f.changes, 'last_changed_at',"
        " coalesce(f.changed_at, (SELECT max(captured_at) FROM field_change WHERE field = f.id)))"
        " FROM endpoint e JOIN field f ON f.endpoint = e.id WHERE e.project = ? AND e.deleted_at IS NULL",
        {
            "endpoint_id": "VARCHAR", "endpoint": "VARCHAR", "path": "VARCHAR", "changes": "BIGINT",
            "last_changed_at": "BIGINT",
        },
        f"{_UUID.format('endpoint_id')}, endpoint, path, changes, {_time('last_changed_at')}",
    ),
    "profiles": View(
        "SELECT json_object('kind', kind, 'id', name, 'traits', traits, 'first_seen_at', first_seen_at,"
        " 'last_seen_at', last_seen_at) FROM profile WHERE project = ?",
        {
            "kind": "VARCHAR", "id": "VARCHAR", "traits": "VARCHAR", "first_seen_at": "BIGINT",
            "last_seen_at": "BIGINT",
        },
        f"kind, id, traits::JSON AS traits, {_time('first_seen_at')}, {_time('last_seen_at')}",
    ),
}  # fmt: skip


class Events(msgspec.Struct, frozen=True):
    """The view `events`: `scanned` is how many its files hold, `paths` those that may be read."""

    sql: str
    scanned: int
    paths: tuple[str, ...]


def events(snapshot: Snapshot) -> Events:
    links = persons.attach_plainly(snapshot)
    segments, blocks = snapshot.segments(), snapshot.blocks()
    source = relation.of(snapshot, ALWAYS, segments, blocks)
    paths = [snapshot.segment_path(segment.id) for segment in segments]
    paths += [f"hot://{snapshot.token}/0"] if blocks else []
    select = f"SELECT {EVENTS} FROM {persons.events(snapshot, source.sql)}"
    return Events(select, source.scanned, (*paths, *links))


def lines(snapshot: Snapshot, name: str) -> tuple[bytes, int]:
    """(the rows of one of TABLES as NDJSON, how many). Raises TooCostly when they are too many."""
    rows = snapshot.all(f"{TABLES[name].sql} LIMIT {MOST_ROWS + 1}", snapshot.project)
    if len(rows) > MOST_ROWS:
        raise TooCostly(f"the project has more than {MOST_ROWS} {name}, which is more than SQL is given at once")
    return "\n".join(row[0] for row in rows).encode(), len(rows)


def load(name: str, path: str) -> str:
    """The statement that makes one of TABLES from its lines at `path`."""
    table = TABLES[name]
    columns = ", ".join(f"{column}: '{kind}'" for column, kind in table.columns.items())
    read = f"read_ndjson('{path}', columns = {{{columns}}}, maximum_object_size = {_LINE_BYTES})"
    return f"CREATE TABLE {name} AS SELECT {table.shown} FROM {read}"


_LINE_BYTES = 8 << 20
