"""Reading along an endpoint's contents: which may differ at a place, sizes and counts."""

from collections.abc import Sequence

import msgspec

from delta_server.core.history.timeline_span import Position, TimelineSpan
from delta_server.storage.cold.store import OF_ENDPOINT
from delta_server.storage.database import LISTED, Tx, listed


class WalkedContent(msgspec.Struct, frozen=True):
    """A content in a walk. `sure`: it must be looked at, whatever the field index says about it.

    That is so where its delta is still to be computed, is not there (the first content has none) or has moves.
    """

    captured_at: int
    content: int
    size: int
    sure: bool

    @property
    def position(self) -> Position:
        return self.captured_at, self.content


class StorageTotals(msgspec.Struct, frozen=True):
    """`failed` are contents whose delta could not be computed. Equal snapshots in a row share a content."""

    contents: int
    failed: int
    raw_bytes: int
    stored_bytes: int


_PASSED = """
SELECT c.captured_at, c.id, c.size, c.pending = 1 OR d.content IS NULL OR d.moved > 0
FROM content c LEFT JOIN delta d ON d.content = c.id
WHERE c.endpoint = ? AND c.dead = 0 AND c.captured_at BETWEEN ? AND ?"""
_AT_ONCE = 16
_PASSED_AT = f"""{_PASSED.partition("WHERE")[0]}
WHERE c.endpoint = ? AND c.dead = 0 AND c.captured_at IN ({", ".join("?" * _AT_ONCE)})"""
_DOWN = f"{_PASSED} AND NOT (c.captured_at = ? AND c.id >= ?) ORDER BY c.captured_at DESC, c.id DESC LIMIT ?"
_UP = f"{_PASSED} AND NOT (c.captured_at = ? AND c.id <= ?) ORDER BY c.captured_at, c.id LIMIT ?"


def contents_along(tx: Tx, endpoint: int, span: TimelineSpan, limit: int) -> list[WalkedContent]:
    """The next `limit` contents along `span`."""
    rows = tx.all(_DOWN if span.descending else _UP, endpoint, *span.bounds(), limit)
    return [WalkedContent(at, content, size, bool(sure)) for at, content, size, sure in rows]


def contents_at(tx: Tx, endpoint: int, times: Sequence[int]) -> dict[int, WalkedContent]:
    """By time, the contents captured then."""
    found: dict[int, WalkedContent] = {}
    for begin in range(0, len(times), _AT_ONCE):
        some = times[begin : begin + _AT_ONCE]
        rows = tx.all(_PASSED_AT, endpoint, *some, *[None] * (_AT_ONCE - len(some)))
        found.update({row[0]: WalkedContent(row[0], row[1], row[2], bool(row[3])) for row in rows})
    return found


def storage_totals(tx: Tx, endpoint: int) -> StorageTotals:
    """Counts run along indexes, 2 ms for 100,000; bytes add up over packs (hundreds of contents each) and the few
    unpacked frames."""
    row = tx.one(
        f"""SELECT (SELECT count(*) FROM content WHERE endpoint = ?1 AND dead = 0),
             (SELECT count(*) FROM content WHERE endpoint = ?1 AND pending = 2),
             (SELECT coalesce(sum(size), 0) FROM pack WHERE endpoint = ?1)
               + (SELECT coalesce(sum(size), 0) FROM frame WHERE endpoint = ?1)
               - (SELECT coalesce(sum(size), 0) FROM content WHERE endpoint = ?1 AND dead = 1),
             (SELECT coalesce(sum(length(anchor) + length(data)), 0) FROM pack WHERE endpoint = ?1) + {OF_ENDPOINT}
               + (SELECT coalesce(sum(length(data) + file_bytes), 0) FROM frame WHERE endpoint = ?1)""",
        endpoint,
    )
    assert row is not None
    return StorageTotals(*row)


def contents_by_bucket(
    tx: Tx, endpoint: int, *, origin_ms: int, interval_ms: int, first: int, end: int
) -> dict[int, tuple[int, int]]:
    """Bucket number -> (deltas of the kind `content`, bytes of contents) that appeared in it."""
    rows = tx.all(
        """SELECT (c.captured_at - ?) / ? AS bucket, coalesce(sum(d.kind = 0), 0), sum(c.size)
           FROM content c LEFT JOIN delta d ON d.content = c.id
           WHERE c.endpoint = ? AND c.dead = 0 AND c.captured_at >= ? AND c.captured_at < ? GROUP BY bucket""",
        origin_ms,
        interval_ms,
        endpoint,
        first,
        end,
    )
    return {row[0]: (row[1], row[2]) for row in rows}


class HourOfVersions(msgspec.Struct, frozen=True):
    """`changed` are those whose values differ from the version before, `size` is the mean of their documents."""

    versions: int
    changed: int
    size: float


def versions_by_hour(tx: Tx, endpoint: int, first_ms: int, end_ms: int) -> dict[int, HourOfVersions]:
    """By hour since 1970, those that have any."""
    rows = tx.all(
        """SELECT c.captured_at / 3600000 AS hour, count(*), coalesce(sum(d.kind = 0), 0), avg(c.size)
           FROM content c LEFT JOIN delta d ON d.content = c.id
           WHERE c.endpoint = ? AND c.dead = 0 AND c.captured_at >= ? AND c.captured_at < ? GROUP BY hour""",
        endpoint,
        first_ms,
        end_ms,
    )
    return {row[0]: HourOfVersions(*row[1:]) for row in rows}


def extent(tx: Tx, endpoint: int) -> tuple[int | None, int | None, int | None]:
    """When the first and the last version were captured, and the first whose delta is still to be computed."""
    row = tx.one(
        """SELECT (SELECT min(captured_at) FROM content WHERE endpoint = ?1 AND dead = 0),
             (SELECT max(captured_at) FROM content WHERE endpoint = ?1 AND dead = 0),
             (SELECT min(captured_at) FROM content WHERE endpoint = ?1 AND pending = 1)""",
        endpoint,
    )
    return (None, None, None) if row is None else (row[0], row[1], row[2])


# Readings of series that are kept


MOST_KEPT = 50
"""Series of one endpoint."""


def kept_series(tx: Tx, endpoint: int, path: str, made_with: bytes) -> bytes | None:
    row = tx.one(
        "SELECT data FROM kept_series WHERE endpoint = ? AND path = ? AND made_with = ?", endpoint, path, made_with
    )
    return None if row is None else bytes(row[0])


def keep_series(
    tx: Tx, endpoint: int, project: int, path: str, made_with: bytes, data: bytes, *, is_asked: bool
) -> None:
    """In place of those asked for longest ago, where there are too many. Without `is_asked` only where it is kept."""
    tx.run(
        "UPDATE kept_series SET made_with = ?, data = ?, asked_at = iif(?, ?, asked_at)"
        " WHERE endpoint = ? AND path = ?",
        made_with,
        data,
        is_asked,
        tx.now_ms,
        endpoint,
        path,
    )
    if is_asked:
        tx.run(
            "INSERT OR IGNORE INTO kept_series (project, endpoint, path, made_with, asked_at, data)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            project,
            endpoint,
            path,
            made_with,
            tx.now_ms,
            data,
        )
        tx.run(
            "DELETE FROM kept_series WHERE id IN"
            " (SELECT id FROM kept_series WHERE endpoint = ? ORDER BY asked_at DESC, id DESC LIMIT -1 OFFSET ?)",
            endpoint,
            MOST_KEPT,
        )


def kept_paths(tx: Tx, after: int, limit: int) -> list[tuple[int, int, int, str]]:
    """(id, project, endpoint, path) of series that are kept, of all endpoints, behind an id."""
    return tx.all("SELECT id, project, endpoint, path FROM kept_series WHERE id > ? ORDER BY id LIMIT ?", after, limit)


def kept_of(tx: Tx, endpoint: int) -> list[str]:
    """The paths of series that are kept of an endpoint."""
    return [row[0] for row in tx.all("SELECT path FROM kept_series WHERE endpoint = ? ORDER BY id", endpoint)]


def delete_unasked(tx: Tx, before: int) -> None:
    tx.run("DELETE FROM kept_series WHERE asked_at < ?", before)


def living(tx: Tx, endpoint: int, contents: Sequence[int]) -> frozenset[int]:
    """Those of the contents that are there."""
    sql = f"SELECT id FROM content WHERE endpoint = ? AND dead = 0 AND id IN {LISTED}"
    return frozenset(row[0] for row in tx.all(sql, endpoint, listed(contents)))


def delete_some(tx: Tx, endpoint: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted endpoint; False when none is left."""
    sql = "DELETE FROM kept_series WHERE id IN (SELECT id FROM kept_series WHERE endpoint = ? LIMIT ?)"
    return bool(tx.run(sql, endpoint, limit))
