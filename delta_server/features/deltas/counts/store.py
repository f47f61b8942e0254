"""What versions changed, in numbers: no fields and no documents are read."""

from collections.abc import Mapping, Sequence

import msgspec

from delta_server.core.history.activity import Counts, of_delta
from delta_server.features.deltas.rows import KINDS
from delta_server.storage.database import Row, Tx, listed

EDITS = "d.added, d.removed, d.replaced, d.moved"


class Version(msgspec.Struct, frozen=True):
    """A snapshot and what it changed. `kind` is its delta's, `first` without a version before it, `unchanged` when it
    has the content of the one before, `pending` or `failed` where its delta is still to be computed or could not be."""

    captured_at: int
    uid: bytes
    kind: str
    added: int
    removed: int
    replaced: int
    moved: int


class CountedDelta(msgspec.Struct, frozen=True):
    """A delta of the kind `content`, by the snapshots it leads from and to."""

    endpoint: int
    captured_at: int
    before: bytes
    after: bytes
    added: int
    removed: int
    replaced: int
    moved: int


_VERSIONS = f"""
SELECT s.captured_at, s.uid, s.captured_at > c.captured_at, c.pending, d.kind, {EDITS}
FROM snapshot s JOIN content c ON c.id = s.content LEFT JOIN delta d ON d.content = c.id
WHERE s.endpoint = ? AND s.captured_at >= ? AND s.captured_at < ? ORDER BY s.captured_at LIMIT ?
"""


def versions(tx: Tx, endpoint: int, from_ms: int, to_ms: int, limit: int) -> list[Version]:
    """The first `limit` from a time on and before another."""
    return [_version(row) for row in tx.all(_VERSIONS, endpoint, from_ms, to_ms, limit)]


def versions_at(tx: Tx, endpoint: int, times: list[int]) -> list[Version]:
    """Those captured at some times, in their order."""
    return [version for at in times for version in versions(tx, endpoint, at, at + 1, 1)]


def _version(row: Row) -> Version:
    captured_at, uid, is_repeated, pending, kind, *edits = row
    if is_repeated:
        return Version(captured_at, uid, "unchanged", 0, 0, 0, 0)
    if kind is None:
        return Version(captured_at, uid, ("first", "pending", "failed")[pending], 0, 0, 0, 0)
    return Version(captured_at, uid, KINDS[kind], *edits)


def counts_between(tx: Tx, endpoint: int, from_ms: int, to_ms: int, limit: int) -> dict[int, Counts]:
    """By time, the counts of the first `limit` deltas from a time on and before another."""
    rows = tx.all(
        f"""SELECT c.captured_at, d.kind, {EDITS} FROM content c JOIN delta d ON d.content = c.id
            WHERE c.endpoint = ? AND c.dead = 0 AND c.captured_at >= ? AND c.captured_at < ?
            ORDER BY c.captured_at LIMIT ?""",
        endpoint,
        from_ms,
        to_ms,
        limit,
    )
    return {at: of_delta(kind, edits) for at, kind, *edits in rows}


_CHANGES = """
SELECT c.captured_at FROM content c JOIN delta d ON d.content = c.id
WHERE c.endpoint = ? AND c.dead = 0 AND d.kind = 0 AND c.captured_at BETWEEN ? AND ? ORDER BY c.captured_at
"""


def last_change(tx: Tx, endpoint: int, first_ms: int, last_ms: int) -> int | None:
    """When the last delta of the kind `content` is, of a stretch of which both ends count."""
    row = tx.one(f"{_CHANGES} DESC LIMIT 1", endpoint, first_ms, last_ms)
    return row[0] if row else None


def first_change(tx: Tx, endpoint: int, first_ms: int, last_ms: int) -> int | None:
    """As `last_change`, the first."""
    row = tx.one(f"{_CHANGES} LIMIT 1", endpoint, first_ms, last_ms)
    return row[0] if row else None


def last_changes(tx: Tx, stretches: Sequence[tuple[int, int, int]]) -> dict[int, int]:
    """As `last_change`, of each endpoint that has any; `stretches` are endpoints with both ends."""
    last = _CHANGES.replace("?", "asked.{}").format("endpoint", "first", "last")
    rows = tx.all(
        f"""WITH asked AS MATERIALIZED (
              SELECT value ->> 0 AS endpoint, value ->> 1 AS first, value ->> 2 AS last FROM json_each(?))
            SELECT asked.endpoint, ({last} DESC LIMIT 1) FROM asked""",
        listed(stretches),
    )
    return {endpoint: at for endpoint, at in rows if at is not None}


def counted(tx: Tx, captured: Mapping[int, int]) -> dict[int, CountedDelta]:
    """By endpoint the delta to the content captured at a time, with the snapshot just before it."""
    rows = tx.all(
        f"""WITH asked AS MATERIALIZED (SELECT value ->> 0 AS endpoint, value ->> 1 AS at FROM json_each(?))
            SELECT s.endpoint, s.captured_at, s.uid, {EDITS},
              (SELECT uid FROM snapshot WHERE endpoint = s.endpoint AND captured_at < s.captured_at
               ORDER BY captured_at DESC LIMIT 1)
            FROM asked CROSS JOIN snapshot s ON s.endpoint = asked.endpoint AND s.captured_at = asked.at
            JOIN delta d ON d.content = s.content""",
        listed(list(captured.items())),
    )
    return {row[0]: CountedDelta(row[0], row[1], row[7] or b"", row[2], *row[3:7]) for row in rows}
