"""What projects have and occupy. The counters are kept by triggers (the migration usage.sql): here they are read,
compared with what is stored, and made into a history. Times are in ms."""

from collections.abc import Sequence

import msgspec

from delta_server.core import plan_windows, times
from delta_server.storage.cold.store import OF_ENDPOINT
from delta_server.storage.database import LISTED, Tx, listed


class Usage(msgspec.Struct, frozen=True):
    """What a project has. `raw_bytes` is the size of its contents decoded, `stored_bytes` what they take."""

    endpoints: int
    snapshots: int
    contents: int
    raw_bytes: int
    stored_bytes: int


class Occupied(msgspec.Struct, frozen=True):
    """What a project takes in the database and the blob store: documents with the rows of their snapshots, events with
    their rollups, the keys by which duplicate events are known, profiles, deliveries of datasets, and the newest
    versions of synced records; also what is deleted and not removed yet."""

    document_bytes: int
    event_bytes: int
    key_bytes: int
    profile_bytes: int
    dataset_bytes: int
    record_bytes: int

    @property
    def total(self) -> int:
        return sum(msgspec.structs.astuple(self))


class Counters(msgspec.Struct, frozen=True):
    usage: Usage
    occupied: Occupied
    hour_snapshots: int
    month_events: int
    sync_records: int
    webhooks: int
    is_counted: bool
    """False: what was stored by an older version is not all counted yet."""


class UsedHour(msgspec.Struct, frozen=True):
    """One row of the history: of an hour, or of a day."""

    start: int
    snapshots: int
    events: int
    storage_bytes: int | None


_USAGE = "endpoints, snapshots, contents, raw_bytes, stored_bytes"
_OCCUPIED = ", ".join(Occupied.__struct_fields__)
_OCCUPIED_BYTES = " + ".join(Occupied.__struct_fields__)


def plan_of(tx: Tx, project: int) -> str | None:
    """None for a project that is not there."""
    row = tx.one("SELECT plan FROM project WHERE project.id = ?", project)
    return row[0] if row else None


def counters(tx: Tx, project: int) -> Counters | None:
    """As of now; None while nothing counts."""
    row = tx.one(
        f"SELECT {_USAGE}, {_OCCUPIED}, iif(hour = ?, hour_snapshots, 0), iif(month = ?, month_events, 0),"
        " sync_records, webhooks, counted_at"
        " FROM project_use WHERE project = ?",
        plan_windows.hour(tx.now_ms),
        plan_windows.month(tx.now_ms),
        project,
    )
    if row is None:
        return None
    return Counters(Usage(*row[:5]), Occupied(*row[5:11]), row[11], row[12], row[13], row[14], row[15] > 0)


def of_endpoint(tx: Tx, endpoint: int) -> tuple[int, int, int] | None:
    """Its snapshots, the bytes of its contents decoded and those they take; None while nothing counts."""
    return of_endpoints(tx, [endpoint]).get(endpoint)


def of_endpoints(tx: Tx, endpoints: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """Of each for which something counts, as `of_endpoint`."""
    rows = tx.all(
        f"SELECT endpoint, snapshots, raw_bytes, stored_bytes FROM endpoint_use WHERE endpoint IN {LISTED}",
        listed(endpoints),
    )
    return {row[0]: row[1:] for row in rows}


def add_snapshots(tx: Tx, project: int, count: int) -> None:
    """To those of this hour."""
    hour = plan_windows.hour(tx.now_ms)
    tx.run(
        "UPDATE project_use SET hour_snapshots = ? + iif(hour = ?, hour_snapshots, 0), hour = ? WHERE project = ?",
        count,
        hour,
        hour,
        project,
    )
    tx.run(
        "INSERT INTO usage_hour (project, hour, snapshots) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET snapshots = snapshots + excluded.snapshots",
        project,
        hour,
        count,
    )


# Counting what is stored

_OF_ENDPOINT = f"""
SELECT (SELECT count(*) FROM snapshot WHERE endpoint = ?1) AS snapshots,
  (SELECT count(*) FROM content WHERE dead = 0 AND endpoint = ?1) AS contents,
  (SELECT coalesce(sum(size), 0) FROM pack WHERE endpoint = ?1)
    + (SELECT coalesce(sum(size), 0) FROM frame WHERE endpoint = ?1)
    - (SELECT coalesce(sum(size), 0) FROM content WHERE dead = 1 AND endpoint = ?1) AS raw_bytes,
  (SELECT coalesce(sum(length(anchor) + length(data) + length(members)), 0) FROM pack WHERE endpoint = ?1)
    + {OF_ENDPOINT}
    + (SELECT coalesce(sum(length(data) + file_bytes), 0) FROM frame WHERE endpoint = ?1) AS stored_bytes,
  (SELECT coalesce(sum(100 + coalesce(octet_length(metadata), 0) + coalesce(octet_length(source), 0)), 0)
    FROM snapshot WHERE endpoint = ?1)
    + 80 * ((SELECT count(*) FROM content WHERE dead = 0 AND endpoint = ?1)
      + (SELECT count(*) FROM content WHERE dead = 1 AND endpoint = ?1)) AS row_bytes
"""
"""A million snapshots and contents are counted in 80 ms along their indexes, metadata in 500; bytes add up over packs
(each of hundreds of contents) and the few unpacked frames, never over contents."""


def scanned_usage(tx: Tx, project: int) -> Usage:
    """As the counters say it, by looking at all that is stored."""
    endpoints = [row[0] for row in tx.all("SELECT id FROM endpoint WHERE project = ? AND deleted_at IS NULL", project)]
    rows = [tx.all(_OF_ENDPOINT, endpoint)[0][:4] for endpoint in endpoints]
    return Usage(len(endpoints), *(sum(column) for column in zip(*rows, strict=True))) if rows else Usage(0, 0, 0, 0, 0)


def to_count(tx: Tx, before_ms: int, limit: int) -> list[int]:
    """Projects that no counter knows, and those counted longest ago, before that time."""
    rows = tx.all(
        "SELECT id FROM project LEFT JOIN project_use ON project_use.project = project.id"
        " WHERE coalesce(counted_at, 0) < ? ORDER BY coalesce(counted_at, 0), id LIMIT ?",
        before_ms,
        limit,
    )
    return [row[0] for row in rows]


def begin_counting(tx: Tx, project: int) -> None:
    """From now on what comes and goes is counted."""
    tx.run(
        "INSERT INTO project_use (project, counted_at) SELECT id, 0 FROM project WHERE project.id = ?"
        " ON CONFLICT DO NOTHING",
        project,
    )


def begin_counting_endpoints(tx: Tx, project: int, limit: int) -> bool:
    """False when all are."""
    return bool(
        tx.run(
            "INSERT INTO endpoint_use (endpoint, project, living) SELECT id, project, deleted_at IS NULL FROM endpoint"
            " WHERE project = ? AND NOT EXISTS (SELECT 1 FROM endpoint_use WHERE endpoint_use.endpoint = endpoint.id)"
            " LIMIT ?",
            project,
            limit,
        )
    )


def endpoints_of(tx: Tx, project: int) -> list[int]:
    """Deleted ones as well, until they are removed."""
    return [row[0] for row in tx.all("SELECT id FROM endpoint WHERE project = ? ORDER BY id", project)]


def endpoint_drift(tx: Tx, endpoint: int) -> tuple[int, ...]:
    """By how much the counters are below what is stored. Whatever comes or goes later leaves it as it is."""
    rows = tx.all(
        f"SELECT s.snapshots - u.snapshots, s.contents - u.contents, s.raw_bytes - u.raw_bytes,"
        f" s.stored_bytes - u.stored_bytes, s.row_bytes - u.row_bytes FROM ({_OF_ENDPOINT}) AS s, endpoint_use AS u"
        " WHERE u.endpoint = ?1",
        endpoint,
    )
    return tuple(rows[0]) if rows else ()


def mend_endpoint(tx: Tx, endpoint: int, drift: Sequence[int]) -> None:
    tx.run(
        "UPDATE endpoint_use SET snapshots = snapshots + ?, contents = contents + ?, raw_bytes = raw_bytes + ?,"
        " stored_bytes = stored_bytes + ?, row_bytes = row_bytes + ? WHERE endpoint = ?",
        *drift,
        endpoint,
    )


_OF_PROJECT = """
SELECT (SELECT count(*) FROM endpoint WHERE project = ?1 AND deleted_at IS NULL) AS endpoints,
  coalesce(sum(living * snapshots), 0) AS snapshots, coalesce(sum(living * contents), 0) AS contents,
  coalesce(sum(living * raw_bytes), 0) AS raw_bytes, coalesce(sum(living * stored_bytes), 0) AS stored_bytes,
  coalesce(sum(stored_bytes + row_bytes), 0) AS document_bytes,
  (SELECT coalesce(sum(length(events)), 0) FROM event_block WHERE project = ?1)
    + (SELECT coalesce(sum(stored_bytes), 0) FROM segment WHERE project = ?1)
    + (SELECT coalesce(sum(stored_bytes), 0) FROM rollup WHERE project = ?1) AS event_bytes,
  (SELECT coalesce(sum(key_bytes), 0) FROM usage_hour WHERE project = ?1) AS key_bytes,
  (SELECT coalesce(sum(100 + octet_length(traits) + octet_length(told_at)), 0) FROM profile WHERE project = ?1)
    AS profile_bytes,
  (SELECT coalesce(sum(coalesce(manifest ->> '$.current.stored_bytes', 0)
      + coalesce(manifest ->> '$.previous.stored_bytes', 0)), 0) FROM dataset_client WHERE project = ?1)
    + (SELECT coalesce(sum(more_bytes), 0) FROM dataset_upload
      WHERE client IN (SELECT id FROM dataset_client WHERE project = ?1)) AS dataset_bytes,
  (SELECT coalesce(sum(size_bytes), 0) FROM sync_space WHERE project = ?1) AS record_bytes,
  (SELECT coalesce(sum(records), 0) FROM sync_space WHERE project = ?1) AS sync_records,
  (SELECT count(*) FROM webhook WHERE project = ?1) AS webhooks
FROM endpoint_use WHERE endpoint IN (SELECT id FROM endpoint WHERE project = ?1)
"""
_PROJECT_COLUMNS = [*_USAGE.split(", "), *_OCCUPIED.split(", "), "sync_records", "webhooks"]


def project_drift(tx: Tx, project: int) -> tuple[int, ...]:
    """As `endpoint_drift`: of sums over endpoints that are right, and of events and profiles."""
    columns = ", ".join(f"s.{name} - u.{name}" for name in _PROJECT_COLUMNS)
    rows = tx.all(f"SELECT {columns} FROM ({_OF_PROJECT}) AS s, project_use AS u WHERE u.project = ?1", project)
    return tuple(rows[0]) if rows else ()


def mend_project(tx: Tx, project: int, drift: Sequence[int]) -> None:
    columns = ", ".join(f"{name} = {name} + ?" for name in _PROJECT_COLUMNS)
    tx.run(f"UPDATE project_use SET {columns}, counted_at = ? WHERE project = ?", *drift, tx.now_ms, project)


# History


def hours(tx: Tx, project: int, span: tuple[int, int], limit: int) -> list[UsedHour]:
    """The newest first, those that begin in the half-open `span`."""
    rows = tx.all(
        "SELECT hour, snapshots, events, storage_bytes FROM usage_hour"
        " WHERE project = ? AND hour >= ? AND hour < ? ORDER BY hour DESC LIMIT ?",
        project,
        *span,
        limit,
    )
    return [UsedHour(*row) for row in rows]


def days(tx: Tx, project: int, span: tuple[int, int], limit: int) -> list[UsedHour]:
    """As `hours`, those that are not days yet added up."""
    rows = tx.all(
        "SELECT day, sum(snapshots), sum(events), max(storage_bytes) FROM ("
        " SELECT day, snapshots, events, storage_bytes FROM usage_day WHERE project = ?1 UNION ALL"
        " SELECT hour - hour % ?2, snapshots, events, storage_bytes FROM usage_hour WHERE project = ?1)"
        " WHERE day >= ?3 AND day < ?4 GROUP BY day ORDER BY day DESC LIMIT ?5",
        project,
        times.DAY_MS,
        *span,
        limit,
    )
    return [UsedHour(*row) for row in rows]


def to_note(tx: Tx, after: int, limit: int) -> list[int]:
    """Projects behind `after` whose storage is not what was noted last."""
    rows = tx.all(
        f"SELECT project FROM project_use WHERE project > ? AND counted_at > 0 AND noted_bytes <> {_OCCUPIED_BYTES}"
        " ORDER BY project LIMIT ?",
        after,
        limit,
    )
    return [row[0] for row in rows]


def note_storage(tx: Tx, project: int) -> None:
    tx.run(
        f"INSERT INTO usage_hour (project, hour, storage_bytes) SELECT project, ?, {_OCCUPIED_BYTES} FROM project_use"
        " WHERE project = ? ON CONFLICT DO UPDATE"
        " SET storage_bytes = max(coalesce(storage_bytes, 0), excluded.storage_bytes)",
        plan_windows.hour(tx.now_ms),
        project,
    )
    tx.run(f"UPDATE project_use SET noted_bytes = {_OCCUPIED_BYTES} WHERE project = ?", project)


def release_keys(tx: Tx, before_ms: int, limit: int) -> bool:
    """Deduplication keys of hours before that time are counted no more; False when there are none."""
    rows = tx.all(
        "SELECT project, hour, key_bytes FROM usage_hour WHERE key_bytes > 0 AND hour < ? LIMIT ?", before_ms, limit
    )
    tx.many(
        "UPDATE project_use SET key_bytes = key_bytes - ? WHERE project = ?",
        [(size, project) for project, _, size in rows],
    )
    tx.many(
        "UPDATE usage_hour SET key_bytes = 0 WHERE project = ? AND hour = ?",
        [(project, hour) for project, hour, _ in rows],
    )
    return bool(rows)


def roll_up(tx: Tx, before_ms: int, limit: int) -> bool:
    """Some hours before that moment, the first of a day, become days; False when there are none."""
    rows = tx.all(
        "SELECT DISTINCT project, hour - hour % ? FROM (SELECT project, hour FROM usage_hour WHERE hour < ?"
        " ORDER BY hour LIMIT ?)",
        times.DAY_MS,
        before_ms,
        limit,
    )
    for project, day in rows:
        tx.run(
            "INSERT INTO usage_day (project, day, snapshots, events, storage_bytes)"
            " SELECT project, ?, sum(snapshots), sum(events), max(storage_bytes) FROM usage_hour"
            " WHERE project = ? AND hour >= ? AND hour < ? GROUP BY project ON CONFLICT DO UPDATE"
            " SET snapshots = snapshots + excluded.snapshots, events = events + excluded.events,"
            " storage_bytes = max(coalesce(storage_bytes, excluded.storage_bytes),"
            " coalesce(excluded.storage_bytes, storage_bytes))",
            day,
            project,
            day,
            day + times.DAY_MS,
        )
        tx.run("DELETE FROM usage_hour WHERE project = ? AND hour >= ? AND hour < ?", project, day, day + times.DAY_MS)
    return bool(rows)


def expire_days(tx: Tx, before_ms: int, limit: int) -> bool:
    """False when nothing was left to delete."""
    sql = (
        "DELETE FROM usage_day WHERE (project, day) IN (SELECT project, day FROM usage_day WHERE day < ?"
        " ORDER BY day LIMIT ?)"
    )
    return bool(tx.run(sql, before_ms, limit))


# Deleting


def delete_of_endpoint(tx: Tx, endpoint: int, limit: int) -> bool:
    """Of a deleted endpoint that has nothing else any more."""
    return bool(tx.run("DELETE FROM endpoint_use WHERE endpoint = ?", endpoint))


_OWNED = (
    "DELETE FROM usage_hour WHERE project = ?1 AND hour IN (SELECT hour FROM usage_hour WHERE project = ?1 LIMIT ?2)",
    "DELETE FROM usage_day WHERE project = ?1 AND day IN (SELECT day FROM usage_day WHERE project = ?1 LIMIT ?2)",
    "DELETE FROM project_use WHERE project IN (SELECT project FROM project_use WHERE project = ?1 LIMIT ?2)",
)


def delete_of_project(tx: Tx, project: int, limit: int) -> bool:
    """Up to `limit` rows of a deleted project; False when none is left."""
    return any(tx.run(sql, project, limit) for sql in _OWNED)
