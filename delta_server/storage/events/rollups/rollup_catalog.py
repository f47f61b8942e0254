"""The files of the rollups and what is known of them: the SQL of storage/events/rollups/rollup.py."""

from collections.abc import Mapping, Sequence

import msgspec

from delta_server.core.event_storage import rollup_plan
from delta_server.core.event_storage.rollup_plan import RollupFile, RollupState, Width
from delta_server.core.event_storage.segment_plan import RetentionCutoffs
from delta_server.core.query.plan import Span
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.events.segments import parts
from delta_server.storage.events.segments.parts import WithFile


class Unrolled(msgspec.Struct, frozen=True):
    id: int
    events: int
    created_at: int


class NewRollup(WithFile, frozen=True):
    """A file that takes the place of those with the ids `old`; without rows there is none afterwards."""

    interval_ms: int
    part: int
    span: Span
    rows: int
    old: tuple[int, ...]


def unrolled(tx: Tx, project: int) -> list[Unrolled]:
    """Segments that are not in the rollups yet, the oldest first."""
    rows = tx.all(
        "SELECT id, events_count, created_at FROM segment WHERE project = ? AND rolled = 0 ORDER BY id", project
    )
    return [Unrolled(*row) for row in rows]


def set_rolled(tx: Tx, project: int, segments: Sequence[int]) -> bool:
    """False when one of them is not there, or in the rollups already."""
    changed = [
        tx.run("UPDATE segment SET rolled = 1 WHERE project = ? AND id = ? AND rolled = 0", project, segment)
        for segment in segments
    ]
    return all(changed)


def list_files(tx: Tx, project: int, width: Width, part: int) -> list[RollupFile]:
    """The files of an interval's part, by time."""
    rows = tx.all(
        "SELECT id, first_at, end_at, stored_bytes, created_at FROM rollup WHERE project = ? AND interval_ms = ?"
        " AND part = ? ORDER BY first_at",
        project,
        width.ms,
        part,
    )
    return [RollupFile(id, Span(first, end), stored, created) for id, first, end, stored, created in rows]


def replace(tx: Tx, project: int, new: NewRollup) -> bool:
    """False when what it is to take the place of is not there."""
    for old in new.old:
        if not delete(tx, project, old):
            return False
    if new.rows:
        size, hash = new.size_and_hash()
        rollup = tx.insert(
            "INSERT INTO rollup (project, interval_ms, part, first_at, end_at, rows_count, stored_bytes,"
            " created_at, hash, file) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            project,
            new.interval_ms,
            new.part,
            new.span.start_ms,
            new.span.end_ms,
            new.rows,
            size,
            tx.now_ms,
            hash,
            new.file and new.file.file,
        )
        parts.insert(tx, "rollup", rollup, new)
    return True


def span(tx: Tx, project: int, rollup: int) -> tuple[int, int] | None:
    row = tx.one("SELECT first_at, end_at FROM rollup WHERE project = ? AND id = ?", project, rollup)
    return None if row is None else (row[0], row[1])


def delete(tx: Tx, project: int, rollup: int) -> bool:
    parts.delete(tx, "rollup", project, str(rollup))
    return bool(tx.run("DELETE FROM rollup WHERE project = ? AND id = ?", project, rollup))


def known(tx: Tx, project: int) -> RollupState:
    row = tx.one("SELECT rollups FROM event_settings WHERE project = ?", project)
    return decode_known(row[0] if row else "{}")


def persons_rev(tx: Tx, project: int) -> int:
    """The number of changes of links."""
    row = tx.one("SELECT rev FROM person_state WHERE project = ?", project)
    return row[0] if row else 0


def decode_known(text: str) -> RollupState:
    return msgspec.json.decode(text, type=RollupState)


def set_known(tx: Tx, project: int, now: RollupState) -> None:
    tx.run(
        "INSERT INTO event_settings (project, rollups) VALUES (?, ?) ON CONFLICT (project) DO UPDATE"
        " SET rollups = excluded.rollups",
        project,
        msgspec.json.encode(now).decode(),
    )


def mark_expired(tx: Tx, project: int, past: RetentionCutoffs) -> None:
    """Events before `past` are being deleted: from now on only the rollups are complete there."""
    before = known(tx, project)
    if (now := rollup_plan.with_expired_events(before, past)) != before:
        set_known(tx, project, now)


def has_expired(tx: Tx, project: int, cutoffs: Mapping[int, int]) -> bool:
    """Whether an interval (ms) has a file whose buckets all begin before its border."""
    return any(
        tx.one(
            "SELECT 1 FROM rollup WHERE project = ? AND interval_ms = ? AND first_at < ? AND end_at <= ? LIMIT 1",
            project,
            interval_ms,
            cutoff,
            cutoff,
        )
        for interval_ms, cutoff in cutoffs.items()
    )


@frees_space
def expire_files(tx: Tx, project: int, cutoffs: Mapping[int, int]) -> int:
    """Delete those files, and remember; how many."""
    before = known(tx, project)
    if (now := rollup_plan.with_expired_rollups(before, cutoffs)) != before:
        set_known(tx, project, now)
    rows = [
        row
        for interval_ms, cutoff in cutoffs.items()
        for row in tx.all(
            "SELECT id FROM rollup WHERE project = ? AND interval_ms = ? AND end_at <= ?", project, interval_ms, cutoff
        )
    ]
    return sum(delete(tx, project, rollup) for (rollup,) in rows)
