"""Erasure: every event of a person goes, segment by segment, and what the rollups know of them.

Blocks are sealed before. Each segment is written again without the person's events in a transaction of its own, in
which the days it was found on are marked for the rollups: a restart after a crash finds the rest of them.
The database file keeps nothing of them either: see `Database.scrub`.
"""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from msgspec.structs import replace

from delta_server.core.event_storage.segment_plan import SegmentInfo
from delta_server.core.events.persons import PersonIds
from delta_server.core.times import DAY_MS
from delta_server.storage.cold import store as cold
from delta_server.storage.cold.moving import LEAST_WAIT_MS
from delta_server.storage.database import Database, Tx, frees_space
from delta_server.storage.eventlog import ErasedSegment
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.schema import user
from delta_server.storage.events.segments import catalog, parts, segment_file
from delta_server.storage.events.segments.expire import replace_changed
from delta_server.storage.events.segments.segment_file import Remainder

TimeRanges = list[tuple[int, int]]
MarkStale = Callable[[Tx, int, TimeRanges], None]
"""(tx, project, [(first_ms, end_ms)]): what the rollups say of these times is to be computed again."""

_CONDITION = (
    "(coalesce(user_id IN (SELECT unnest($1::VARCHAR[])), false) OR"
    f" (coalesce(anonymous_id IN (SELECT unnest($2::VARCHAR[])), false) AND {user('user_id')} IS NULL))"
)


class _PersonEvents(msgspec.Struct, frozen=True):
    """A person in a segment: what stays of it, and the days they were found on."""

    remainder: Remainder
    days: TimeRanges


Record = Callable[[Tx, ErasedSegment], None]
"""Runs in the transaction that takes a segment's events away."""


async def erase_person(
    db: Database, engine: Engine, project: int, ids: PersonIds, record: Record, mark_stale: MarkStale
) -> int:
    """Remove all sealed events of a person; how many."""
    erased = 0
    segments = await db.read(catalog.list_segments, project)
    for done, segment in enumerate(segments):
        found = await engine.run_background(project, partial(_find_events, segment=segment, ids=ids))
        step = ErasedSegment(done + 1, len(segments), 0)
        new = [] if found is None or found.remainder.new is None else [found.remainder.new]
        async with parts.stored(db, new) as stored:
            if found is not None and stored:
                found = replace(found, remainder=replace(found.remainder, new=stored[0]))
            erased += await db.write(_replace_segment, project, segment, found, mark_stale, record, step)
    await db.write(_doom_left, project)
    return erased


@frees_space
def _doom_left(tx: Tx, project: int) -> None:
    """What came back from cold storage, was written anew by retention, or left there by a crash may hold the person."""
    cold.doom_left_of_segments(tx, project, tx.now_ms + LEAST_WAIT_MS)


def _find_events(session: QuerySession, segment: SegmentInfo, ids: PersonIds) -> _PersonEvents | None:
    rows = segment_file.of_segments(session.read_view, [segment.id])
    params = [list(ids.users), list(ids.anonymous)]
    if rows is None or not segment_file.count(session, segment.id, _CONDITION, params):
        return None
    _, days = session.rows(
        f"SELECT DISTINCT {segment_file.DAY} AS day FROM ({rows}) WHERE {_CONDITION} ORDER BY day", params
    )
    return _PersonEvents(
        segment_file.rewrite_without(session, segment.id, _CONDITION, params), day_ranges([day for (day,) in days])
    )


def day_ranges(days: Sequence[int]) -> TimeRanges:
    """Days, ascending, as (first, end) in ms, those side by side as one."""
    found: TimeRanges = []
    for day in days:
        first = day * DAY_MS
        if found and found[-1][1] == first:
            first = found.pop()[0]
        found.append((first, (day + 1) * DAY_MS))
    return found


@frees_space
def _replace_segment(
    tx: Tx,
    project: int,
    segment: SegmentInfo,
    found: _PersonEvents | None,
    mark_stale: MarkStale,
    record: Record,
    step: ErasedSegment,
) -> int:
    """How many events were erased: none when the segment itself is deleted."""
    erased = 0
    if found is not None:
        cold.doom_segment(tx, project, segment.id, tx.now_ms + LEAST_WAIT_MS)  # no backup is to bring them back
    if found is not None and replace_changed(tx, project, segment, found.remainder.new):
        erased = found.remainder.removed
        if segment.rolled:
            mark_stale(tx, project, found.days)
    record(tx, step._replace(events=erased))
    return erased
