"""How a segment's file is made: of waiting blocks, or of other segments."""

from collections.abc import Sequence
from typing import Any

import msgspec

from delta_server.core.event_storage.segment_plan import LONG_BYTES, MOST_TYPES, OTHER_TYPES
from delta_server.core.times import DAY_MS
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.query import relation
from delta_server.storage.events.query.read_view import Block, ReadView
from delta_server.storage.events.schema import FROM_LINES, SEGMENT_COLUMNS
from delta_server.storage.events.segments.catalog import NewSegment

SEAL_LEVEL, MERGE_LEVEL = 6, 9
"""zstd: what is sealed will soon be merged, what is merged stays."""

_OPTIONS = (
    "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL {level:d}, ROW_GROUP_SIZE {rows:d},"
    " USE_TMP_FILE false"
)
_GROUP_ROWS, _GROUP_BYTES, _VECTOR_ROWS = 32_768, 8 << 20, 2048
"""Of a row group, which DuckDB has in memory three times while it writes it: of long events it holds fewer. A page of
the newest events reads a whole one: of 131,072 rows it takes twice the processor time, for files that are 1.5 %
smaller."""
DAY = f"(time_ms - ((time_ms % {DAY_MS}) + {DAY_MS}) % {DAY_MS}) // {DAY_MS}"
"""SQL: an event's UTC day since the epoch, before the epoch too."""


def of_blocks(read_view: ReadView, blocks: Sequence[Block]) -> str:
    """SELECT of the blocks' events, as a segment's columns."""
    return f"SELECT {SEGMENT_COLUMNS} FROM (SELECT {FROM_LINES} FROM {relation.waiting(read_view, blocks)})"


def of_segments(read_view: ReadView, segments: Sequence[int]) -> str | None:
    """SELECT of their rows as they are stored; None when one is gone."""
    found = [each for each in read_view.segments() if each.id in segments]
    return f"SELECT * FROM {relation.sealed(read_view, found)}" if len(found) == len(segments) else None


class Remainder(msgspec.Struct, frozen=True):
    """What stays of a segment, None for nothing, and how many events of it go."""

    new: NewSegment | None
    removed: int


def count(session: QuerySession, segment: int, condition: str, params: Sequence[Any]) -> int:
    """How many events of a segment `condition` holds for; 0 when the segment is gone."""
    rows = of_segments(session.read_view, [segment])
    if rows is None:
        return 0
    _, [(found,)] = session.rows(f"SELECT count(*) FROM ({rows}) WHERE {condition}", params)
    return int(found)


def rewrite_without(session: QuerySession, segment: int, condition: str, params: Sequence[Any]) -> Remainder:
    """The segment, which must be there, without the events `condition` holds for; it is never NULL."""
    [old] = [each for each in session.read_view.segments() if each.id == segment]
    rows = f"{of_segments(session.read_view, [segment])} WHERE NOT {condition}"
    event_bytes = old.json_bytes // old.events_count
    new = encoded(session, rows, params, event_bytes=event_bytes, rolled=bool(old.rolled), level=MERGE_LEVEL)
    if new is None:
        return Remainder(None, old.events_count)
    json_bytes = old.json_bytes * new.events // old.events_count
    return Remainder(msgspec.structs.replace(new, json_bytes=json_bytes), old.events_count - new.events)


class SegmentStats(msgspec.Struct, frozen=True):
    """What a segment's row says of its events. `types`: how many of each, most frequent first."""

    types: dict[str, int]
    first_at: int
    last_at: int
    last_seq: int


def statistics(session: QuerySession, select: str, params: Sequence[Any] = ()) -> SegmentStats | None:
    """Of the rows of `select`, None when there are none."""
    _, rows = session.rows(
        "SELECT event_type, count(*), min(time_ms), max(time_ms), coalesce(max(seq), 0)"
        f" FROM ({select}) GROUP BY 1 ORDER BY 2 DESC, 1",
        params,
    )
    if not rows:
        return None
    names, counts, firsts, lasts, seqs = zip(*rows, strict=True)
    return SegmentStats(dict(zip(names, counts, strict=True)), min(firsts), max(lasts), max(seqs))


def most_frequent(types: dict[str, int]) -> dict[str, int]:
    """The counts of the most frequent types, and of all others together."""
    ordered = sorted(types.items(), key=lambda item: (item[0] == OTHER_TYPES, -item[1], item[0]))
    found, rest = dict(ordered[:MOST_TYPES]), sum(count for _, count in ordered[MOST_TYPES:])
    if rest:
        found[OTHER_TYPES] = found.get(OTHER_TYPES, 0) + rest
    return found


def encoded(
    session: QuerySession, select: str, params: Sequence[Any] = (), *, event_bytes: int, rolled: bool, level: int
) -> NewSegment | None:
    """The segment of the rows of `select`, which are `event_bytes` of JSON each; None when there are none."""
    found = statistics(session, select, params)
    if found is None:
        return None
    return NewSegment(
        events=sum(found.types.values()),
        first_at=found.first_at,
        last_at=found.last_at,
        last_seq=found.last_seq,
        types=most_frequent(found.types),
        json_bytes=event_bytes * sum(found.types.values()),
        parquet=parquet(session, select, params, event_bytes=event_bytes, level=level),
        rolled=rolled,
    )


def parquet(session: QuerySession, select: str, params: Sequence[Any] = (), *, event_bytes: int, level: int) -> bytes:
    options = _OPTIONS.format(level=level, rows=group_rows(event_bytes))
    return session.copy(f"{select} ORDER BY time_ms, seq", params, options=options)


def group_rows(event_bytes: int) -> int:
    """Rows of a row group of events of so many bytes of JSON."""
    if event_bytes <= LONG_BYTES:
        return _GROUP_ROWS
    return max(_GROUP_BYTES // event_bytes // _VECTOR_ROWS, 1) * _VECTOR_ROWS
