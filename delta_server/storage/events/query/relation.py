"""The FROM clause of a project's events: sealed and waiting, as one relation with the columns of schema.py."""

from collections.abc import Sequence
from typing import Any

import msgspec

from delta_server.core.query.plan import Span
from delta_server.storage.events.query.read_view import Block, ReadView, Segment
from delta_server.storage.events.schema import COLUMNS, FROM_LINES, FROM_SEGMENT, LINE_TYPES

_LINE_BYTES = 3 << 20
"""More than the longest event, whose quotes are escaped. DuckDB reads lines in buffers of twice this size, a thread
each: with its own 16 MiB two threads would take a quarter of the memory, and a million waiting lines be read by few."""

_NOTHING = "SELECT " + ", ".join(f"NULL::{column.type} AS {column.name}" for column in COLUMNS) + " WHERE false"


class Params:
    """Values of a statement, in the order of their `$1`, `$2`."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def add(self, value: Any) -> str:
        """The placeholder to write for `value`."""
        self.values.append(value)
        return f"${len(self.values)}"


class Relation(msgspec.Struct, frozen=True):
    """`sql` stands behind FROM; `scanned` is how many events its files hold."""

    sql: str
    scanned: int


def events(read_view: ReadView, span: Span) -> Relation:
    """All events of the span."""
    return of_files(read_view, span, read_view.segments(span), read_view.blocks(span))


def of_files(read_view: ReadView, span: Span, segments: Sequence[Segment], blocks: Sequence[Block]) -> Relation:
    """The events of these files that are in the span."""
    within = f"time_ms >= {span.start_ms:d} AND time_ms < {span.end_ms:d}"
    parts = []
    if segments:
        parts.append(f"SELECT {FROM_SEGMENT} FROM {sealed(read_view, segments)} WHERE {within}")
    if blocks:
        parts.append(f"SELECT * FROM (SELECT {FROM_LINES} FROM {waiting(read_view, blocks)}) WHERE {within}")
    scanned = sum(segment.events_count for segment in segments) + sum(block.events_count for block in blocks)
    return Relation(f"({' UNION ALL '.join(parts) or _NOTHING})", scanned)


def sealed(read_view: ReadView, segments: Sequence[Segment]) -> str:
    """The segments' rows, as they are stored."""
    paths = ", ".join(f"'{read_view.segment_path(segment.id)}'" for segment in segments)
    return f"read_parquet([{paths}])"


def waiting(read_view: ReadView, blocks: Sequence[Block]) -> str:
    """The blocks' lines, with the columns of LINE_TYPES."""
    path = read_view.hot_path(blocks)
    return f"read_ndjson('{path}', columns = {LINE_TYPES}, maximum_object_size = {_LINE_BYTES})"
