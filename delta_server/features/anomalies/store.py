"""Series that are watched, how far each was judged, and the anomalies that were found. Times are in ms."""

from collections.abc import Mapping, Sequence

import msgspec

from delta_server.core.anomalies.breakdown import Contribution
from delta_server.core.anomalies.detecting import AnomalyKind
from delta_server.core.anomalies.words import SeriesKind
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.storage.database import LISTED, Row, Tx, frees_space, listed

EVENTS = 0
"""In the place of an endpoint."""
Series = tuple[str, str]
"""Kind and name."""


class AnomalyRow(msgspec.Struct, frozen=True):
    """`id`, `uid` and `changed_at` are given when it is stored."""

    id: int
    uid: bytes
    endpoint: int
    series: SeriesKind
    name: str
    kind: AnomalyKind
    began_at: int
    ended_at: int | None
    peak_at: int
    value: float
    low: float
    high: float
    deviations: float
    label: str | None
    breakdown: Sequence[Contribution]
    changed_at: int = 0


_COLUMNS = (
    "id, uid, endpoint, series, name, kind, began_at, ended_at, peak_at, value, low, high, deviations, label,"
    " breakdown, changed_at"
)


# Series


def states(tx: Tx, project: int, endpoint: int) -> dict[Series, bytes]:
    rows = tx.all("SELECT kind, name, state FROM anomaly_series WHERE project = ? AND endpoint = ?", project, endpoint)
    return {(kind, name): bytes(state) for kind, name, state in rows}


def put_states(tx: Tx, project: int, endpoint: int, kept: Mapping[Series, bytes]) -> None:
    tx.many(
        "INSERT INTO anomaly_series (project, endpoint, kind, name, judged_at, state) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (project, endpoint, kind, name)"
        " DO UPDATE SET judged_at = excluded.judged_at, state = excluded.state",
        [(project, endpoint, *series, tx.now_ms, state) for series, state in kept.items()],
    )


def hour(tx: Tx, project: int, endpoint: int) -> int | None:
    """The first that was not judged; None before the first time."""
    row = tx.one("SELECT hour FROM anomaly_progress WHERE project = ? AND endpoint = ?", project, endpoint)
    return None if row is None else row[0]


def put_hour(tx: Tx, project: int, endpoint: int, hour: int) -> None:
    tx.run(
        "INSERT OR REPLACE INTO anomaly_progress (project, endpoint, hour) VALUES (?, ?, ?)", project, endpoint, hour
    )


def behind(tx: Tx, project: int, endpoints: Sequence[int], hour: int) -> list[int]:
    """Those of the endpoints that were not judged up to an hour."""
    sql = f"SELECT endpoint FROM anomaly_progress WHERE project = ? AND endpoint IN {LISTED} AND hour >= ?"
    rows = tx.all(sql, project, listed(endpoints), hour)
    done = {row[0] for row in rows}
    return [endpoint for endpoint in endpoints if endpoint not in done]


# Fields that somebody wants to be watched


def watched(tx: Tx, project: int, endpoint: int) -> list[str]:
    sql = "SELECT path FROM anomaly_watched WHERE project = ? AND endpoint = ? ORDER BY path"
    return [row[0] for row in tx.all(sql, project, endpoint)]


def put_watched(tx: Tx, project: int, endpoint: int, paths: Sequence[str]) -> None:
    """In place of those before."""
    tx.run("DELETE FROM anomaly_watched WHERE project = ? AND endpoint = ?", project, endpoint)
    tx.many(
        "INSERT OR IGNORE INTO anomaly_watched (project, endpoint, path) VALUES (?, ?, ?)",
        [(project, endpoint, path) for path in paths],
    )


def has_series(tx: Tx, project: int, endpoint: int, path: str) -> bool:
    """Whether anything was read of a field, a number or a code."""
    sql = "SELECT 1 FROM anomaly_series WHERE project = ? AND endpoint = ? AND kind IN ('field', 'codes') AND name = ?"
    return tx.one(sql, project, endpoint, path) is not None


# Anomalies


def put(tx: Tx, project: int, row: AnomalyRow) -> AnomalyRow | None:
    """It with its id where it is new; what is known of an episode is written over. A breakdown stays where there is no
    other."""
    known = tx.one(
        "SELECT id, breakdown FROM anomaly"
        " WHERE project = ? AND endpoint = ? AND series = ? AND name = ? AND began_at = ?",
        project,
        row.endpoint,
        row.series,
        row.name,
        row.began_at,
    )
    breakdown = msgspec.json.encode(row.breakdown).decode()
    changed_at = max(tx.now_ms, newest_change(tx, project, row.endpoint) + 1)
    values = (row.kind, row.ended_at, row.peak_at, row.value, row.low, row.high, row.deviations, row.label, changed_at)
    if known is not None:
        tx.run(
            "UPDATE anomaly SET kind = ?, ended_at = ?, peak_at = ?, value = ?, low = ?, high = ?, deviations = ?,"
            " label = ?, changed_at = ?, breakdown = ? WHERE project = ? AND id = ?",
            *values,
            breakdown if row.breakdown else known[1],
            project,
            known[0],
        )
        return None
    uid = tx.new_id()
    tx.run(
        "INSERT INTO anomaly (uid, project, endpoint, series, name, began_at,"
        " kind, ended_at, peak_at, value, low, high, deviations, label, changed_at, breakdown)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        uid,
        project,
        row.endpoint,
        row.series,
        row.name,
        row.began_at,
        *values,
        breakdown,
    )
    return msgspec.structs.replace(row, uid=uid)


def page(
    tx: Tx,
    project: int,
    span: TimelineSpan,
    *,
    endpoint: int | None,
    only: Mapping[str, str],
    is_open: bool | None,
    limit: int,
) -> list[AnomalyRow]:
    """By when they began, the newest first. `only` has values of columns."""
    first, last, at, row = span.bounds()
    where = "".join(f" AND {column} = ?" for column in only)
    if endpoint is not None:
        where += f" AND endpoint = {int(endpoint)}"
    if is_open is not None:
        where += f" AND ended_at IS {'' if is_open else 'NOT '}NULL"
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM anomaly WHERE project = ? AND began_at BETWEEN ? AND ?"
        f" AND NOT (began_at = ? AND id >= ?){where} ORDER BY began_at DESC, id DESC LIMIT ?",
        project,
        first,
        last,
        at,
        row,
        *only.values(),
        limit,
    )
    return list(map(_row, rows))


def newest_change(tx: Tx, project: int, endpoint: int) -> int:
    """Its `changed_at`, 0 where there is none."""
    row = tx.one("SELECT max(changed_at) FROM anomaly WHERE project = ? AND endpoint = ?", project, endpoint)
    return (row and row[0]) or 0


def changed_after(
    tx: Tx, project: int, endpoint: int, *, path: str | None, after: int, limit: int
) -> list[AnomalyRow]:  # fmt: skip
    """As they are now, what changed last comes last; with a path, those of that field."""
    where = "" if path is None else " AND series = 'field' AND name = ?"
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM anomaly WHERE project = ? AND endpoint = ? AND changed_at > ?{where}"
        " ORDER BY changed_at LIMIT ?",
        project,
        endpoint,
        after,
        *([] if path is None else [path]),
        limit,
    )
    return list(map(_row, rows))


@frees_space
def delete_before(tx: Tx, before_ms: int, limit: int) -> bool:
    """Up to `limit` that ended so long ago; False when there are none."""
    return bool(
        tx.run(
            "DELETE FROM anomaly WHERE id IN (SELECT id FROM anomaly WHERE began_at < ? AND ended_at < ? LIMIT ?)",
            before_ms,
            before_ms,
            limit,
        )
    )


@frees_space
def delete_unjudged(tx: Tx, before_ms: int, limit: int) -> bool:
    """Up to `limit` series that had no number for so long."""
    sql = "DELETE FROM anomaly_series WHERE id IN (SELECT id FROM anomaly_series WHERE judged_at < ? LIMIT ?)"
    return bool(tx.run(sql, before_ms, limit))


def delete_of_endpoint(tx: Tx, endpoint: int, limit: int) -> bool:
    """Up to `limit` rows of a deleted endpoint; False when none is left."""
    return any(
        tx.run(sql, endpoint, limit)
        for sql in (
            "DELETE FROM anomaly WHERE id IN (SELECT id FROM anomaly WHERE endpoint = ? LIMIT ?)",
            "DELETE FROM anomaly_series WHERE id IN (SELECT id FROM anomaly_series WHERE endpoint = ? LIMIT ?)",
            "DELETE FROM anomaly_progress WHERE (project, endpoint) IN"
            " (SELECT project, endpoint FROM anomaly_progress WHERE endpoint = ? LIMIT ?)",
            "DELETE FROM anomaly_watched WHERE (project, endpoint, path) IN"
            " (SELECT project, endpoint, path FROM anomaly_watched WHERE endpoint = ? LIMIT ?)",
        )
    )


def delete_of_project(tx: Tx, project: int, limit: int) -> bool:
    """Up to `limit` rows of a deleted project; False when none is left."""
    return any(
        tx.run(sql, project, limit)
        for sql in (
            "DELETE FROM anomaly WHERE id IN (SELECT id FROM anomaly WHERE project = ? LIMIT ?)",
            "DELETE FROM anomaly_series WHERE id IN (SELECT id FROM anomaly_series WHERE project = ? LIMIT ?)",
            "DELETE FROM anomaly_progress WHERE (project, endpoint) IN"
            " (SELECT project, endpoint FROM anomaly_progress WHERE project = ? LIMIT ?)",
            "DELETE FROM anomaly_watched WHERE (project, endpoint, path) IN"
            " (SELECT project, endpoint, path FROM anomaly_watched WHERE project = ? LIMIT ?)",
        )
    )


def _row(row: Row) -> AnomalyRow:
    *first, breakdown, changed_at = row
    return AnomalyRow(*(*first, msgspec.json.decode(breakdown, type=list[Contribution]), changed_at))
