"""The record of polls. Times are in ms."""

from collections.abc import Sequence

import msgspec

from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.storage.database import Row, Tx, frees_space

CLOCK = "clock"


class PollRow(msgspec.Struct, frozen=True):
    """`error_class` is None where nothing was wrong, `snapshot` the id of what was stored, `steps` JSON of what took
    how long, and as CLOCK by how much the clock was set before it; `detail` is what was wrong, or else doubtful,
    `excerpt` the begin of an answer that was none."""

    at: int
    status: int | None
    ms: int
    size_bytes: int
    changed: bool
    error_class: str | None
    snapshot: bytes | None
    steps: str
    detail: str | None
    excerpt: str | None = None


class Bucket(msgspec.Struct, frozen=True):
    """`ms` is the longest that one took."""

    at: int
    ok: int
    failed: int
    changed: int
    ms: int


_COLUMNS = "at, status, ms, bytes, changed, class, snapshot, steps, detail, excerpt"


def insert(tx: Tx, endpoint: int, row: PollRow) -> PollRow:
    """As it is kept: at a time of its own."""
    sql = f"INSERT INTO poll (endpoint, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    while not tx.run(sql, endpoint, *msgspec.structs.astuple(row)):
        row = msgspec.structs.replace(row, at=row.at + 1)
    return row


def page(
    tx: Tx, endpoint: int, span: TimelineSpan, *, classes: Sequence[str] | None, changed: bool | None, limit: int
) -> list[PollRow]:
    """The newest first. `classes` are those of errors; without any, what was right; None: all."""
    first, last, seen, _ = span.bounds()
    where, values = "", []
    if classes is not None and not classes:
        where = " AND class IS NULL"
    elif classes is not None:
        where, values = f" AND class IN ({', '.join('?' * len(classes))})", list(classes)
    if changed is not None:
        where += f" AND changed = {int(changed)}"
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM poll WHERE endpoint = ? AND at >= ? AND at <= ?{where} ORDER BY at DESC LIMIT ?",
        endpoint,
        first,
        last if span.after is None else min(last, seen - 1),
        *values,
        limit,
    )
    return [_row(row) for row in rows]


def _row(row: Row) -> PollRow:
    return msgspec.structs.replace(PollRow(*row), changed=bool(row[4]))


def count_up_to(tx: Tx, endpoint: int, span: tuple[int, int], most: int) -> int:
    row = tx.one(
        "SELECT count(*) FROM (SELECT 1 FROM poll WHERE endpoint = ? AND at >= ? AND at < ? LIMIT ?)",
        endpoint,
        *span,
        most,
    )
    return int(row[0]) if row else 0


def buckets(tx: Tx, endpoint: int, span: tuple[int, int], width_ms: int) -> list[Bucket]:
    """Of stretches of `width_ms` from the begin of the half-open span on, those with polls."""
    rows = tx.all(
        "SELECT ?2 + (at - ?2) / ?4 * ?4, sum(class IS NULL), sum(class IS NOT NULL), sum(changed), max(ms) FROM poll"
        " WHERE endpoint = ?1 AND at >= ?2 AND at < ?3 GROUP BY (at - ?2) / ?4 ORDER BY 1",
        endpoint,
        *span,
        width_ms,
    )
    return [Bucket(*row) for row in rows]


def durations(tx: Tx, endpoint: int, span: tuple[int, int]) -> dict[int, float]:
    """By hour since 1970, the mean of those that failed of nothing."""
    rows = tx.all(
        "SELECT at / 3600000 AS hour, avg(ms) FROM poll"
        " WHERE endpoint = ? AND at >= ? AND at < ? AND class IS NULL GROUP BY hour",
        endpoint,
        *span,
    )
    return dict(rows)


def steps(tx: Tx, endpoint: int, span: tuple[int, int], limit: int) -> list[str]:
    """What took how long, as JSON, of the newest that failed of nothing."""
    sql = "SELECT steps FROM poll WHERE endpoint = ? AND at >= ? AND at < ? AND class IS NULL ORDER BY at DESC LIMIT ?"
    return [row[0] for row in tx.all(sql, endpoint, *span, limit)]


def classes(tx: Tx, endpoint: int, span: tuple[int, int]) -> dict[str, int]:
    """How many failed of what."""
    rows = tx.all(
        "SELECT class, count(*) FROM poll WHERE endpoint = ? AND at >= ? AND at < ? AND class IS NOT NULL"
        " GROUP BY class ORDER BY 2 DESC, 1",
        endpoint,
        *span,
    )
    return dict(rows)


@frees_space
def delete_before(tx: Tx, endpoint: int, before_ms: int, limit: int) -> bool:
    """Delete up to `limit` of the oldest; False when there are none."""
    return bool(
        tx.run(
            "DELETE FROM poll WHERE endpoint = ?1 AND at IN"
            " (SELECT at FROM poll WHERE endpoint = ?1 AND at < ?2 ORDER BY at LIMIT ?3)",
            endpoint,
            before_ms,
            limit,
        )
    )


def delete_some(tx: Tx, endpoint: int, limit: int) -> bool:
    """Of a deleted endpoint; False when there are none."""
    return delete_before(tx, endpoint, 1 << 62, limit)


def next_endpoint(tx: Tx, after: int) -> int | None:
    """Of all projects, the next that has polls on record."""
    row = tx.one("SELECT min(endpoint) FROM poll WHERE endpoint > ?", after)
    return row[0] if row else None
