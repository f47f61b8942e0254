"""How endpoints are polled, and when next. Times are in ms."""

from collections.abc import Sequence

import msgspec

from delta_server.core.polling import schedule
from delta_server.storage.database import LISTED, Row, Tx, listed


class Polled(msgspec.Struct, frozen=True):
    """An endpoint that is polled: `settings`, `standing` and `source` are JSON, `uid` is its id on the wire."""

    endpoint: int
    project: int
    uid: bytes
    settings: str
    secrets: bytes | None
    version: int
    due_at: int | None
    host: str
    standing: str
    source: str


class Due(msgspec.Struct, frozen=True):
    endpoint: int
    project: int
    host: str
    due_at: int


_COLUMNS = "endpoint, project, uid, settings, secrets, version, due_at, host, standing, source"


def find(tx: Tx, endpoint: int) -> Polled | None:
    return _polled(tx.one(f"SELECT {_COLUMNS} FROM polling WHERE endpoint = ?", endpoint))


def of_project(tx: Tx, project: int, endpoints: Sequence[int]) -> list[Polled]:
    """Those of `endpoints` that are polled."""
    if tx.one("SELECT 1 FROM polling WHERE project = ? LIMIT 1", project) is None:
        return []
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM polling WHERE project = ? AND endpoint IN {LISTED}",
        project,
        listed(endpoints),
    )
    return [Polled(*row) for row in rows]


def that_failed(tx: Tx, project: int) -> list[Polled]:
    """Those whose last poll failed, or which are paused since."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM polling WHERE project = ? AND active AND standing <> '{{}}'", project)
    return [Polled(*row) for row in rows]


def count(tx: Tx, project: int) -> int:
    """How many count for the plan."""
    row = tx.one("SELECT count(*) FROM polling WHERE project = ? AND active", project)
    return int(row[0]) if row else 0


def put(tx: Tx, project: int, endpoint: int, polled: Polled, *, active: bool) -> None:
    """Nothing is known of its source."""
    tx.run(
        "INSERT INTO polling (endpoint, project, uid, settings, secrets, version, active, due_at, host, standing)"
        " SELECT ?2, ?1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 WHERE true ON CONFLICT DO UPDATE SET settings = ?4,"
        " secrets = ?5, version = ?6, active = ?7, due_at = ?8, host = ?9, standing = ?10, source = '{}'"
        " WHERE polling.project = ?1",
        project,
        endpoint,
        polled.uid,
        polled.settings,
        polled.secrets,
        polled.version,
        int(active),
        polled.due_at,
        polled.host,
        polled.standing,
    )


def end_poll(tx: Tx, endpoint: int, *, version: int, due_at: int | None, standing: str, source: str) -> bool:
    """What a poll with the settings of that version found; False when they were changed meanwhile."""
    return bool(
        tx.run(
            "UPDATE polling SET due_at = ?, standing = ?, source = ? WHERE endpoint = ? AND version = ?",
            due_at,
            standing,
            source,
            endpoint,
            version,
        )
    )


def postpone(tx: Tx, endpoint: int, due_at: int | None) -> None:
    tx.run("UPDATE polling SET due_at = ? WHERE endpoint = ?", due_at, endpoint)


def set_active(tx: Tx, endpoint: int, due_at: int | None, *, active: bool) -> None:
    tx.run("UPDATE polling SET active = ?, due_at = ? WHERE endpoint = ?", int(active), due_at, endpoint)


def set_due(tx: Tx, project: int) -> None:
    """All that is polled is due now, but what its source wants left alone."""
    tx.run(
        "UPDATE polling SET due_at = max(?, coalesce(standing ->> '$.waits_until', 0)) WHERE project = ?"
        " AND due_at IS NOT NULL",
        tx.now_ms,
        project,
    )


def hold_host(tx: Tx, project: int, host: str, until_ms: int) -> None:
    """Nothing else of it is asked before then; from then on they go in the order in which they were due: where one is
    asked to wait again, those behind it are the first of the next time."""
    tx.run(
        """UPDATE polling SET due_at = ?3 + min(?4, held.place), standing = json_set(standing, '$.waits_until', ?3)
           FROM (SELECT endpoint AS id, row_number() OVER (ORDER BY due_at, endpoint) - 1 AS place FROM polling
                 WHERE project = ?1 AND host = ?2 AND due_at <= ?3) AS held WHERE endpoint = held.id""",
        project,
        host,
        until_ms,
        schedule.HELD_APART_MS,
    )


def delete(tx: Tx, endpoint: int) -> bool:
    return bool(tx.run("DELETE FROM polling WHERE endpoint = ?", endpoint))


def delete_some(tx: Tx, endpoint: int, _limit: int) -> bool:
    """Of a deleted endpoint; False when there is nothing."""
    return delete(tx, endpoint)


def asking(tx: Tx, project: int, url: str) -> list[bytes]:
    """Endpoints that ask this address, which is masked: their ids on the wire."""
    sql = "SELECT uid FROM polling WHERE project = ? AND json_extract(settings, '$.url') = ? LIMIT 10"
    return [row[0] for row in tx.all(sql, project, url)]


# Of all projects

_DUE = "SELECT endpoint, project, host, due_at FROM polling WHERE due_at <= ?"


def due(tx: Tx, now_ms: int, without_hosts: Sequence[str], limit: int) -> list[Due]:
    """What was to be polled by now, the longest overdue first."""
    if not without_hosts:
        rows = tx.all(f"{_DUE} ORDER BY due_at LIMIT ?", now_ms, limit)
    else:
        rows = tx.all(f"{_DUE} AND host NOT IN {LISTED} ORDER BY due_at LIMIT ?", now_ms, listed(without_hosts), limit)
    return [Due(*row) for row in rows]


def next_due(tx: Tx, after_ms: int) -> int | None:
    row = tx.one("SELECT min(due_at) FROM polling WHERE due_at > ?", after_ms)
    return row[0] if row else None


def any_due_later(tx: Tx, now_ms: int) -> bool:
    """A look at one row."""
    return tx.one("SELECT 1 FROM polling WHERE due_at > ? LIMIT 1", now_ms) is not None


def due_later(tx: Tx, now_ms: int, after: int, limit: int) -> list[Polled]:
    """Those that are due after now, behind the row `after`."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM polling WHERE endpoint > ? AND due_at > ? ORDER BY endpoint LIMIT ?",
        after,
        now_ms,
        limit,
    )
    return [Polled(*row) for row in rows]


def _polled(row: Row | None) -> Polled | None:
    return Polled(*row) if row else None
