"""Reading along an endpoint's contents: which may differ at a place, the fields that change, sizes and counts."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from delta_server.core.span import Position, Span
from delta_server.storage.database import Tx


class Passed(msgspec.Struct, frozen=True):
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


class Field(msgspec.Struct, frozen=True):
    """`types` are bits; `changed_at` and `snapshot` (its id on the wire) are those of the last change."""

    id: int
    pattern: str
    changes: int
    deltas: int
    types: int
    changed_at: int | None
    snapshot: bytes | None = None


class Totals(msgspec.Struct, frozen=True):
    """Times are in ms, None without snapshots. Bytes are those of contents, which equal snapshots in a row share."""

    snapshots: int
    contents: int
    deltas: int
    deltas_failed: int
    raw_bytes: int
    stored_bytes: int
    first_captured_at: int | None
    last_captured_at: int | None


_PASSED = """
SELECT c.captured_at, c.id, c.size, c.pending = 1 OR d.content IS NULL OR d.moved > 0
FROM content c LEFT JOIN delta d ON d.content = c.id
WHERE c.endpoint = ? AND c.dead = 0 AND c.captured_at BETWEEN ? AND ?"""
_AT_ONCE = 16
_PASSED_AT = f"""{_PASSED.partition("WHERE")[0]}
WHERE c.endpoint = ? AND c.dead = 0 AND c.captured_at IN ({", ".join("?" * _AT_ONCE)})"""
_DOWN = f"{_PASSED} AND NOT (c.captured_at = ? AND c.id >= ?) ORDER BY c.captured_at DESC, c.id DESC LIMIT ?"
_UP = f"{_PASSED} AND NOT (c.captured_at = ? AND c.id <= ?) ORDER BY c.captured_at, c.id LIMIT ?"


def passed(tx: Tx, endpoint: int, span: Span, limit: int) -> list[Passed]:
    """The next `limit` contents along `span`."""
    rows = tx.all(_DOWN if span.descending else _UP, endpoint, *span.bounds(), limit)
    return [Passed(at, content, size, bool(sure)) for at, content, size, sure in rows]


def passed_at(tx: Tx, endpoint: int, times: Sequence[int]) -> dict[int, Passed]:
    """By time, the contents captured then."""
    found: dict[int, Passed] = {}
    for begin in range(0, len(times), _AT_ONCE):
        some = times[begin : begin + _AT_ONCE]
        rows = tx.all(_PASSED_AT, endpoint, *some, *[None] * (_AT_ONCE - len(some)))
        found.update({row[0]: Passed(row[0], row[1], row[2], bool(row[3])) for row in rows})
    return found


def settings_version(tx: Tx, endpoint: int) -> int | None:
    """The version of the diff settings that all deltas were computed with, None while some are computed again."""
    row = tx.one("SELECT diff_version FROM endpoint WHERE id = ? AND recompute_before IS NULL", endpoint)
    return None if row is None else int(row[0])


def first_snapshot(tx: Tx, endpoint: int, captured_at: int) -> bytes | None:
    """The id of the snapshot captured then: the one in which the content of that time first appeared."""
    row = tx.one("SELECT uid FROM snapshot WHERE endpoint = ? AND captured_at = ?", endpoint, captured_at)
    return None if row is None else bytes(row[0])


def fields(tx: Tx, endpoint: int, *, sought: str, after: tuple[int, int] | None, limit: int) -> list[Field]:
    """By number of changes, most first, then by pattern; those whose pattern holds `sought`, whatever the case.

    `after` is (changes, id) of the field seen last.
    """
    changes, last = after or (1 << 62, 0)
    rows = tx.all(
        """SELECT id, pattern, changes, deltas, types,
             coalesce(changed_at, (SELECT max(captured_at) FROM field_change WHERE field = id))
           FROM (
             SELECT id, pattern, changes, deltas, types, changed_at FROM field
             WHERE endpoint = ? AND instr(lower(pattern), lower(?)) > 0
               AND (changes < ? OR (changes = ? AND pattern > (SELECT pattern FROM field WHERE id = ?)))
             ORDER BY changes DESC, pattern LIMIT ?)
           ORDER BY changes DESC, pattern""",
        endpoint,
        sought,
        changes,
        changes,
        last,
        limit,
    )
    return [_with_snapshot(tx, endpoint, Field(*row)) for row in rows]


def _with_snapshot(tx: Tx, endpoint: int, field: Field) -> Field:
    if field.changed_at is None:
        return field
    return replace(field, snapshot=first_snapshot(tx, endpoint, field.changed_at))


def content_deltas(tx: Tx, endpoint: int) -> int:
    """How many deltas of the kind `content` there are."""
    row = tx.one("SELECT content_deltas FROM endpoint WHERE id = ?", endpoint)
    return 0 if row is None else int(row[0])


def totals(tx: Tx, endpoint: int) -> Totals:
    """Counts run along indexes, 2 ms for 100,000; bytes add up over packs (hundreds of contents each) and the few
    unpacked frames."""
    row = tx.one(
        """SELECT (SELECT count(*) FROM snapshot WHERE endpoint = ?1),
             (SELECT count(*) FROM content WHERE endpoint = ?1 AND dead = 0),
             (SELECT content_deltas FROM endpoint WHERE id = ?1),
             (SELECT count(*) FROM content WHERE endpoint = ?1 AND pending = 2),
             (SELECT coalesce(sum(size), 0) FROM pack WHERE endpoint = ?1)
               + (SELECT coalesce(sum(size), 0) FROM frame WHERE endpoint = ?1)
               - (SELECT coalesce(sum(size), 0) FROM content WHERE endpoint = ?1 AND dead = 1),
             (SELECT coalesce(sum(length(anchor) + length(data)), 0) FROM pack WHERE endpoint = ?1)
               + (SELECT coalesce(sum(length(data)), 0) FROM frame WHERE endpoint = ?1),
             (SELECT min(captured_at) FROM snapshot WHERE endpoint = ?1),
             (SELECT max(captured_at) FROM snapshot WHERE endpoint = ?1)""",
        endpoint,
    )
    assert row is not None
    return Totals(*row)


def snapshots_by_bucket(
    tx: Tx, endpoint: int, *, origin_ms: int, interval_ms: int, first: int, end: int
) -> dict[int, int]:
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
