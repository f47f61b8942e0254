"""Erasure: every event of a person goes, segment by segment, and what the rollups know of them.

Blocks are sealed before. Each segment is written again without the person's events in a transaction of its own, in
which the days it was found on are marked for the rollups: whoever begins again after a crash finds the rest of them.
The database file keeps nothing of them either: see `Database.scrub`.
"""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from msgspec.structs import replace

from delta_server.core.event_storage.segment_plan import Piece
from delta_server.core.events.persons import Ids
from delta_server.core.times import DAY_MS
from delta_server.storage.database import Database, Tx, frees_space
from delta_server.storage.eventlog import ErasedSegment
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import Reading
from delta_server.storage.events.schema import user
from delta_server.storage.events.segments import catalog, parts, segment_file
from delta_server.storage.events.segments.expire import replace_changed
from delta_server.storage.events.segments.segment_file import Rest

Stretches = list[tuple[int, int]]
Mark = Callable[[Tx, int, Stretches], None]
"""(tx, project, [(first_ms, end_ms)]): what the rollups say of these times is to be computed again."""

_CONDITION = (
    "(coalesce(user_id IN (SELECT unnest($1::VARCHAR[])), false) OR"
    f" (coalesce(anonymous_id IN (SELECT unnest($2::VARCHAR[])), false) AND {user('user_id')} IS NULL))"
)


class _Found(msgspec.Struct, frozen=True):
    """A person in a segment: what stays of it, and the days they were found on."""

    rest: Rest
    days: Stretches


Record = Callable[[Tx, ErasedSegment], None]
"""Runs in the transaction that takes a segment's events away."""


async def erase(db: Database, engine: Engine, project: int, ids: Ids, record: Record, mark: Mark) -> int:
    """Remove all sealed events of a person; how many."""
    erased = 0
    pieces = await db.read(catalog.pieces, project)
    for done, piece in enumerate(pieces):
        found = await engine.tend(project, partial(_look, piece=piece, ids=ids))
        step = ErasedSegment(done + 1, len(pieces), 0)
        new = [] if found is None or found.rest.new is None else [found.rest.new]
        async with parts.stored(db, new) as stored:
            if found is not None and stored:
                found = replace(found, rest=replace(found.rest, new=stored[0]))
            erased += await db.write(_replace, project, piece, found, mark, record, step)
    return erased


def _look(reading: Reading, piece: Piece, ids: Ids) -> _Found | None:
    rows = segment_file.of_segments(reading.snapshot, [piece.id])
    params = [list(ids.users), list(ids.anonymous)]
    if rows is None or not segment_file.count(reading, piece.id, _CONDITION, params):
        return None
    _, days = reading.rows(
        f"SELECT DISTINCT {segment_file.DAY} AS day FROM ({rows}) WHERE {_CONDITION} ORDER BY day", params
    )
    return _Found(segment_file.rest(reading, piece.id, _CONDITION, params), stretches([day for (day,) in days]))


def stretches(days: Sequence[int]) -> Stretches:
    """Days, ascending, as (first, end) in ms, those side by side as one."""
    found: Stretches = []
    for day in days:
        first = day * DAY_MS
        if found and found[-1][1] == first:
            first = found.pop()[0]
        found.append((first, (day + 1) * DAY_MS))
    return found


@frees_space
def _replace(
    tx: Tx, project: int, piece: Piece, found: _Found | None, mark: Mark, record: Record, step: ErasedSegment
) -> int:
    """How many events went: none when the segment itself has gone."""
    gone = 0
    if found is not None and replace_changed(tx, project, piece, found.rest.new):
        gone = found.rest.gone
        if piece.rolled:
            mark(tx, project, found.days)
    record(tx, step._replace(events=gone))
    return gone
