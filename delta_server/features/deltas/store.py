"""Delta rows, the field index beside them, and the queue of contents that wait for their delta.

`delta` has one row per content that has one before it; `field` one row per field pattern of an endpoint;
`field_change` says at which contents a field changed, in order of time.
"""

from collections.abc import Iterable, Iterator, Mapping
from heapq import merge

import msgspec

from delta_server.core import found_keys
from delta_server.core.diff_settings import Fields
from delta_server.core.found_keys import Votes
from delta_server.core.span import Position, Span
from delta_server.features.contents import service as contents
from delta_server.features.deltas.rows import KINDS, Computed, End, FieldCount, Job, Listed, Note, SchemaChange, Summary
from delta_server.storage import walk as walks
from delta_server.storage.database import Row, Tx

MILLION = 1_000_000
FAILED = 2
"""In `content.pending`: its delta could not be computed. Neither queued nor forgotten; see `retry_failed`."""


class _Fields(msgspec.Struct, frozen=True, array_like=True):
    """`delta.fields`: ids and counts one after the other, then the schema changes and notes, as MessagePack."""

    ids_and_counts: list[int]
    schema_changes: list[SchemaChange]
    notes: list[Note] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Fields).decode


_DELTAS = """
SELECT c.captured_at, c.id, c.endpoint, d.kind, d.added, d.removed, d.replaced, d.moved, d.similarity, d.fields
FROM content c JOIN delta d ON d.content = c.id
"""
_DELTAS_DOWN = f"""{_DELTAS} WHERE c.endpoint = ? AND c.dead = 0 AND c.captured_at BETWEEN ? AND ?
  AND NOT (c.captured_at = ? AND c.id >= ?) ORDER BY c.captured_at DESC, c.id DESC LIMIT ?"""
_DELTAS_UP = f"""{_DELTAS} WHERE c.endpoint = ? AND c.dead = 0 AND c.captured_at BETWEEN ? AND ?
  AND NOT (c.captured_at = ? AND c.id <= ?) ORDER BY c.captured_at, c.id LIMIT ?"""
# CROSS: in this order whatever the planner's statistics say of the average endpoint, for the average is nobody's.
_CHANGES = """
SELECT x.captured_at, c.id FROM field f CROSS JOIN field_change x ON x.field = f.id
CROSS JOIN content c ON c.endpoint = f.endpoint AND c.captured_at = x.captured_at AND c.dead = 0
"""
_CHANGES_DOWN = f"""{_CHANGES} WHERE f.id = ? AND x.captured_at BETWEEN ? AND ?
  AND NOT (x.captured_at = ? AND c.id >= ?) ORDER BY x.captured_at DESC LIMIT ?"""
_CHANGES_UP = f"""{_CHANGES} WHERE f.id = ? AND x.captured_at BETWEEN ? AND ?
  AND NOT (x.captured_at = ? AND c.id <= ?) ORDER BY x.captured_at LIMIT ?"""


def waiting(tx: Tx) -> list[int]:
    """Endpoints that have contents without their delta: one look into the index for each."""
    rows = tx.all(
        """WITH RECURSIVE waiting (endpoint) AS (
             SELECT MIN(endpoint) FROM content WHERE pending = 1
             UNION ALL
             SELECT (SELECT MIN(endpoint) FROM content WHERE pending = 1 AND endpoint > waiting.endpoint)
             FROM waiting WHERE endpoint IS NOT NULL)
           SELECT e.id FROM waiting JOIN endpoint e ON e.id = waiting.endpoint AND e.deleted_at IS NULL"""
    )
    return [row[0] for row in rows]


_JOBS = """
SELECT c.endpoint, c.id, c.captured_at, p.id, p.hash = c.hash, e.diff, e.diff_version
FROM ({}) c
JOIN endpoint e ON e.id = c.endpoint AND e.deleted_at IS NULL
LEFT JOIN content p ON p.id = (
  SELECT id FROM content WHERE endpoint = c.endpoint AND dead = 0 AND captured_at <= c.captured_at
    AND NOT (captured_at = c.captured_at AND id >= c.id)
  ORDER BY captured_at DESC, id DESC LIMIT 1)
"""
_QUEUE = _JOBS.format(
    """SELECT id, endpoint, captured_at, hash FROM content WHERE pending = 1 AND endpoint = ?
       ORDER BY captured_at LIMIT ?"""
)
# +: or the planner, which has seen the queue empty, reads all of it.
_ONE_QUEUED = _JOBS.format(
    """SELECT c.id, c.endpoint, c.captured_at, c.hash FROM snapshot s
       CROSS JOIN content c ON c.id = s.content AND c.captured_at = s.captured_at
       WHERE s.uid = ? AND +c.pending = 1 AND c.dead = 0"""
)


def queue(tx: Tx, endpoint: int, limit: int) -> list[Job]:
    """The endpoint's next contents without their delta, in order of time."""
    return [_job(row) for row in tx.all(f"{_QUEUE} ORDER BY c.captured_at", endpoint, limit)]


def job(tx: Tx, project: int, uid: bytes) -> Job | None:
    """The delta that leads to snapshot `uid`, if it is still to be computed."""
    row = tx.one(f"{_ONE_QUEUED} WHERE e.project = ?", uid, project)
    return None if row is None else _job(row)


def _job(row: Row) -> Job:
    endpoint, content, captured_at, previous, same, diff, diff_version = row
    return Job(endpoint, content, captured_at, previous, bool(same), diff, diff_version)


def queue_length(tx: Tx) -> int:
    """How many contents wait for their delta: an index of nothing else."""
    return int((tx.one("SELECT COUNT(*) FROM content WHERE pending = 1") or (0,))[0])


def retry_failed(tx: Tx) -> None:
    """Queue again what could not be computed: the server may be another one now, or the damage mended."""
    tx.run("UPDATE content SET pending = 1 WHERE pending = ?", FAILED)


def requeue(tx: Tx, limit: int) -> bool:
    """Queue the next `limit` contents of an endpoint with new diff settings, newest first; False if there is none."""
    row = tx.one("SELECT id, recompute_before FROM endpoint WHERE recompute_before IS NOT NULL LIMIT 1")
    if row is None:
        return False
    endpoint, before = row
    rows = tx.all(
        """SELECT id, captured_at FROM content WHERE endpoint = ? AND dead = 0 AND captured_at < ?
           ORDER BY captured_at DESC LIMIT ?""",
        endpoint,
        before,
        limit,
    )
    if not rows:
        tx.run("UPDATE endpoint SET recompute_before = NULL WHERE id = ?", endpoint)
        return True
    oldest = rows[-1][1]
    tx.run(
        "UPDATE content SET pending = 1 WHERE endpoint = ? AND dead = 0 AND captured_at >= ? AND captured_at < ?",
        endpoint,
        oldest,
        before,
    )
    tx.run("UPDATE endpoint SET recompute_before = ? WHERE id = ?", oldest, endpoint)
    return True


def put(tx: Tx, computed: Computed) -> bool:
    """Store what came of a job and take it off the queue.

    False, and nothing changed, when the timeline around the content has changed since the job was read.
    """
    job = computed.job
    queued = tx.one("SELECT captured_at FROM content WHERE id = ? AND pending = 1 AND dead = 0", job.content)
    previous = contents.before(tx, job.endpoint, (job.captured_at, job.content))
    if queued != (job.captured_at,) or (previous and previous.id) != job.previous:
        return False
    forget(tx, job.content)
    tx.run("UPDATE content SET pending = ? WHERE id = ?", FAILED if computed.failed else 0, job.content)
    if computed.summary is not None:
        _insert(tx, job, computed.summary)
    return True


def _insert(tx: Tx, job: Job, summary: Summary) -> None:
    flat: list[int] = []
    for field in summary.fields:
        flat += (_count_field(tx, job.endpoint, field), field.changes)
    tx.run(
        "INSERT INTO delta VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        job.content,
        job.captured_at,
        job.diff_version,
        KINDS.index(summary.kind),
        summary.added,
        summary.removed,
        summary.replaced,
        summary.moved,
        round(summary.similarity * MILLION),
        _encode(_Fields(flat, list(summary.schema_changes), list(summary.notes))),
    )
    tx.many(
        "INSERT OR IGNORE INTO field_change VALUES (?, ?)",
        [(field, job.captured_at) for field in flat[::2]],
    )
    if summary.kind == "content":
        tx.run("UPDATE endpoint SET content_deltas = content_deltas + 1 WHERE id = ?", job.endpoint)


def _count_field(tx: Tx, endpoint: int, field: FieldCount) -> int:
    row = tx.one(
        """INSERT INTO field (endpoint, pattern, changes, deltas, types) VALUES (?, ?, ?, 1, ?)
           ON CONFLICT (endpoint, pattern) DO UPDATE SET changes = changes + excluded.changes, deltas = deltas + 1,
             types = types | excluded.types
           RETURNING id""",
        endpoint,
        field.pattern,
        field.changes,
        field.types,
    )
    assert row is not None
    return int(row[0])


def forget(tx: Tx, content: int) -> None:
    """Remove the delta that leads to `content`, and what the field index counted for it."""
    row = tx.one(
        """SELECT d.captured_at, d.kind, d.fields, c.endpoint FROM delta d JOIN content c ON c.id = d.content
           WHERE d.content = ?""",
        content,
    )
    if row is None:
        return
    captured_at, kind, fields, endpoint = row
    flat = _decode(fields).ids_and_counts
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    tx.many(
        "DELETE FROM field_change WHERE field = ? AND captured_at = ?",
        [(field, captured_at) for field, _ in pairs],
    )
    tx.many(
        "UPDATE field SET changes = changes - ?, deltas = deltas - 1 WHERE id = ?",
        [(count, field) for field, count in pairs],
    )
    tx.many("DELETE FROM field WHERE id = ? AND deltas <= 0", [(field,) for field, _ in pairs])
    tx.run("DELETE FROM delta WHERE content = ?", content)
    if KINDS[kind] == "content":
        tx.run("UPDATE endpoint SET content_deltas = content_deltas - 1 WHERE id = ?", endpoint)


def delete_some(tx: Tx, endpoint: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted endpoint: of the field index, else the deltas of its first contents.

    False when these have none: once they are gone too, the deltas of the next come first. A dead content has none.
    """
    return any(
        tx.run(sql, endpoint, limit)
        for sql in (
            "DELETE FROM field_change WHERE (field, captured_at) IN (SELECT field, captured_at"
            " FROM field CROSS JOIN field_change ON field_change.field = field.id WHERE field.endpoint = ? LIMIT ?)",
            "DELETE FROM field WHERE id IN (SELECT id FROM field WHERE endpoint = ? LIMIT ?)",
            "DELETE FROM delta WHERE content IN"
            " (SELECT id FROM content WHERE endpoint = ? AND dead = 0 ORDER BY captured_at, id LIMIT ?)",
        )
    )


def row(tx: Tx, content: int) -> Row | None:
    """The delta that leads to a living content, with the columns of `walk`."""
    return tx.one(f"{_DELTAS} WHERE d.content = ? AND c.dead = 0", content)


def heads(tx: Tx, project: int, span: Span) -> list[tuple[int, int]]:
    """(time of its first content along `span`, endpoint) of those that have one there: one look into the index each."""
    first = "max" if span.descending else "min"
    rows = tx.all(
        f"""SELECT (SELECT {first}(captured_at) FROM content WHERE endpoint = e.id AND dead = 0
                    AND captured_at BETWEEN ? AND ?), e.id
            FROM endpoint e WHERE e.project = ? AND e.deleted_at IS NULL""",
        *span.bounds()[:2],
        project,
    )
    return [(row[0], row[1]) for row in rows if row[0] is not None]


def walk(tx: Tx, endpoint: int, span: Span, *, most: int, first: int | None = None) -> Iterator[Row]:
    """Rows of one endpoint's deltas along `span`, pages as in storage/walk.py; `listed` names their columns."""
    statement = _DELTAS_DOWN if span.descending else _DELTAS_UP
    return walks.walk(tx, statement, (endpoint,), span, most=most, first=first)


def changed_contents(
    tx: Tx, fields: Iterable[int], span: Span, *, most: int, first: int | None = None
) -> Iterator[Position]:
    """(captured_at, content) of the deltas in which any of `fields` changed, along `span`, each once."""
    statement = _CHANGES_DOWN if span.descending else _CHANGES_UP
    found = [walks.walk(tx, statement, (field,), span, most=most, first=first) for field in fields]
    last: Position | None = None
    for captured_at, content in merge(*found, reverse=span.descending):
        if (captured_at, content) != last:
            yield captured_at, content
        last = captured_at, content


def listed(tx: Tx, row: Row) -> Listed:
    captured_at, content, endpoint, kind, added, removed, replaced, moved, similarity, blob = row
    fields = _decode(blob)
    flat = fields.ids_and_counts
    summary = Summary(
        KINDS[kind],
        added,
        removed,
        replaced,
        moved,
        similarity / MILLION,
        [FieldCount(_pattern(tx, field), count) for field, count in zip(flat[::2], flat[1::2], strict=True)],
        fields.schema_changes,
        fields.notes,
    )
    return Listed(endpoint, content, captured_at, summary)


def _pattern(tx: Tx, field: int) -> str:
    row = tx.one("SELECT pattern FROM field WHERE id = ?", field)
    return "" if row is None else str(row[0])


def fields_at_or_under(tx: Tx, endpoint: int, pattern: str) -> list[int]:
    """Ids of the fields whose pattern is `pattern` or lies under it."""
    rows = tx.all(
        """SELECT id FROM field
           WHERE endpoint = ? AND (pattern = ? OR (pattern >= ? AND pattern < ?))""",
        endpoint,
        pattern,
        pattern + "/",
        pattern + "0",
    )
    return [row[0] for row in rows]


_ENDS = """
SELECT s.uid, e.id, e.uid, s.content, s.captured_at, e.diff
FROM endpoint e JOIN snapshot s ON s.endpoint = e.id WHERE e.project = ? AND e.deleted_at IS NULL
"""


def end_by_uid(tx: Tx, project: int, uid: bytes) -> End | None:
    return _end(tx.one(f"{_ENDS} AND s.uid = ?", project, uid))


def end_at(tx: Tx, project: int, endpoint: int, time_ms: int) -> End | None:
    """The last snapshot captured at or before `time_ms`."""
    sql = f"{_ENDS} AND e.id = ? AND s.captured_at <= ? ORDER BY s.captured_at DESC, s.id DESC LIMIT 1"
    return _end(tx.one(sql, project, endpoint, time_ms))


def ends_of_delta(tx: Tx, project: int, uid: bytes) -> tuple[End, End] | None:
    """The two snapshots of the delta that leads to snapshot `uid`, None when no delta does."""
    after = end_by_uid(tx, project, uid)
    if after is None or begun_by(tx, project, uid) is None:
        return None
    ends = snapshots_of(tx, after.endpoint, after.captured_at)
    before = None if ends is None else end_by_uid(tx, project, ends[0])
    return None if before is None else (before, after)


_BEGUN = """
SELECT c.id FROM snapshot s CROSS JOIN endpoint e ON e.id = s.endpoint
CROSS JOIN content c ON c.id = s.content AND c.captured_at = s.captured_at
WHERE e.project = ? AND e.deleted_at IS NULL AND s.uid = ?
"""


def begun_by(tx: Tx, project: int, uid: bytes) -> int | None:
    """The content that first appeared in snapshot `uid`, None when it repeats the one before."""
    row = tx.one(_BEGUN, project, uid)
    return None if row is None else int(row[0])


def endpoint_uid(tx: Tx, endpoint: int) -> bytes:
    row = tx.one("SELECT uid FROM endpoint WHERE id = ?", endpoint)
    return bytes(row[0]) if row else b""


def _end(row: Row | None) -> End | None:
    return None if row is None else End(*row)


def snapshots_of(tx: Tx, endpoint: int, captured_at: int) -> tuple[bytes, bytes] | None:
    """Ids of the snapshot captured then and of the one just before it."""
    rows = tx.all(
        "SELECT uid FROM snapshot WHERE endpoint = ? AND captured_at <= ? ORDER BY captured_at DESC LIMIT 2",
        endpoint,
        captured_at,
    )
    return (rows[1][0], rows[0][0]) if len(rows) == 2 else None


def votes(tx: Tx, endpoint: int) -> Votes:
    """The keys of arrays that the endpoint's deltas found, with their votes."""
    row = tx.one("SELECT found_keys FROM endpoint WHERE id = ?", endpoint)
    return msgspec.json.decode(row[0], type=Votes) if row else {}


def vote(tx: Tx, endpoint: int, found: Iterable[Mapping[str, Fields]]) -> None:
    """Count the keys that some deltas found."""
    new = old = votes(tx, endpoint)
    for keys in found:
        new = found_keys.voted(new, keys)
    if new is not old:
        tx.run("UPDATE endpoint SET found_keys = ? WHERE id = ?", msgspec.json.encode(new).decode(), endpoint)
