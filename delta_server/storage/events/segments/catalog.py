"""Which blocks wait and which segments there are: the SQL of sealing, compaction, retention and erasure."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from delta_server.core.event_storage.segment_plan import SegmentInfo
from delta_server.storage.database import Tx
from delta_server.storage.eventlog import EventStats, Positions
from delta_server.storage.events.ingest.blocks import INDEX_BITS
from delta_server.storage.events.segments import parts
from delta_server.storage.events.segments.parts import WithFile


class WaitingBlocks(msgspec.Struct, frozen=True):
    """What a project has in blocks. `received_at` is the oldest one's, in ms."""

    project: int
    events: int
    raw_bytes: int
    received_at: int


class NewSegment(WithFile, frozen=True):
    """A segment that is not stored yet. Times are in ms, the last one included."""

    events: int
    first_at: int
    last_at: int
    types: Mapping[str, int]
    json_bytes: int
    rolled: bool
    last_seq: int | None


# Blocks


def any_waits(tx: Tx) -> bool:
    """A look at one row, for the event loop's own thread."""
    return tx.one("SELECT 1 FROM event_block LIMIT 1") is not None


def waiting(tx: Tx, excluded: Collection[int] = ()) -> list[WaitingBlocks]:
    """Of all projects that are not deleted and have any but the blocks with the seqs `excluded`. 40,000 blocks are
    counted in 10 ms."""
    rows = tx.all(
        "SELECT project, sum(events_count), sum(raw_bytes), min(received_at) FROM event_block"
        f" WHERE seq NOT IN ({_list(excluded)})"
        " AND project IN (SELECT id FROM project WHERE deleted_at IS NULL) GROUP BY project"
    )
    return [WaitingBlocks(*row) for row in rows]


def delete_blocks(tx: Tx, project: int, last_id: int, excluded: Collection[int] = ()) -> int:
    """Up to `last_id`, as sealed ones, but those with the seqs `excluded`; how many."""
    tx.run(
        "INSERT INTO event_settings (project, sealed_until, sealed_seq) SELECT ?1, ?2, coalesce(max(seq), 0)"
        " FROM event_block WHERE project = ?1 AND id <= ?2 ON CONFLICT (project) DO UPDATE"
        " SET sealed_until = max(sealed_until, excluded.sealed_until),"
        " sealed_seq = max(sealed_seq, excluded.sealed_seq)",
        project,
        last_id,
    )
    sql = f"DELETE FROM event_block WHERE project = ? AND id <= ? AND seq NOT IN ({_list(excluded)})"
    return tx.run(sql, project, last_id)


def positions(tx: Tx, project: int) -> Positions:
    sealed, sealed_seq = tx.one("SELECT sealed_until, sealed_seq FROM event_settings WHERE project = ?", project) or (
        0,
        0,
    )
    newest, seq = tx.one("SELECT id, seq FROM event_block WHERE project = ? ORDER BY id DESC LIMIT 1", project) or (
        0,
        0,
    )
    return Positions(sealed, max(sealed, newest), (max(sealed_seq, seq) + 1 << INDEX_BITS) - 1)


# Segments


def with_files(tx: Tx) -> list[int]:
    """Projects that are not deleted, with segments or, where their events have expired, rollups."""
    rows = tx.all(
        "SELECT id FROM project WHERE deleted_at IS NULL"
        " AND (EXISTS (SELECT 1 FROM segment WHERE segment.project = project.id)"
        " OR EXISTS (SELECT 1 FROM rollup WHERE rollup.project = project.id))"
    )
    return [row[0] for row in rows]


def list_segments(tx: Tx, project: int) -> list[SegmentInfo]:
    """By time."""
    rows = tx.all(
        "SELECT id, events_count, first_at, last_at, json_bytes, stored_bytes, rolled, last_seq, types FROM segment"
        " WHERE project = ? ORDER BY first_at, id",
        project,
    )
    return [
        SegmentInfo(
            id=segment,
            events=events,
            first_at=first_at,
            last_at=last_at,
            json_bytes=json_bytes,
            stored_bytes=stored_bytes,
            rolled=bool(rolled),
            last_seq=last_seq,
            types=msgspec.json.decode(types, type=dict[str, int]),
        )
        for segment, events, first_at, last_at, json_bytes, stored_bytes, rolled, last_seq, types in rows
    ]


def insert_segment(tx: Tx, project: int, new: NewSegment) -> int:
    size, hash = new.size_and_hash()
    segment = tx.insert(
        "INSERT INTO segment (project, events_count, first_at, last_at, types, json_bytes, stored_bytes, created_at,"
        " rolled, last_seq, hash, file) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        project,
        new.events,
        new.first_at,
        new.last_at,
        msgspec.json.encode(new.types).decode(),
        new.json_bytes,
        size,
        tx.now_ms,
        new.rolled,
        new.last_seq,
        hash,
        new.file and new.file.file,
    )
    parts.insert(tx, "segment", segment, new)
    return segment


def span(tx: Tx, project: int, segment: int) -> tuple[int, int] | None:
    """The times of its first and last event."""
    row = tx.one("SELECT first_at, last_at FROM segment WHERE project = ? AND id = ?", project, segment)
    return None if row is None else (row[0], row[1])


def without_last_seq(tx: Tx, project: int) -> list[int]:
    rows = tx.all("SELECT id FROM segment WHERE project = ? AND last_seq IS NULL ORDER BY id", project)
    return [row[0] for row in rows]


def set_last_seq(tx: Tx, project: int, segment: int, last_seq: int | None) -> None:
    tx.run("UPDATE segment SET last_seq = ? WHERE project = ? AND id = ?", last_seq, project, segment)


def are_there(tx: Tx, project: int, segments: Sequence[int], *, rolled: bool | None) -> bool:
    """Whether all these segments are there and, unless it is None, their events in the rollups or not."""
    row = tx.one(
        f"SELECT count(*), coalesce(sum(rolled), 0) FROM segment WHERE project = ? AND id IN ({_list(segments)})",
        project,
    )
    assert row is not None
    return row[0] == len(segments) and (rolled is None or row[1] == rolled * len(segments))


def delete(tx: Tx, project: int, segments: Sequence[int]) -> None:
    owned = f"SELECT id FROM segment WHERE project = ? AND id IN ({_list(segments)})"
    parts.delete(tx, "segment", project, _list(segments))
    tx.run(f"DELETE FROM segment WHERE id IN ({owned})", project)


def _list(numbers: Collection[int]) -> str:
    return ", ".join(str(int(number)) for number in numbers)


# Settings


def raise_version(tx: Tx, project: int) -> None:
    tx.run(
        "INSERT INTO event_settings (project, version) VALUES (?, 1) ON CONFLICT (project) DO UPDATE"
        " SET version = version + 1",
        project,
    )


def retention(tx: Tx, project: int) -> str:
    """JSON, `{}` for the defaults."""
    row = tx.one("SELECT retention FROM event_settings WHERE project = ?", project)
    return row[0] if row else "{}"


# All of a project


def stats(tx: Tx, project: int) -> EventStats:
    row = tx.one(
        "WITH hot AS (SELECT coalesce(sum(events_count), 0), coalesce(sum(length(events) + length(keys)), 0),"
        " min(first_at) AS first_at, max(last_at) AS last_at FROM event_block WHERE project = ?1),"
        " sealed AS (SELECT coalesce(sum(events_count), 0), count(*), coalesce(sum(stored_bytes), 0),"
        " coalesce(sum(json_bytes), 0), min(first_at) AS first_at, max(last_at) AS last_at FROM segment"
        " WHERE project = ?1),"
        " rolled AS (SELECT count(*), coalesce(sum(stored_bytes), 0) FROM rollup WHERE project = ?1)"
        " SELECT hot.*, sealed.*, rolled.* FROM hot, sealed, rolled",
        project,
    )
    assert row is not None
    waiting_events, waiting_bytes, *hot_span, events, segments, stored, json, first, last, rollups, rollup_bytes = row
    firsts = [at for at in (hot_span[0], first) if at is not None]
    lasts = [at for at in (hot_span[1], last) if at is not None]
    return EventStats(
        waiting_events=waiting_events,
        waiting_bytes=waiting_bytes,
        sealed_events=events,
        segments=segments,
        segment_bytes=stored,
        json_bytes=json,
        rollups=rollups,
        rollup_bytes=rollup_bytes,
        first_at=min(firsts, default=None),
        last_at=max(lasts, default=None),
    )
