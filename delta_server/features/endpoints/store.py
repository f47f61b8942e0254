"""Endpoints. `diff` and `retention` are JSON of what differs from the defaults, so defaults may improve."""

from collections.abc import Sequence

import msgspec

from delta_server.core import ids, times
from delta_server.core.binned import Binned
from delta_server.features.polling.service import PollingShown
from delta_server.storage.database import LISTED, Row, Tx, listed

_MOST_AHEAD = 1000


class Endpoint(msgspec.Struct, frozen=True):
    """Times are in ms."""

    id: int
    uid: bytes
    project: int
    name: str
    description: str
    diff: str
    retention: str
    diff_version: int
    created_at: int
    updated_at: int
    binned: Binned | None = None


class EndpointWithHead(msgspec.Struct, frozen=True):
    """An endpoint, when its latest snapshot was captured, None without any, and how it is polled: only for answers
    about the endpoint."""

    endpoint: Endpoint
    last_captured_at: int | None
    polling: PollingShown | None = None


_COLUMNS = "id, uid, project, name, description, diff, retention, diff_version, created_at, updated_at"


def by_uid(tx: Tx, project: int, uid: bytes) -> Endpoint | None:
    sql = f"SELECT {_COLUMNS} FROM endpoint WHERE project = ? AND uid = ? AND deleted_at IS NULL"
    return _endpoint(tx.one(sql, project, uid))


def by_name(tx: Tx, project: int, name: str) -> Endpoint | None:
    sql = f"SELECT {_COLUMNS} FROM endpoint WHERE project = ? AND name = ? AND deleted_at IS NULL"
    return _endpoint(tx.one(sql, project, name))


def by_row(tx: Tx, project: int, endpoint: int) -> Endpoint | None:
    sql = f"SELECT {_COLUMNS} FROM endpoint WHERE project = ? AND id = ? AND deleted_at IS NULL"
    return _endpoint(tx.one(sql, project, endpoint))


def page(tx: Tx, project: int, *, names: tuple[str, str], limit: int) -> list[EndpointWithHead]:
    """By name, those in the half-open range `names`."""
    rows = tx.all(
        f"SELECT {_COLUMNS}, (SELECT max(captured_at) FROM snapshot WHERE snapshot.endpoint = endpoint.id)"
        " FROM endpoint WHERE project = ? AND deleted_at IS NULL AND name >= ? AND name < ? ORDER BY name LIMIT ?",
        project,
        *names,
        limit,
    )
    return [EndpointWithHead(Endpoint(*row[:-1]), row[-1]) for row in rows]


def rows_after(tx: Tx, project: int, after: int, limit: int) -> list[int]:
    """Of a project's endpoints, those behind a row, in order."""
    sql = "SELECT id FROM endpoint WHERE project = ? AND deleted_at IS NULL AND id > ? ORDER BY id LIMIT ?"
    return [row[0] for row in tx.all(sql, project, after, limit)]


def with_head(tx: Tx, endpoint: Endpoint) -> EndpointWithHead:
    row = tx.one("SELECT max(captured_at) FROM snapshot WHERE endpoint = ?", endpoint.id)
    return EndpointWithHead(endpoint, row[0] if row else None)


def insert_endpoint(
    tx: Tx, project: int, *, name: str, description: str = "", diff: str = "{}", retention: str = "{}"
) -> Endpoint:
    uid = tx.new_id()
    endpoint = tx.insert(
        "INSERT INTO endpoint (uid, project, name, description, diff, retention, diff_version, created_at, updated_at,"
        " reindex_before, uncounted_before) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, NULL, NULL)",
        uid,
        project,
        name,
        description,
        diff,
        retention,
        tx.now_ms,
        tx.now_ms,
    )
    return Endpoint(endpoint, uid, project, name, description, diff, retention, 1, tx.now_ms, tx.now_ms)


def exists(tx: Tx, project: int, endpoint: int) -> bool:
    sql = "SELECT 1 FROM endpoint WHERE project = ? AND id = ? AND deleted_at IS NULL"
    return tx.one(sql, project, endpoint) is not None


def update_endpoint(tx: Tx, project: int, endpoint: int, *, name: str, description: str, retention: str) -> None:
    tx.run(
        "UPDATE endpoint SET name = ?, description = ?, retention = ?, updated_at = ?"
        " WHERE project = ? AND id = ? AND deleted_at IS NULL",
        name,
        description,
        retention,
        tx.now_ms,
        project,
        endpoint,
    )


def update_diff(tx: Tx, project: int, endpoint: int, diff: str, *, recompute: bool) -> None:
    """With `recompute` the settings are a new version of them, and all deltas of the endpoint are to be computed
    again."""
    version = ", diff_version = diff_version + 1, recompute_before = ?" if recompute else ""
    tx.run(
        f"UPDATE endpoint SET diff = ?{version} WHERE project = ? AND id = ? AND deleted_at IS NULL",
        diff,
        *([times.LATEST_MS + 1] if recompute else []),
        project,
        endpoint,
    )


def settings_version(tx: Tx, endpoint: int) -> int | None:
    """The version of the diff settings that all deltas were computed with, None while some are computed again."""
    row = tx.one("SELECT diff_version FROM endpoint WHERE id = ? AND recompute_before IS NULL", endpoint)
    return None if row is None else int(row[0])


def content_deltas(tx: Tx, endpoint: int) -> int:
    """How many deltas of the kind `content` there are."""
    row = tx.one("SELECT content_deltas FROM endpoint WHERE id = ?", endpoint)
    return 0 if row is None else int(row[0])


def lives_are_whole(tx: Tx, endpoint: int) -> bool:
    """Whether all deltas that are computed are in the record index."""
    row = tx.one("SELECT reindex_before IS NULL FROM endpoint WHERE id = ?", endpoint)
    return bool(row and row[0])


def uncounted_before(tx: Tx, endpoint: int) -> int:
    """What was captured before it is still to be counted by day; earlier than any time where nothing is."""
    row = tx.one("SELECT uncounted_before FROM endpoint WHERE id = ?", endpoint)
    return times.EARLIEST_MS if row is None or row[0] is None else int(row[0])


def is_counted(tx: Tx, endpoint: int) -> bool:
    """Whether all is counted by day."""
    row = tx.one("SELECT uncounted_before IS NULL FROM endpoint WHERE id = ?", endpoint)
    return bool(row and row[0])


def counted_deltas(tx: Tx, endpoints: Sequence[int]) -> dict[int, tuple[int, bool]]:
    """Of each its deltas of the kind `content`, and whether all is counted by day."""
    rows = tx.all(
        f"SELECT id, content_deltas, uncounted_before IS NULL FROM endpoint WHERE id IN {LISTED}",
        listed(endpoints),
    )
    return {row[0]: (row[1], bool(row[2])) for row in rows}


def next_uncounted(tx: Tx) -> int | None:
    """Of all projects, an endpoint of which something is still to be counted by day."""
    row = tx.one("SELECT id FROM endpoint WHERE uncounted_before IS NOT NULL AND deleted_at IS NULL LIMIT 1")
    return row[0] if row else None


def counted_from(tx: Tx, endpoint: int, time_ms: int | None) -> None:
    """From that time on all is counted; None: all is."""
    tx.run("UPDATE endpoint SET uncounted_before = ? WHERE id = ?", time_ms, endpoint)


# The bin

_IN_BIN = "deleted_at IS NOT NULL AND purge_at > ?"


def bin_page(
    tx: Tx, project: int, *, names: tuple[str, str], before: tuple[int, int], limit: int
) -> list[EndpointWithHead]:
    """What was deleted last first, before (deleted_at, id)."""
    rows = tx.all(
        f"SELECT {_COLUMNS}, deleted_at, purge_at,"
        " (SELECT max(captured_at) FROM snapshot WHERE snapshot.endpoint = endpoint.id)"
        f" FROM endpoint WHERE project = ? AND {_IN_BIN} AND (deleted_at, id) < (?, ?) AND name >= ? AND name < ?"
        " ORDER BY deleted_at DESC, id DESC LIMIT ?",
        project,
        tx.now_ms,
        *before,
        *names,
        limit,
    )
    return [EndpointWithHead(_binned(row[:-1]), row[-1]) for row in rows]


def binned_by_uid(tx: Tx, project: int, uid: bytes) -> Endpoint | None:
    sql = f"SELECT {_COLUMNS}, deleted_at, purge_at FROM endpoint WHERE project = ? AND uid = ? AND {_IN_BIN}"
    row = tx.one(sql, project, uid, tx.now_ms)
    return _binned(row) if row else None


def binned_by_name(tx: Tx, project: int, name: str) -> list[Endpoint]:
    """Two at most: which of them is meant, a name does not say."""
    rows = tx.all(
        f"SELECT {_COLUMNS}, deleted_at, purge_at FROM endpoint WHERE project = ? AND {_IN_BIN} AND name = ? LIMIT 2",
        project,
        tx.now_ms,
        name,
    )
    return [_binned(row) for row in rows]


def mark_deleted(tx: Tx, project: int, endpoint: int, *, purge_at: int | None) -> None:
    """Without a `purge_at` it is being removed, else it lies in the bin until then."""
    tx.run(
        "UPDATE endpoint SET deleted_at = ?, purge_at = ? WHERE project = ? AND id = ? AND deleted_at IS NULL",
        tx.now_ms,
        purge_at,
        project,
        endpoint,
    )


def restore(tx: Tx, project: int, endpoint: int, *, name: str) -> None:
    tx.run(
        "UPDATE endpoint SET updated_at = iif(name = ?1, updated_at, ?2), name = ?1, deleted_at = NULL, purge_at = NULL"
        f" WHERE project = ?3 AND id = ?4 AND {_IN_BIN.replace('?', '?2')}",
        name,
        tx.now_ms,
        project,
        endpoint,
    )


def purge(tx: Tx, project: int, endpoint: int) -> None:
    """From now on what is in the bin is being removed."""
    tx.run(
        "UPDATE endpoint SET purge_at = NULL WHERE project = ? AND id = ? AND deleted_at IS NOT NULL", project, endpoint
    )


def due(tx: Tx, limit: int) -> list[Endpoint]:
    """Of all projects, those whose time in the bin has ended."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM endpoint WHERE deleted_at IS NOT NULL AND purge_at <= ? LIMIT ?", tx.now_ms, limit
    )
    return [Endpoint(*row) for row in rows]


def _binned(row: Row) -> Endpoint:
    return msgspec.structs.replace(Endpoint(*row[:-2]), binned=Binned(*row[-2:]))


def being_removed(tx: Tx) -> list[int]:
    """Endpoints that cannot be restored any more and still have their row."""
    return [row[0] for row in tx.all("SELECT id FROM endpoint WHERE deleted_at IS NOT NULL AND purge_at IS NULL")]


def remove(tx: Tx, endpoint: int) -> None:
    """The row of a deleted endpoint that owns nothing any more."""
    tx.run("DELETE FROM endpoint WHERE endpoint.id = ? AND deleted_at IS NOT NULL AND purge_at IS NULL", endpoint)


def _endpoint(row: Row | None) -> Endpoint | None:
    return Endpoint(*row) if row else None


def came_ahead(tx: Tx, endpoint: int, now_ms: int) -> bool:
    """Whether the endpoint has a snapshot that came in later than now: the clock was ahead then. Of very many that
    callers dated ahead, only the first are looked at."""
    sql = (
        "SELECT 1 FROM (SELECT uid FROM snapshot WHERE endpoint = ? AND captured_at > ? ORDER BY captured_at LIMIT ?)"
        " WHERE uid >= ? LIMIT 1"
    )
    return tx.one(sql, endpoint, now_ms, _MOST_AHEAD, ids.first_at(now_ms + 1)) is not None
