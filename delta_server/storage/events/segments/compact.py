"""Compaction: many small segments become one, which takes their place in one transaction.

What is in a segment stays the same, so whoever crashes here has lost nothing but time. A query that has begun reads the
old ones from its own snapshot.
"""

from collections.abc import Sequence

from delta_server.core.event_storage.segment_plan import SegmentInfo
from delta_server.storage.database import Database, Tx, frees_space
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.segments import catalog, parts, segment_file
from delta_server.storage.events.segments.catalog import NewSegment


async def merge(db: Database, engine: Engine, project: int, segments: Sequence[SegmentInfo]) -> int:
    """Merge these segments, all of them rolled or none; how many events were written. 0 when some are gone."""
    new = await engine.run_background(project, lambda session: merged(session, segments))
    if new is None:
        return 0
    async with parts.stored(db, [new]) as [new]:
        done = await db.write(replace, project, [segment.id for segment in segments], new)
    return new.events if done else 0


def merged(session: QuerySession, segments: Sequence[SegmentInfo]) -> NewSegment | None:
    """None when one of them is gone."""
    rows = segment_file.of_segments(session.read_view, [segment.id for segment in segments])
    if rows is None:
        return None
    types: dict[str, int] = {}
    for segment in segments:
        for name, count in segment.types.items():
            types[name] = types.get(name, 0) + count
    events, json_bytes = sum(each.events for each in segments), sum(each.json_bytes for each in segments)
    parquet = segment_file.parquet(
        session, rows, event_bytes=json_bytes // max(events, 1), level=segment_file.MERGE_LEVEL
    )
    return NewSegment(
        events=events,
        first_at=min(segment.first_at for segment in segments),
        last_at=max(segment.last_at for segment in segments),
        last_seq=None if None in (seqs := [segment.last_seq for segment in segments]) else max(filter(None, seqs)),
        types=segment_file.most_frequent(types),
        json_bytes=json_bytes,
        parquet=parquet,
        rolled=segments[0].rolled,
    )


@frees_space
def replace(tx: Tx, project: int, old: Sequence[int], new: NewSegment | None) -> bool:
    """One segment, or nothing, instead of `old`; False when one of those is gone or got into the rollups meanwhile."""
    if not catalog.are_there(tx, project, old, rolled=new.rolled if new else None):
        return False
    catalog.delete(tx, project, old)
    if new is not None:
        catalog.insert_segment(tx, project, new)
    return True
