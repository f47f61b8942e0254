"""The fields of an endpoint and when they changed.

`field` has one row per field pattern with its counts; `field_change` the times of its changes in chunks, which do not
overlap: all times of a chunk are before the first of the next one.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec
from zstandard import ZstdError

from delta_server.core.errors import DatabaseFailed
from delta_server.core.history import change_times
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.features.fields.rows import Chunk, Field
from delta_server.storage.database import Row, Tx
from delta_server.storage.row_checksums import ChecksummedTable

_CHUNKS = "SELECT captured_at, later, checksum FROM field_change WHERE field = ?"
_AT_OR_BEFORE = f"{_CHUNKS} AND captured_at <= ? ORDER BY captured_at DESC LIMIT 1"
_FIRST = f"{_CHUNKS} ORDER BY captured_at LIMIT 1"
_DOWN = f"{_CHUNKS} AND captured_at <= ? ORDER BY captured_at DESC LIMIT ?"
_UP = f"{_CHUNKS} AND captured_at >= ? ORDER BY captured_at LIMIT ?"
# Before a field has chunks: its last time is the largest of its rows no longer.
_KNOW_LAST = """
UPDATE field SET changed_at = (SELECT max(captured_at) FROM field_change WHERE field = field.id)
WHERE id = ? AND changed_at IS NULL
"""
CHUNK_ROWS = ChecksummedTable(
    "field_change",
    key=("field", "captured_at"),
    covered=("field", "captured_at", "later"),
    check=lambda _, first, later: _decoded(first, later),
)
_MOST_CHUNKS = 16
"""Chunks read at once; the first page has one: of many walks most end early."""


def add_counts(tx: Tx, endpoint: int, pattern: str, *, changes: int, deltas: int, types: int, changed_at: int) -> int:
    """Add to a field's counts, which is made when it is new; its id."""
    row = tx.one(
        """INSERT INTO field (endpoint, pattern, changes, deltas, types, changed_at) VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT (endpoint, pattern) DO UPDATE SET changes = changes + excluded.changes,
             deltas = deltas + excluded.deltas, types = types | excluded.types,
             changed_at = max(excluded.changed_at, coalesce(changed_at,
               (SELECT max(captured_at) FROM field_change WHERE field = id), excluded.changed_at))
           RETURNING id""",
        endpoint,
        pattern,
        changes,
        deltas,
        types,
        changed_at,
    )
    assert row is not None
    return int(row[0])


def remove_counts(tx: Tx, endpoint: int, field: int, *, changes: int, deltas: int, until: int) -> None:
    """Take from a field's counts after its times were taken out, the last of them `until`; one that never changed is
    gone."""
    row = tx.one("SELECT deltas, changed_at FROM field WHERE id = ? AND endpoint = ?", field, endpoint)
    if row is None:
        return
    left, changed_at = row
    if left <= deltas:
        tx.run("DELETE FROM field WHERE id = ? AND endpoint = ?", field, endpoint)
        return
    if changed_at is None or changed_at <= until:
        changed_at = _last(tx, field)
    tx.run(
        "UPDATE field SET changes = changes - ?, deltas = deltas - ?, changed_at = ? WHERE id = ? AND endpoint = ?",
        changes,
        deltas,
        changed_at,
        field,
        endpoint,
    )


def _last(tx: Tx, field: int) -> int | None:
    chunk = _chunk(tx, _DOWN, field, 1 << 62, 1)
    if chunk is None or _is_damaged(field, chunk):
        return None
    return _decoded(chunk.first, chunk.later)[-1]


def _chunk(tx: Tx, sql: str, *params: int) -> Chunk | None:
    row = tx.one(sql, *params)
    return None if row is None else Chunk(*row)


def _times(field: int, chunk: Chunk) -> list[int]:
    """Raises DatabaseFailed when the chunk is damaged."""
    CHUNK_ROWS.require((field, chunk.first), chunk.checksum, field, chunk.first, chunk.later)
    return _decoded(chunk.first, chunk.later)


def _is_damaged(field: int, chunk: Chunk) -> bool:
    if chunk.checksum is not None:
        return CHUNK_ROWS.is_damaged(chunk.checksum, field, chunk.first, chunk.later)
    try:
        _decoded(chunk.first, chunk.later)
    except DatabaseFailed:
        return True
    return False


def _decoded(first: int, later: bytes | None) -> list[int]:
    try:
        return change_times.decoded(first, later)
    except (ValueError, ArithmeticError, struct.error, msgspec.MsgspecError, ZstdError) as error:
        raise DatabaseFailed(f"the index of changed fields is damaged ({error}): restore a backup") from error


# The times of a field: `field` belongs to an endpoint that the caller knows


def change(tx: Tx, endpoint: int, field: int, *, added: Iterable[int], removed: Iterable[int]) -> None:
    """Put times into a field's chunks and take others out, from the latest chunk down."""
    more, less = sorted(set(added)), set(removed)
    while more or less:
        newest = max(more[-1:] + list(less))
        chunk = _chunk(tx, _AT_OR_BEFORE, field, newest)
        if chunk is None:
            _put_before_all(tx, field, more)
            return
        _rewrite(tx, field, chunk, [t for t in more if t >= chunk.first], {t for t in less if t >= chunk.first})
        more, less = [t for t in more if t < chunk.first], {t for t in less if t < chunk.first}


def _put_before_all(tx: Tx, field: int, times: list[int]) -> None:
    first = _chunk(tx, _FIRST, field)
    if times and first and change_times.is_open(first.later) and not _is_damaged(field, first):
        _delete(tx, field, first.first)
        times = times + _times(field, first)
    _write(tx, field, times)


def _rewrite(tx: Tx, field: int, chunk: Chunk, more: list[int], less: set[int]) -> None:
    if _is_damaged(field, chunk):  # it stays as it is, for `verify` to name, and holds up nothing that is new
        _write(tx, field, [time for time in more if time != chunk.first])
        return
    if change_times.is_open(chunk.later):
        if more and not less and (later := change_times.appended(chunk.first, chunk.later, more)):
            _put(tx, field, Chunk(chunk.first, later))
            return
    elif not less and _times(field, chunk)[-1] < more[0]:
        _write(tx, field, more)
        return
    times = sorted(set(_times(field, chunk)) - less | set(more))
    if not times or times[0] != chunk.first:
        _delete(tx, field, chunk.first)
    if change_times.is_open(chunk.later):
        _write(tx, field, times)
    elif times:
        _put_sealed(tx, field, times)


def _write(tx: Tx, field: int, times: list[int]) -> None:
    """As a chunk that stays open where that may be, else sealed: together with the one before where both are small."""
    if not times:
        return
    first, *later = times
    as_open = change_times.appended(first, None, later) if later else None
    if as_open or not later:
        _put(tx, field, Chunk(first, as_open))
        return
    before = _chunk(tx, _AT_OR_BEFORE, field, first - 1)
    if before and not change_times.is_open(before.later) and not _is_damaged(field, before):
        together = _times(field, before) + times
        if _fits(encoded := change_times.sealed(together)):
            _delete(tx, field, first)
            _put(tx, field, Chunk(before.first, encoded))
            return
    _put_sealed(tx, field, times)


def _put_sealed(tx: Tx, field: int, times: list[int]) -> None:
    later = change_times.sealed(times)
    if _fits(later):
        _put(tx, field, Chunk(times[0], later))
        return
    half = len(times) // 2
    _put_sealed(tx, field, times[:half])
    _put_sealed(tx, field, times[half:])


def _fits(later: bytes | None) -> bool:
    return later is None or len(later) <= change_times.MOST_BYTES


def _put(tx: Tx, field: int, chunk: Chunk) -> None:
    covered = field, chunk.first, chunk.later
    tx.run(
        "INSERT OR REPLACE INTO field_change (field, captured_at, later, checksum) VALUES (?, ?, ?, ?)",
        *covered,
        None if chunk.later is None else CHUNK_ROWS.checksum(*covered),
    )


def _delete(tx: Tx, field: int, first: int) -> None:
    tx.run("DELETE FROM field_change WHERE field = ? AND captured_at = ?", field, first)


def between(tx: Tx, endpoint: int, field: int, first_ms: int, last_ms: int) -> list[int]:
    """The times of a field from `first_ms` to `last_ms` inclusive, and others near them."""
    rows = tx.all(
        """SELECT x.captured_at, x.later, x.checksum FROM field f CROSS JOIN field_change x ON x.field = f.id
           WHERE f.id = ? AND f.endpoint = ? AND x.captured_at <= ? AND x.captured_at >= coalesce(
             (SELECT max(captured_at) FROM field_change WHERE field = f.id AND captured_at <= ?), ?)""",
        field,
        endpoint,
        last_ms,
        first_ms,
        first_ms,
    )
    return [time for row in rows for time in _times(field, Chunk(*row))]


def along(tx: Tx, endpoint: int, field: int, span: TimelineSpan) -> Iterator[int]:
    """The times of a field along `span`."""
    first_ms, last_ms, seen_ms, _ = span.bounds()
    at, size = last_ms if span.descending else first_ms, 1
    if not span.descending and (chunk := _chunk(tx, _AT_OR_BEFORE, field, first_ms)):
        at = chunk.first
    while True:
        rows = tx.all(_DOWN if span.descending else _UP, field, at, size)
        for row in rows:
            times = _times(field, Chunk(*row))
            for time in reversed(times) if span.descending else times:
                if first_ms <= time <= last_ms and time != seen_ms:
                    yield time
        if len(rows) < size or (rows[-1][0] < first_ms if span.descending else rows[-1][0] > last_ms):
            return
        at = rows[-1][0] - 1 if span.descending else rows[-1][0] + 1
        size = min(4 * size, _MOST_CHUNKS)


# Patterns


def pattern(tx: Tx, endpoint: int, field: int) -> str:
    """`` for a field that is gone."""
    row = tx.one("SELECT pattern FROM field WHERE id = ? AND endpoint = ?", field, endpoint)
    return "" if row is None else str(row[0])


def all_fields(tx: Tx, endpoint: int) -> list[tuple[int, str]]:
    """(id, pattern) of all fields."""
    rows = tx.all("SELECT id, pattern FROM field WHERE endpoint = ?", endpoint)
    return [(row[0], row[1]) for row in rows]


def at_or_under(tx: Tx, endpoint: int, pattern: str, limit: int) -> list[int]:
    """Up to `limit` fields whose pattern is `pattern` or lies under it."""
    rows = tx.all(
        """SELECT id FROM field WHERE endpoint = ? AND pattern = ?
           UNION ALL SELECT id FROM field WHERE endpoint = ? AND pattern > ? AND pattern < ? LIMIT ?""",
        endpoint,
        pattern,
        endpoint,
        pattern + "/",
        pattern + "0",
        limit,
    )
    return [row[0] for row in rows]


def near(tx: Tx, endpoint: int, place: Sequence[Iterable[str]], limit: int) -> set[int] | None:
    """Fields at, above or under a place, whose steps may have several texts in patterns. None for more than `limit`."""
    found: set[int] = set()
    prefixes = [""]
    for texts in place:
        found.update(field for prefix in prefixes if (field := at(tx, endpoint, prefix)) is not None)
        longer = [f"{prefix}/{text}" for prefix in prefixes for text in texts]
        prefixes = [prefix for prefix in longer if at_or_under(tx, endpoint, prefix, 1)]
        if len(prefixes) > limit:
            return None
    for prefix in prefixes:
        found.update(at_or_under(tx, endpoint, prefix, limit + 1))
    return None if len(found) > limit else found


def at(tx: Tx, endpoint: int, pattern: str) -> int | None:
    row = tx.one("SELECT id FROM field WHERE endpoint = ? AND pattern = ?", endpoint, pattern)
    return None if row is None else int(row[0])


def count_fields(tx: Tx, endpoint: int) -> int:
    row = tx.one("SELECT count(*) FROM field WHERE endpoint = ?", endpoint)
    return 0 if row is None else int(row[0])


def most_changed(tx: Tx, endpoint: int, *, sought: str, after: tuple[int, int] | None, limit: int) -> list[Field]:
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
    return [Field(*row) for row in rows]


# Maintenance


_Place = tuple[int, int]
"""(field, first time): a row of field_change."""


def find_single_times(tx: Tx, after: _Place, limit: int) -> tuple[bool, _Place | None]:
    """Whether there are single times in a row among the next `limit` rows, and where to go on, None at the end."""
    rows = _next_rows(tx, after, limit)
    return any(_runs(rows)), (rows[-1][0], rows[-1][1]) if len(rows) == limit else None


def compact(tx: Tx, after: _Place, limit: int) -> None:
    """Make chunks of single times in a row among the next `limit` rows of all fields."""
    for field, times in _runs(_next_rows(tx, after, limit)):
        tx.run(_KNOW_LAST, field)
        tx.many("DELETE FROM field_change WHERE field = ? AND captured_at = ?", [(field, at) for at in times])
        _write(tx, field, times)


def _next_rows(tx: Tx, after: _Place, limit: int) -> list[Row]:
    return tx.all(
        "SELECT field, captured_at, later FROM field_change WHERE (field, captured_at) > (?, ?)"
        " ORDER BY field, captured_at LIMIT ?",
        *after,
        limit,
    )


def _runs(rows: Sequence[Row]) -> Iterator[tuple[int, list[int]]]:
    for (field, is_single), run in groupby(rows, key=lambda row: (row[0], row[2] is None)):
        times = [row[1] for row in run]
        if is_single and len(times) > 1:
            yield field, times


def delete_some(tx: Tx, endpoint: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted endpoint; False when none is left."""
    return any(
        tx.run(sql, endpoint, limit)
        for sql in (
            "DELETE FROM field_change WHERE (field, captured_at) IN (SELECT field, captured_at"
            " FROM field CROSS JOIN field_change ON field_change.field = field.id WHERE field.endpoint = ? LIMIT ?)",
            "DELETE FROM field WHERE id IN (SELECT id FROM field WHERE endpoint = ? LIMIT ?)",
        )
    )
