"""Snapshot rows. No two snapshots of an endpoint have the same `captured_at`, so times alone order its timeline."""

from collections.abc import Iterator, Sequence

import msgspec

from delta_server.core.errors import Conflict
from delta_server.core.history.timeline_span import Position, TimelineSpan
from delta_server.features.activity import service as activity
from delta_server.storage import paging as walks
from delta_server.storage.database import LISTED, Row, Tx, listed
from delta_server.storage.row_checksums import ChecksummedTable

MAX_TIME_PROBES = 1000


SNAPSHOT_ROWS = ChecksummedTable("snapshot", key=("id",), covered=("uid", "source", "metadata"), has_text=True)
"""All else is in an index too, with which the check of the file compares it, or is other rows' to tell."""


class Extent(msgspec.Struct, frozen=True):
    """Times are in ms, None without snapshots."""

    count: int
    first_captured_at: int | None
    last_captured_at: int | None


class Snapshot(msgspec.Struct, frozen=True):
    captured_at: int
    id: int
    uid: bytes
    content: int
    source: str | None
    metadata: str | None
    size: int
    hash: bytes
    unchanged: bool
    endpoint: int
    endpoint_uid: bytes
    endpoint_name: str
    checksum: int | None = None

    def require_texts(self) -> None:
        """Raises DatabaseFailed when source or metadata are not what was stored."""
        SNAPSHOT_ROWS.require(self.id, self.checksum, self.uid, self.source, self.metadata)

    @property
    def position(self) -> Position:
        return self.captured_at, self.id


_COLUMNS = """
SELECT s.captured_at, s.id, s.uid, s.content, s.source, s.metadata, c.size, c.hash,
  s.captured_at > c.captured_at,
  e.id, e.uid, e.name, s.checksum
"""
_ALL = f"{_COLUMNS} FROM endpoint e JOIN snapshot s ON s.endpoint = e.id JOIN content c ON c.id = s.content"
_CHANGED = f"""{_COLUMNS} FROM endpoint e JOIN content c ON c.endpoint = e.id AND c.dead = 0
  JOIN snapshot s ON s.endpoint = c.endpoint AND s.captured_at = c.captured_at"""
_OF_PROJECT = "WHERE e.project = ? AND e.deleted_at IS NULL"

_BY_UID = f"{_ALL} {_OF_PROJECT} AND s.uid = ?"
_AT = f"{_ALL} {_OF_PROJECT} AND e.id = ? AND s.captured_at <= ? ORDER BY s.captured_at DESC, s.id DESC LIMIT 1"
_DOWN = """AND e.id = ? AND {0}.captured_at BETWEEN ? AND ? AND NOT ({0}.captured_at = ? AND s.id >= ?)
  ORDER BY {0}.captured_at DESC, {0}.id DESC LIMIT ?"""
_UP = """AND e.id = ? AND {0}.captured_at BETWEEN ? AND ? AND NOT ({0}.captured_at = ? AND s.id <= ?)
  ORDER BY {0}.captured_at, {0}.id LIMIT ?"""
_PAGES = {
    # (changed only, descending) -> statement
    (False, True): f"{_ALL} {_OF_PROJECT} {_DOWN.format('s')}",
    (False, False): f"{_ALL} {_OF_PROJECT} {_UP.format('s')}",
    (True, True): f"{_CHANGED} {_OF_PROJECT} {_DOWN.format('c')}",
    (True, False): f"{_CHANGED} {_OF_PROJECT} {_UP.format('c')}",
}


def by_uid(tx: Tx, project: int, uid: bytes) -> Snapshot | None:
    return _snapshot(tx.one(_BY_UID, project, uid))


def snapshot_at(tx: Tx, project: int, endpoint: int, time_ms: int) -> Snapshot | None:
    """The endpoint's last snapshot captured at or before `time_ms`."""
    return _snapshot(tx.one(_AT, project, endpoint, time_ms))


def by_rows(tx: Tx, project: int, rows: Sequence[int]) -> list[Snapshot]:
    """Those of `rows` that are there, in their order."""
    found = tx.all(f"{_ALL} {_OF_PROJECT} AND s.id IN {LISTED}", project, listed(rows))
    by_id = {snapshot.id: snapshot for snapshot in map(from_row, found)}
    return [by_id[row] for row in rows if row in by_id]


def heads(tx: Tx, project: int, span: TimelineSpan) -> list[tuple[int, int]]:
    """(time of its first snapshot along `span`, endpoint) of those that have one there: a look into the index each."""
    first = "max" if span.descending else "min"
    rows = tx.all(
        f"""SELECT (SELECT {first}(captured_at) FROM snapshot WHERE endpoint = e.id
                    AND captured_at BETWEEN ? AND ?), e.id
            FROM endpoint e WHERE e.project = ? AND e.deleted_at IS NULL""",
        *span.bounds()[:2],
        project,
    )
    return [(row[0], row[1]) for row in rows if row[0] is not None]


def walk(
    tx: Tx, project: int, endpoint: int, span: TimelineSpan, *, changed_only: bool, most: int, first: int | None = None
) -> Iterator[Row]:
    """Rows of one endpoint's snapshots along `span`, pages as in storage/paging.py; `from_row` names their columns."""
    statement = _PAGES[changed_only, span.descending]
    return walks.pages(tx, statement, (project, endpoint), span, most=most, first=first)


_INSERT = (
    "INSERT INTO snapshot (id, uid, endpoint, captured_at, content, source, metadata, checksum)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def insert_snapshot(
    tx: Tx, endpoint: int, captured_at: int, content: int, source: str | None, metadata: str | None
) -> tuple[int, bytes]:
    """The new row, and its id on the wire. Its caller counts it (features/activity): some insert very many."""
    values = _row(tx, None, endpoint, captured_at, content, source, metadata)
    return tx.insert(_INSERT, *values), values[1]


def _row(
    tx: Tx, id: int | None, endpoint: int, captured_at: int, content: int, source: str | None, metadata: str | None
) -> tuple[int | None, bytes, int, int, int, str | None, str | None, int | None]:
    uid = tx.new_id()
    has_text = source is not None or metadata is not None
    checksum = SNAPSHOT_ROWS.checksum(uid, source, metadata) if has_text else None
    return id, uid, endpoint, captured_at, content, source, metadata, checksum


def insert_imported(tx: Tx, endpoint: int, versions: Sequence[tuple[int, int, str | None, str | None]]) -> list[int]:
    """As `insert_snapshot`, of many at once: (time, content, source, metadata). The new rows."""
    first, _ = insert_snapshot(tx, endpoint, *versions[0])
    rows = list(range(first, first + len(versions)))
    tx.many(_INSERT, [_row(tx, id, endpoint, *version) for id, version in zip(rows[1:], versions[1:], strict=True)])
    return rows


def delete(tx: Tx, snapshot: int) -> None:
    for endpoint, captured_at in tx.all("DELETE FROM snapshot WHERE id = ? RETURNING endpoint, captured_at", snapshot):
        activity.count_snapshots(tx, endpoint, {captured_at: -1})


def delete_some(tx: Tx, endpoint: int, limit: int) -> bool:
    """Delete up to `limit` snapshots of a deleted endpoint; False when none is left."""
    sql = "DELETE FROM snapshot WHERE id IN (SELECT id FROM snapshot WHERE endpoint = ? LIMIT ?)"
    return tx.run(sql, endpoint, limit) > 0


def first_of(tx: Tx, endpoint: int, content: int, from_ms: int, to_ms: int) -> int | None:
    """When `content` was first seen at `from_ms` or later and before `to_ms`, None if not."""
    row = tx.one(
        """SELECT captured_at FROM snapshot WHERE endpoint = ? AND captured_at >= ? AND captured_at < ? AND content = ?
           ORDER BY captured_at LIMIT 1""",
        endpoint,
        from_ms,
        to_ms,
        content,
    )
    return None if row is None else int(row[0])


def move_run(tx: Tx, endpoint: int, old: int, new: int, from_ms: int, to_ms: int) -> None:
    """Let the snapshots of content `old` from `from_ms` and before `to_ms` have content `new`."""
    tx.run(
        "UPDATE snapshot SET content = ? WHERE endpoint = ? AND captured_at >= ? AND captured_at < ? AND content = ?",
        new,
        endpoint,
        from_ms,
        to_ms,
        old,
    )


def content_hashes(tx: Tx, endpoint: int, first_ms: int, last_ms: int) -> dict[int, bytes]:
    """By captured_at, the content hash of what is there from `first_ms` to `last_ms` inclusive: an import skips it."""
    rows = tx.all(
        """SELECT s.captured_at, c.hash FROM snapshot s JOIN content c ON c.id = s.content
           WHERE s.endpoint = ? AND s.captured_at BETWEEN ? AND ?""",
        endpoint,
        first_ms,
        last_ms,
    )
    return {row[0]: row[1] for row in rows}


def count(tx: Tx, project: int, endpoint: int, from_ms: int, to_ms: int) -> int:
    row = tx.one(
        """SELECT count(*) FROM endpoint e JOIN snapshot s ON s.endpoint = e.id
           WHERE e.project = ? AND e.id = ? AND s.captured_at >= ? AND s.captured_at < ?""",
        project,
        endpoint,
        from_ms,
        to_ms,
    )
    return 0 if row is None else int(row[0])


def with_metadata(tx: Tx, endpoint: int) -> list[Row]:
    """(captured_at, content hash, metadata) of all snapshots of an endpoint."""
    return tx.all(
        """SELECT s.captured_at, c.hash, s.metadata FROM snapshot s JOIN content c ON c.id = s.content
           WHERE s.endpoint = ? ORDER BY s.captured_at""",
        endpoint,
    )


def before(tx: Tx, endpoint: int, before_ms: int) -> tuple[int, int]:
    """How many snapshots were captured before `before_ms`, and the bytes of documents that no later one has."""
    row = tx.one(
        """SELECT (SELECT count(*) FROM snapshot WHERE endpoint = ?1 AND captured_at < ?2),
             (SELECT coalesce(sum(size), 0) FROM content WHERE endpoint = ?1 AND dead = 0 AND captured_at < ?2)
             - coalesce((SELECT c.size FROM snapshot s JOIN content c ON c.id = s.content
                         WHERE s.endpoint = ?1 AND s.captured_at >= ?2 AND c.captured_at < ?2
                         ORDER BY s.captured_at LIMIT 1), 0)""",
        endpoint,
        before_ms,
    )
    assert row is not None
    return row[0], row[1]


def oldest(tx: Tx, endpoint: int, before_ms: int, limit: int) -> list[Row]:
    """(id, captured_at, content) of the oldest snapshots before `before_ms`."""
    return tx.all(
        """SELECT id, captured_at, content FROM snapshot WHERE endpoint = ? AND captured_at < ?
           ORDER BY captured_at, id LIMIT ?""",
        endpoint,
        before_ms,
        limit,
    )


def first_at(tx: Tx, endpoint: int, captured_at: int) -> bytes | None:
    """The id of the snapshot captured then: the one in which the content of that time first appeared."""
    row = tx.one("SELECT uid FROM snapshot WHERE endpoint = ? AND captured_at = ?", endpoint, captured_at)
    return None if row is None else bytes(row[0])


def arrivals(tx: Tx, endpoint: int, after: int, before: int, limit: int) -> list[tuple[int, bytes, int]]:
    """(captured_at, id, content) of snapshots captured after a time and before another, in order."""
    return tx.all(
        "SELECT captured_at, uid, content FROM snapshot WHERE endpoint = ? AND captured_at > ? AND captured_at < ?"
        " ORDER BY captured_at LIMIT ?",
        endpoint,
        after,
        before,
        limit,
    )


def uid_before(tx: Tx, endpoint: int, at: int) -> bytes | None:
    """The id of the last snapshot captured before a time."""
    sql = "SELECT uid FROM snapshot WHERE endpoint = ? AND captured_at < ? ORDER BY captured_at DESC LIMIT 1"
    row = tx.one(sql, endpoint, at)
    return None if row is None else bytes(row[0])


def uid_after(tx: Tx, endpoint: int, at: int) -> bytes | None:
    """The id of the first snapshot captured after a time."""
    sql = "SELECT uid FROM snapshot WHERE endpoint = ? AND captured_at > ? ORDER BY captured_at LIMIT 1"
    row = tx.one(sql, endpoint, at)
    return None if row is None else bytes(row[0])


def count_between(tx: Tx, endpoint: int, first: int, last: int) -> int:
    """Both ends count. Runs along an index."""
    sql = "SELECT count(*) FROM snapshot WHERE endpoint = ? AND captured_at BETWEEN ? AND ?"
    row = tx.one(sql, endpoint, first, last)
    return int(row[0]) if row else 0


def ends(tx: Tx, endpoint: int) -> tuple[int, int] | None:
    """When the first and the last snapshot were captured, None without any."""
    row = tx.one(
        """SELECT (SELECT min(captured_at) FROM snapshot WHERE endpoint = ?1),
             (SELECT max(captured_at) FROM snapshot WHERE endpoint = ?1)""",
        endpoint,
    )
    return None if row is None or row[0] is None else (row[0], row[1])


def extents(tx: Tx, endpoints: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """Of each with snapshots when the first and the last were captured, and the size of the latest document."""
    rows = tx.all(
        """WITH ends AS MATERIALIZED (
          SELECT value AS endpoint, (SELECT min(captured_at) FROM snapshot WHERE endpoint = value) AS first,
            (SELECT max(captured_at) FROM snapshot WHERE endpoint = value) AS last FROM json_each(?))
        SELECT ends.endpoint, ends.first, ends.last, c.size FROM ends
        CROSS JOIN snapshot s ON s.endpoint = ends.endpoint AND s.captured_at = ends.last
        JOIN content c ON c.id = s.content""",
        listed(endpoints),
    )
    return {row[0]: row[1:] for row in rows}


def times_before(tx: Tx, endpoint: int, before_ms: int, limit: int) -> list[int]:
    """Of up to `limit` snapshots captured before a time, newest first."""
    rows = tx.all(
        "SELECT captured_at FROM snapshot WHERE endpoint = ? AND captured_at < ? ORDER BY captured_at DESC LIMIT ?",
        endpoint,
        before_ms,
        limit,
    )
    return [row[0] for row in rows]


def by_bucket(tx: Tx, endpoint: int, *, origin_ms: int, interval_ms: int, first: int, end: int) -> dict[int, int]:
    """Bucket number -> snapshots captured in it, from `first` ms and before `end` ms. Reads one index only."""
    rows = tx.all(
        """SELECT (captured_at - ?) / ? AS bucket, count(*) FROM snapshot
           WHERE endpoint = ? AND captured_at >= ? AND captured_at < ? GROUP BY bucket""",
        origin_ms,
        interval_ms,
        endpoint,
        first,
        end,
    )
    return {row[0]: row[1] for row in rows}


def extent(tx: Tx, endpoint: int) -> Extent:
    """The ends are looked up, the count runs along an index."""
    row = tx.one(
        """SELECT (SELECT count(*) FROM snapshot WHERE endpoint = ?1),
             (SELECT min(captured_at) FROM snapshot WHERE endpoint = ?1),
             (SELECT max(captured_at) FROM snapshot WHERE endpoint = ?1)""",
        endpoint,
    )
    assert row is not None
    return Extent(*row)


def has_snapshot_at(tx: Tx, endpoint: int, captured_at: int) -> bool:
    return tx.one("SELECT 1 FROM snapshot WHERE endpoint = ? AND captured_at = ?", endpoint, captured_at) is not None


def free_time(tx: Tx, endpoint: int, captured_at: int) -> int:
    """`captured_at` if no snapshot has it, else the next free millisecond. Raises Conflict in a crowd."""
    if not has_snapshot_at(tx, endpoint, captured_at):
        return captured_at
    row = tx.one(
        """SELECT captured_at + 1 FROM snapshot s WHERE endpoint = ? AND captured_at BETWEEN ? AND ? AND NOT EXISTS (
             SELECT 1 FROM snapshot WHERE endpoint = s.endpoint AND captured_at = s.captured_at + 1)
           ORDER BY captured_at LIMIT 1""",
        endpoint,
        captured_at,
        captured_at + MAX_TIME_PROBES - 2,
    )
    if row is None:
        raise Conflict(
            f"{MAX_TIME_PROBES} snapshots have this captured_at and the milliseconds after it", field="captured_at"
        )
    return int(row[0])


def newest_at(tx: Tx, endpoint: int, rank: int) -> int | None:
    """When the `rank`-th newest snapshot (1: the head) was captured, None when there are fewer."""
    row = tx.one(
        "SELECT captured_at FROM snapshot WHERE endpoint = ? ORDER BY captured_at DESC, id DESC LIMIT 1 OFFSET ?",
        endpoint,
        rank - 1,
    )
    return None if row is None else int(row[0])


def with_retention(tx: Tx) -> list[tuple[int, str]]:
    """(endpoint, retention as JSON) of all endpoints that have one."""
    rows = tx.all("SELECT id, retention FROM endpoint WHERE deleted_at IS NULL AND retention NOT IN ('', '{}')")
    return [(row[0], row[1]) for row in rows]


def _snapshot(row: Row | None) -> Snapshot | None:
    return None if row is None else from_row(row)


def from_row(row: Row) -> Snapshot:
    columns = list(row)
    columns[8] = bool(columns[8])
    return Snapshot(*columns)
