"""Rows of the record index: runs of many deltas, and the deltas that are not in one yet, or came anew since."""

from collections.abc import Iterator, Mapping

import msgspec

from delta_server.core.history import life_runs, lives
from delta_server.core.history.timeline_span import TimelineSpan
from delta_server.storage.database import Row, Tx
from delta_server.storage.row_checksums import ChecksummedTable

_DELTA, _RUN = 0, 1
_LATEST = 1 << 62


def _check(endpoint: int, run: int, first: int, last: int, entries: bytes) -> None:
    if run == _DELTA:
        lives.decoded(entries)
    else:
        life_runs.LifeRun(entries).all()


LIFE_ROWS = ChecksummedTable(
    "life",
    key=("endpoint", "run", "captured_at"),
    covered=("endpoint", "run", "captured_at", "last_at", "entries"),
    check=_check,
)


class IndexDamaged(Exception):
    """What is stored of the index is not what was written: the documents themselves tell."""


class Stored(msgspec.Struct, frozen=True):
    """A row: of one delta, whose times are equal, or of a run."""

    first: int
    last: int
    entries: bytes


def put(tx: Tx, endpoint: int, entries: Mapping[int, bytes]) -> None:
    """The entries of deltas by time, in place of those there were; b"" for none."""
    for at, blob in entries.items():
        if blob or _is_in_run(tx, endpoint, at):
            _insert(tx, endpoint, _DELTA, Stored(at, at, blob))
        else:
            _delete(tx, endpoint, _DELTA, at)


def _is_in_run(tx: Tx, endpoint: int, at: int) -> bool:
    row = tx.one(
        "SELECT last_at FROM life WHERE endpoint = ? AND run = ? AND captured_at <= ?"
        " ORDER BY captured_at DESC LIMIT 1",
        endpoint,
        _RUN,
        at,
    )
    return row is not None and row[0] >= at


def _insert(tx: Tx, endpoint: int, run: int, new: Stored) -> None:
    covered = endpoint, run, new.first, new.last, new.entries
    tx.run(
        "INSERT OR REPLACE INTO life (endpoint, run, captured_at, last_at, entries, checksum)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        *covered,
        LIFE_ROWS.checksum(*covered),
    )


def _stored(endpoint: int, run: int, row: Row) -> Stored:
    """Of `captured_at, last_at, entries, checksum`. Raises IndexDamaged."""
    first, last, entries, checksum = row
    if LIFE_ROWS.is_damaged(checksum, endpoint, run, first, last, entries):
        raise IndexDamaged(f"{LIFE_ROWS.described((endpoint, run, first))} is not what was stored")
    return Stored(first, last, entries)


def _delete(tx: Tx, endpoint: int, run: int, first: int) -> None:
    tx.run("DELETE FROM life WHERE endpoint = ? AND run = ? AND captured_at = ?", endpoint, run, first)


def deltas(tx: Tx, endpoint: int, first_ms: int = -_LATEST, last_ms: int = _LATEST, *, limit: int = -1) -> list[Stored]:
    """Those that are in no run or came anew, in order of time. Raises IndexDamaged."""
    rows = tx.all(
        "SELECT captured_at, last_at, entries, checksum FROM life WHERE endpoint = ? AND run = ?"
        " AND captured_at BETWEEN ? AND ? ORDER BY captured_at LIMIT ?",
        endpoint,
        _DELTA,
        first_ms,
        last_ms,
        limit,
    )
    return [_stored(endpoint, _DELTA, row) for row in rows]


def waiting(tx: Tx, endpoint: int, limit: int) -> tuple[int, int]:
    """How many deltas are in no run or came anew, and the bytes of their entries; of the first `limit`."""
    row = tx.one(
        "SELECT count(*), coalesce(sum(size), 0) FROM"
        " (SELECT length(entries) AS size FROM life WHERE endpoint = ? AND run = ? LIMIT ?)",
        endpoint,
        _DELTA,
        limit,
    )
    return (0, 0) if row is None else (row[0], row[1])


def runs(tx: Tx, endpoint: int, span: TimelineSpan) -> Iterator[Stored]:
    """Those that may have times in `span`, in its order. Raises IndexDamaged."""
    first_ms, last_ms, _, _ = span.bounds()
    firsts = tx.all(
        "SELECT captured_at FROM life WHERE endpoint = ? AND run = ? AND captured_at <= ? AND last_at >= ?"
        f" ORDER BY captured_at {'DESC' if span.descending else 'ASC'}",
        endpoint,
        _RUN,
        last_ms,
        first_ms,
    )
    for (first,) in firsts:
        if (run := _run(tx, endpoint, "captured_at = ?", first)) is not None:
            yield run


def run_at(tx: Tx, endpoint: int, at: int) -> Stored | None:
    """The last run that begins at or before a time."""
    return _run(tx, endpoint, "captured_at <= ? ORDER BY captured_at DESC", at)


def run_after(tx: Tx, endpoint: int, at: int) -> Stored | None:
    """The first run that begins after a time."""
    return _run(tx, endpoint, "captured_at > ? ORDER BY captured_at", at)


def _run(tx: Tx, endpoint: int, where: str, at: int) -> Stored | None:
    row = tx.one(
        f"SELECT captured_at, last_at, entries, checksum FROM life WHERE endpoint = ? AND run = ? AND {where} LIMIT 1",
        endpoint,
        _RUN,
        at,
    )
    return None if row is None else _stored(endpoint, _RUN, row)


def replace(tx: Tx, endpoint: int, run: Stored | None, folded: list[Stored], runs: list[Stored]) -> bool:
    """Put `runs` in the place of one and of deltas, unless these have changed since they were read."""
    if run is not None and _run(tx, endpoint, "captured_at = ?", run.first) != run:
        return False
    if deltas(tx, endpoint, folded[0].first, folded[-1].first) != folded:
        return False
    if run is not None:
        _delete(tx, endpoint, _RUN, run.first)
    for each in folded:
        _delete(tx, endpoint, _DELTA, each.first)
    for each in runs:
        _insert(tx, endpoint, _RUN, each)
    return True


def delete_some(tx: Tx, endpoint: int, limit: int) -> bool:
    """Delete up to `limit` rows of a deleted endpoint, of a run a tenth; False when none is left."""
    return any(
        tx.run(
            "DELETE FROM life WHERE (endpoint, run, captured_at) IN"
            " (SELECT endpoint, run, captured_at FROM life WHERE endpoint = ? AND run = ? LIMIT ?)",
            endpoint,
            run,
            most,
        )
        for run, most in ((_DELTA, limit), (_RUN, -(-limit // 10)))
    )


# What the index cannot tell: contents whose delta is not computed


def unknown(tx: Tx, endpoint: int, span: TimelineSpan, limit: int | None) -> list[int]:
    """Along `span`, up to `limit` times of contents whose delta waits to be computed, could not be, or is none: that of
    the first."""
    first_ms, last_ms, seen_ms, _ = span.bounds()
    waiting = tx.all(
        "SELECT captured_at FROM content WHERE endpoint = ? AND pending = 1 AND captured_at BETWEEN ? AND ?"
        f" AND captured_at <> ? ORDER BY captured_at {'DESC' if span.descending else 'ASC'} LIMIT ?",
        endpoint,
        first_ms,
        last_ms,
        seen_ms,
        -1 if limit is None else limit,
    )
    failed = tx.all("SELECT captured_at FROM content WHERE endpoint = ? AND pending = 2", endpoint)
    first = tx.all(
        "SELECT captured_at FROM content WHERE endpoint = ? AND dead = 0 ORDER BY captured_at LIMIT 1", endpoint
    )
    times = {at for (at,) in (*waiting, *failed, *first) if first_ms <= at <= last_ms and at != seen_ms}
    return sorted(times, reverse=span.descending)[:limit]
