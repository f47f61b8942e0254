"""Sealing: blocks that wait become segments, sorted by time, in one transaction.

DuckDB reads the blocks in one snapshot and writes the files away from the event loop, while appends go on: blocks up to
the last one read are sealed, those behind it wait for the next time. A crash before the transaction leaves everything
as it was; after it the blocks are gone and the segments there. Damaged blocks stay where they are:
what meets them names them, and the others do not wait for them.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import msgspec

from delta_server.core.errors import Conflict, DatabaseFailed
from delta_server.core.event_storage import segment_plan
from delta_server.storage.database import Tx, frees_space
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.ingest.dedup_index import DedupIndex, SealedKeys
from delta_server.storage.events.options import Events
from delta_server.storage.events.query.read_view import Block
from delta_server.storage.events.segments import catalog, segment_file
from delta_server.storage.events.segments.catalog import NewSegment, WaitingBlocks

RAW_BYTES = 64 << 20
"""Lines that are sealed at once at most, and that are not waited for any longer; large events count for more."""

SOON_EVENTS, SOON_MS = 8192, 15_000
"""Enough for a segment worth having, and how long they wait: what is sealed is queried many times faster."""

OWN_SHARE = 8
"""A day with an eighth of the events that make a segment gets one of its own."""


class Sealable(msgspec.Struct, frozen=True):
    """What is to take the place of a project's blocks from the oldest to `last_id`, but those with the seqs
    `excluded`."""

    last_id: int
    blocks: int
    events: int
    segments: tuple[NewSegment, ...]
    excluded: frozenset[int] = frozenset()


def is_due(found: WaitingBlocks, options: Events, now_ms: int) -> bool:
    waited_ms = now_ms - found.received_at
    if waited_ms < 0:  # the clock has been set back
        return True
    return (
        found.events >= options.seal_events
        or found.raw_bytes >= RAW_BYTES
        or (found.events >= SOON_EVENTS and waited_ms >= SOON_MS)
        or waited_ms >= options.seal_seconds * 1000
    )


def prepare(session: QuerySession, *, most_events: int, excluded: frozenset[int] = frozenset()) -> Sealable | None:
    """Segments of the oldest blocks but those with the seqs `excluded`; None when nothing waits. Raises DatabaseFailed
    when a block is damaged or events are missing."""
    blocks = _oldest([block for block in session.read_view.blocks() if block.seq not in excluded], most_events)
    if not blocks:
        return None
    events, raw_bytes = sum(block.events_count for block in blocks), sum(block.raw_bytes for block in blocks)
    session.run(f"CREATE TEMP TABLE waiting AS {segment_file.of_blocks(session.read_view, blocks)}")
    segments = tuple(
        msgspec.structs.replace(new, json_bytes=raw_bytes * new.events // events)
        for where in _conditions(session, most_events // OWN_SHARE)
        if (
            new := segment_file.encoded(
                session,
                f"FROM waiting{where}",
                event_bytes=raw_bytes // events,
                rolled=False,
                level=segment_file.SEAL_LEVEL,
            )
        )
    )
    if sum(new.events for new in segments) != events:
        raise DatabaseFailed(f"the blocks {blocks[0].id} to {blocks[-1].id} do not hold the events they should")
    return Sealable(blocks[-1].id, len(blocks), events, segments, excluded)


def _oldest(blocks: Sequence[Block], most_events: int) -> Sequence[Block]:
    """Up to the first one with which they are enough."""
    sizes = zip(
        accumulate((block.events_count for block in blocks), initial=0),
        accumulate((block.raw_bytes for block in blocks), initial=0),
        strict=True,
    )
    return [
        block for block, (events, size) in zip(blocks, sizes, strict=False) if events < most_events and size < RAW_BYTES
    ]


def _conditions(session: QuerySession, own: int) -> list[str]:
    """A WHERE for each segment that is to be made."""
    _, days = session.rows(f"SELECT {segment_file.DAY} AS day, count(*) FROM waiting GROUP BY day ORDER BY day")
    cutoffs = [None, *segment_plan.cuts(days, own), None]
    return [_where(first, end) for first, end in pairwise(cutoffs)]


def _where(first_ms: int | None, end_ms: int | None) -> str:
    parts = [] if first_ms is None else [f"time_ms >= {first_ms:d}"]
    parts += [] if end_ms is None else [f"time_ms < {end_ms:d}"]
    return f" WHERE {' AND '.join(parts)}" if parts else ""


@frees_space
def replace_blocks(
    tx: Tx, project: int, ready: Sealable, segments: Sequence[NewSegment], dedup: DedupIndex, keys: SealedKeys
) -> None:
    """Raises Conflict when some of the blocks are gone."""
    if catalog.delete_blocks(tx, project, ready.last_id, ready.excluded) != ready.blocks:
        raise Conflict("the blocks that were to be sealed are not there any more: the project is being deleted")
    for new in segments:
        catalog.insert_segment(tx, project, new)
    dedup.sealed(tx, keys)
