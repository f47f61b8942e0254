"""Delta rows, and the queue of contents that wait for their delta.

`delta` has one row per content that has one before it. Its time is its content's; `captured_at` beside it is 0, or that
time in rows from before.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from delta_server.core.arrays import key_cache
from delta_server.core.arrays.key_cache import Votes
from delta_server.core.diff.diff_settings import Fields
from delta_server.core.history.activity import of_delta
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.activity import service as activity
from delta_server.features.deltas import changed_fields
from delta_server.features.deltas.changed_fields import ChangedFields
from delta_server.features.deltas.rows import KINDS, Basis, Computed, End, FieldCount, Job, Listed, Summary
from delta_server.features.fields import service as fields
from delta_server.features.lives import service as lives
from delta_server.storage import paging as walks
from delta_server.storage.contents import contents
from delta_server.storage.database import Row, Tx
from delta_server.storage.row_checksums import ChecksummedTable

MILLION = 1_000_000
FAILED = 2
"""In `content.pending`: its delta could not be computed. Neither queued nor forgotten; see `retry_failed`."""
MOST_ATTEMPTS = 2
"""A delta whose computing did not end so often, with the whole server most likely, has failed."""

AT_ONCE = 16
DELTA_ROWS = ChecksummedTable(
    "delta",
    key=("content",),
    covered=("content", "diff_version", "kind", "added", "removed", "replaced", "moved", "similarity", "fields"),
    check=lambda *covered: changed_fields.decoded(covered[-1]),
)

_DELTAS = """
SELECT c.captured_at, c.id, c.endpoint, d.kind, d.added, d.removed, d.replaced, d.moved, d.similarity, d.fields,
  d.diff_version, d.checksum
FROM content c JOIN delta d ON d.content = c.id
"""
_DELTAS_DOWN = f"""{_DELTAS} WHERE c.endpoint = ? AND c.dead = 0 AND c.captured_at BETWEEN ? AND ?
  AND NOT (c.captured_at = ? AND c.id >= ?) ORDER BY c.captured_at DESC, c.id DESC LIMIT ?"""
_DELTAS_UP = f"""{_DELTAS} WHERE c.endpoint = ? AND c.dead = 0 AND c.captured_at BETWEEN ? AND ?
  AND NOT (c.captured_at = ? AND c.id <= ?) ORDER BY c.captured_at, c.id LIMIT ?"""
_DELTAS_AT = f"{_DELTAS} WHERE c.endpoint = ? AND c.captured_at IN ({', '.join('?' * AT_ONCE)}) AND c.dead = 0"


def waiting(tx: Tx, most: int = 1 << 62) -> dict[int, list[int]] | None:
    """By project, its endpoints that have contents without their delta: one look into the index for each. None where
    more than `most` have, deleted ones among them."""
    found = tx.all(
        """WITH RECURSIVE waiting (endpoint) AS (
             SELECT MIN(endpoint) FROM content WHERE pending = 1
             UNION ALL
             SELECT (SELECT MIN(endpoint) FROM content WHERE pending = 1 AND endpoint > waiting.endpoint)
             FROM waiting WHERE endpoint IS NOT NULL LIMIT ?)
           SELECT e.project, e.id FROM waiting w LEFT JOIN endpoint e ON e.id = w.endpoint AND e.deleted_at IS NULL
           WHERE w.endpoint IS NOT NULL""",
        most + 1,
    )
    by_project: dict[int, list[int]] = {}
    for project, endpoint in [row for row in found if row[0] is not None]:
        by_project.setdefault(project, []).append(endpoint)
    return by_project if len(found) <= most else None


def has_work(tx: Tx) -> bool:
    """Whether anything waits or is to be queued again."""
    requeued = "SELECT 1 FROM endpoint WHERE recompute_before IS NOT NULL OR reindex_before IS NOT NULL"
    return tx.one(f"SELECT EXISTS ({requeued}) OR (SELECT MIN(endpoint) FROM content WHERE pending = 1) > 0") == (1,)


_JOBS = """
SELECT c.endpoint, c.id, c.captured_at, p.id, p.hash = c.hash, e.diff, e.diff_version, c.size + p.size, c.attempts
FROM ({}) c
JOIN endpoint e ON e.id = c.endpoint AND e.deleted_at IS NULL
LEFT JOIN content p ON p.id = (
  SELECT id FROM content WHERE endpoint = c.endpoint AND dead = 0 AND captured_at <= c.captured_at
    AND NOT (captured_at = c.captured_at AND id >= c.id)
  ORDER BY captured_at DESC, id DESC LIMIT 1)
"""
_QUEUE = _JOBS.format(
    """SELECT id, endpoint, captured_at, hash, size, attempts FROM content WHERE pending = 1 AND endpoint = ?
       ORDER BY captured_at LIMIT ?"""
)
# +: or the planner, which has seen the queue empty, reads all of it.
_ONE_QUEUED = _JOBS.format(
    """SELECT c.id, c.endpoint, c.captured_at, c.hash, c.size, c.attempts FROM snapshot s
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
    endpoint, content, captured_at, previous, same, diff, diff_version, size, attempts = row
    return Job(endpoint, content, captured_at, previous, bool(same), diff, diff_version, size or 0, attempts)


def queue_length(tx: Tx) -> int:
    """How many contents wait for their delta: an index of nothing else."""
    return int((tx.one("SELECT COUNT(*) FROM content WHERE pending = 1") or (0,))[0])


def retry_failed(tx: Tx) -> None:
    """Queue again what could not be computed: the server may be another one now, or the damage mended. What ended the
    server again and again stays as it is."""
    tx.run("UPDATE content SET pending = 1 WHERE pending = ? AND attempts < ?", FAILED, MOST_ATTEMPTS)


def attempt(tx: Tx, endpoint: int, content: int, change: int) -> None:
    """Count an attempt before it begins; with -1, take it back."""
    sql = "UPDATE content SET attempts = max(0, attempts + ?) WHERE id = ? AND endpoint = ? AND pending = 1"
    tx.run(sql, change, content, endpoint)


def requeue(tx: Tx, limit: int) -> bool:
    """Queue the next `limit` contents of an endpoint with new diff settings, or with deltas from before there was an
    record index, newest first; False if there is none."""
    row = tx.one(
        """SELECT id, coalesce(recompute_before, reindex_before), recompute_before IS NULL FROM endpoint
           WHERE recompute_before IS NOT NULL OR reindex_before IS NOT NULL ORDER BY recompute_before IS NULL LIMIT 1"""
    )
    if row is None:
        return False
    endpoint, before, only_index = row
    rows = tx.all(
        """SELECT id, captured_at FROM content WHERE endpoint = ? AND dead = 0 AND captured_at < ?
           ORDER BY captured_at DESC LIMIT ?""",
        endpoint,
        before,
        limit,
    )
    if not rows:
        tx.run("UPDATE endpoint SET recompute_before = NULL, reindex_before = NULL WHERE id = ?", endpoint)
        return True
    oldest = rows[-1][1]
    tx.run(
        """UPDATE content SET pending = 1, attempts = 0
           WHERE endpoint = ? AND dead = 0 AND captured_at >= ? AND captured_at < ?""",
        endpoint,
        oldest,
        before,
    )
    done = "reindex_before" if only_index else "recompute_before"
    tx.run(f"UPDATE endpoint SET {done} = ? WHERE id = ?", oldest, endpoint)
    return True


def store_results(tx: Tx, endpoint: int, done: Sequence[Computed]) -> tuple[int, list[int]]:
    """Store what came of an endpoint's jobs and take them off the queue; of how many, and the contents whose deltas are
    new. Nothing is changed for those around whose content the timeline has changed since they were read."""
    valid = [computed for computed in done if _is_valid(tx, computed.job)]
    gone = {at: counts for computed in valid for at, counts in _delete_delta(tx, endpoint, computed.job.content)}
    stored = _store(tx, endpoint, valid, gone)
    return len(valid), [job.content for job in stored if job.captured_at not in gone]


def store_first(tx: Tx, endpoint: int, done: Sequence[Computed]) -> list[int]:
    """As `store_results`, of contents that were stored in this transaction: the deltas that are new."""
    return [job.content for job in _store(tx, endpoint, done, {})]


def _store(tx: Tx, endpoint: int, done: Sequence[Computed], gone: Mapping[int, Mapping[int, int]]) -> list[Job]:
    """Those that have a delta. `gone` is what was counted by time for those before."""
    summaries = [(computed.job, computed.summary) for computed in done if computed.summary is not None]
    counted = fields.recount(tx, endpoint, {job.captured_at: summary.fields for job, summary in summaries}, gone)
    for computed in done:
        state = FAILED if computed.failed else 0, MOST_ATTEMPTS if computed.never_ended else 0
        tx.run("UPDATE content SET pending = ?, attempts = ? WHERE id = ?", *state, computed.job.content)
    for job, summary in summaries:
        _insert(tx, job, summary, counted[job.captured_at])
    lives.put(tx, endpoint, {c.job.captured_at: c.summary.lives if c.summary else b"" for c in done})
    activity.count_deltas(tx, endpoint, {job.captured_at: summary.counts for job, summary in summaries})
    return [job for job, _ in summaries]


def _is_valid(tx: Tx, job: Job) -> bool:
    queued = tx.one("SELECT captured_at FROM content WHERE id = ? AND pending = 1 AND dead = 0", job.content)
    previous = contents.before(tx, job.endpoint, (job.captured_at, job.content))
    return queued == (job.captured_at,) and (previous and previous.id) == job.previous


def _insert(tx: Tx, job: Job, summary: Summary, counted: Sequence[tuple[int, int]]) -> None:
    flat = [number for pair in counted for number in pair]
    covered = (
        job.content,
        job.diff_version,
        KINDS.index(summary.kind),
        summary.added,
        summary.removed,
        summary.replaced,
        summary.moved,
        round(summary.similarity * MILLION),
        ChangedFields(flat, list(summary.schema_changes), list(summary.notes)).encoded(),
    )
    tx.run(
        "INSERT INTO delta (content, captured_at, diff_version, kind, added, removed, replaced, moved, similarity,"
        " fields, checksum) VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *covered,
        DELTA_ROWS.checksum(*covered),
    )
    if summary.kind == "content":
        tx.run("UPDATE endpoint SET content_deltas = content_deltas + 1 WHERE id = ?", job.endpoint)


def delete_deltas(tx: Tx, endpoint: int, *contents: int) -> None:
    """Remove the deltas that lead to `contents`, and what was counted for them. Their times must be as they were."""
    gone = {at: counts for content in contents for at, counts in _delete_delta(tx, endpoint, content)}
    fields.recount(tx, endpoint, {}, gone)


def _delete_delta(tx: Tx, endpoint: int, content: int) -> list[tuple[int, dict[int, int]]]:
    """Remove a delta; when it was and what it counted, field id -> changes. Nothing when there is none."""
    row = tx.one(
        """SELECT c.captured_at, d.kind, d.added, d.removed, d.replaced, d.moved, d.fields
           FROM delta d JOIN content c ON c.id = d.content WHERE d.content = ? AND c.endpoint = ?""",
        content,
        endpoint,
    )
    if row is None:
        return []
    captured_at, kind, *edits, blob = row
    flat = changed_fields.decoded(blob).ids_and_counts
    tx.run("DELETE FROM delta WHERE content = ?", content)
    lives.put(tx, endpoint, {captured_at: b""})
    activity.count_deltas(tx, endpoint, {captured_at: of_delta(kind, edits).minus()})
    if KINDS[kind] == "content":
        tx.run("UPDATE endpoint SET content_deltas = content_deltas - 1 WHERE id = ?", endpoint)
    return [(captured_at, dict(zip(flat[::2], flat[1::2], strict=True)))]


def delete_some(tx: Tx, endpoint: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted endpoint: of the indexes, else the deltas of its first contents.

    False when these have none: once they are gone too, the deltas of the next come first. A dead content has none.
    """
    first = "SELECT id FROM content WHERE endpoint = ? AND dead = 0 ORDER BY captured_at, id LIMIT ?"
    return (
        fields.delete_some(tx, endpoint, limit)
        or lives.delete_some(tx, endpoint, limit)
        or bool(tx.run(f"DELETE FROM delta WHERE content IN ({first})", endpoint, limit))
    )


def row(tx: Tx, content: int) -> Row | None:
    """The delta that leads to a living content, with the columns of `walk`."""
    return tx.one(f"{_DELTAS} WHERE d.content = ? AND c.dead = 0", content)


def heads(tx: Tx, project: int, span: TimelineSpan) -> list[tuple[int, int]]:
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


def walk(tx: Tx, endpoint: int, span: TimelineSpan, *, most: int, first: int | None = None) -> Iterator[Row]:
    """Rows of one endpoint's deltas along `span`, pages as in storage/paging.py; `to_listed` names their columns."""
    statement = _DELTAS_DOWN if span.descending else _DELTAS_UP
    return walks.pages(tx, statement, (endpoint,), span, most=most, first=first)


def at(tx: Tx, endpoint: int, times: Sequence[int]) -> dict[int, Row]:
    """By time the deltas of up to AT_ONCE times, with the columns of `walk`."""
    rows = tx.all(_DELTAS_AT, endpoint, *times, *[None] * (AT_ONCE - len(times)))
    return {row[0]: row for row in rows}


def field_ids(row: Row) -> list[int]:
    """The fields that changed in a row of `walk`."""
    return _fields_of(row).ids_and_counts[::2]


def _fields_of(row: Row) -> ChangedFields:
    """Raises DatabaseFailed when the row is damaged."""
    _, content, _, kind, added, removed, replaced, moved, similarity, blob, diff_version, checksum = row
    covered = content, diff_version, kind, added, removed, replaced, moved, similarity, blob
    DELTA_ROWS.require(content, checksum, *covered)
    return changed_fields.decoded(blob)


class ReadCache(msgspec.Struct, frozen=True):
    """What the rows of one list share, once it was read: by id, the patterns of fields and the uids of endpoints."""

    patterns: dict[int, str] = {}
    endpoints: dict[int, bytes] = {}


def to_listed(tx: Tx, row: Row, read: ReadCache) -> Listed:
    captured_at, content, endpoint, kind, added, removed, replaced, moved, similarity = row[:9]
    stored = _fields_of(row)
    flat = stored.ids_and_counts
    for field in flat[::2]:
        if field not in read.patterns:
            read.patterns[field] = fields.pattern(tx, endpoint, field)
    summary = Summary(
        KINDS[kind],
        added,
        removed,
        replaced,
        moved,
        similarity / MILLION,
        [FieldCount(read.patterns[field], count) for field, count in zip(flat[::2], flat[1::2], strict=True)],
        stored.schema_changes,
        stored.notes,
    )
    return Listed(endpoint, content, captured_at, summary)


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
    if after is None or content_begun_by(tx, project, uid) is None:
        return None
    ends = snapshots_of(tx, after.endpoint, after.captured_at)
    before = None if ends is None else end_by_uid(tx, project, ends[0])
    return None if before is None else (before, after)


_BEGUN = """
SELECT c.id FROM snapshot s CROSS JOIN endpoint e ON e.id = s.endpoint
CROSS JOIN content c ON c.id = s.content AND c.captured_at = s.captured_at
WHERE e.project = ? AND e.deleted_at IS NULL AND s.uid = ?
"""


def content_begun_by(tx: Tx, project: int, uid: bytes) -> int | None:
    """The content that first appeared in snapshot `uid`, None when it repeats the one before."""
    row = tx.one(_BEGUN, project, uid)
    return None if row is None else int(row[0])


def basis(tx: Tx, endpoint: int) -> Basis:
    row = tx.one("SELECT diff, diff_version, found_keys FROM endpoint WHERE id = ?", endpoint) or ("{}", 0, "{}")
    return Basis(row[0], row[1], msgspec.json.decode(row[2], type=Votes))


def endpoint_uid(tx: Tx, endpoint: int, read: ReadCache) -> bytes:
    if endpoint not in read.endpoints:
        row = tx.one("SELECT uid FROM endpoint WHERE id = ?", endpoint)
        read.endpoints[endpoint] = bytes(row[0]) if row else b""
    return read.endpoints[endpoint]


def _end(row: Row | None) -> End | None:
    return None if row is None else End(*row)


def snapshots_of(tx: Tx, endpoint: int, captured_at: int) -> tuple[bytes, bytes] | None:
    """Ids of the snapshot captured then and of the one just before it."""
    sql = "SELECT uid FROM snapshot WHERE endpoint = ? AND captured_at <= ? ORDER BY captured_at DESC LIMIT 2"
    rows = tx.all(sql, endpoint, captured_at)
    return (rows[1][0], rows[0][0]) if len(rows) == 2 else None


def vote(tx: Tx, endpoint: int, found: Iterable[Mapping[str, Fields]]) -> None:
    """Count the keys that some deltas found."""
    new = old = basis(tx, endpoint).votes
    for keys in found:
        new = key_cache.add_votes(new, keys)
    if new is not old:
        tx.run("UPDATE endpoint SET found_keys = ? WHERE id = ?", msgspec.json.encode(new).decode(), endpoint)
