"""Compaction: many small segments become one, which takes their place in one transaction.

What is in a segment stays the same, so whoever crashes here has lost nothing but time. A query that has begun reads the
old ones from its own snapshot.
"""

from collections.abc import Sequence

from delta_server.core.event_storage.segment_plan import Piece
from delta_server.storage.database import Database, Tx, frees_space
from delta_server.storage.events.duckdb.engine import Engine
from delta_server.storage.events.duckdb.instance import Reading
from delta_server.storage.events.segments import catalog, parts, segment_file
from delta_server.storage.events.segments.catalog import NewSegment


async def merge(db: Database, engine: Engine, project: int, pieces: Sequence[Piece]) -> int:
    """Merge these segments, all of them rolled or none; how many events were written. 0 when some are gone."""
    new = await engine.tend(project, lambda reading: merged(reading, pieces))
    if new is None:
        return 0
    async with parts.stored(db, [new]) as [new]:
        done = await db.write(replace, project, [piece.id for piece in pieces], new)
    return new.events if done else 0


def merged(reading: Reading, pieces: Sequence[Piece]) -> NewSegment | None:
    """None when one of them is gone."""
    rows = segment_file.of_segments(reading.snapshot, [piece.id for piece in pieces])
    if rows is None:
        return None
    types: dict[str, int] = {}
    for piece in pieces:
        for name, count in piece.types.items():
            types[name] = types.get(name, 0) + count
    return NewSegment(
        events=sum(piece.events for piece in pieces),
        first_at=min(piece.first_at for piece in pieces),
        last_at=max(piece.last_at for piece in pieces),
        last_seq=None if None in (seqs := [piece.last_seq for piece in pieces]) else max(filter(None, seqs)),
        types=segment_file.few(types),
        json_bytes=sum(piece.json_bytes for piece in pieces),
        parquet=segment_file.parquet(reading, rows, level=segment_file.MERGE_LEVEL),
        rolled=pieces[0].rolled,
    )


@frees_space
def replace(tx: Tx, project: int, old: Sequence[int], new: NewSegment | None) -> bool:
    """One segment, or nothing, instead of `old`; False when one of those is gone or got into the rollups meanwhile."""
    if not catalog.are_there(tx, project, old, rolled=new.rolled if new else None):
        return False
    catalog.delete(tx, project, old)
    if new is not None:
        catalog.insert(tx, project, new)
    return True
