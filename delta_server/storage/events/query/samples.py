"""Samples of events that nobody has looked at (core/query/plan.py), as DuckDB's SQL.

Files are sealed events with rising numbers; what compaction made of events that were looked at has a larger number, but
no larger seq. So a file is opened when it is behind the last one and may have events above the seq up to which all were
looked at. That seq rises only once no more files are there: until then files may hold any. Waiting events are looked at
while they are few; many will soon be sealed, and are read with less work then.
"""

from itertools import accumulate

from delta_server.core.query.plan import Sample
from delta_server.storage.events.ingest.blocks import INDEX_BITS
from delta_server.storage.events.query import relation
from delta_server.storage.events.query.answers import Compiled
from delta_server.storage.events.query.read_view import Block, ReadView

COLUMNS = (
    "event_type",
    "seq",
    "time_ms",
    "received_at",
    "source",
    "status",
    "duration",
    "priority",
    "tags",
    "data",
    "metadata",
)
FILES_EVENTS = 1 << 19
"""Events of the files of one sample, but for the last one."""
WAITING_BYTES = 4 << 20
"""Lines of waiting events that are few."""
EVENT_BYTES, ALL_BYTES = 64 << 10, 8 << 20
"""The longest event that is sampled, and so many bytes of them together."""
_SIZE = "(coalesce(strlen(data::VARCHAR), 0) + coalesce(strlen(metadata::VARCHAR), 0))"
_NAMED = ", ".join(f"{name}::VARCHAR AS {name}" if name in ("data", "metadata") else name for name in COLUMNS)


def compile_sample(read_view: ReadView, plan: Sample) -> Compiled:
    files = sorted(read_view.segments(plan.span, plan.after_seq), key=lambda file: file.id)
    files = [file for file in files if file.id > plan.after_file]
    before = accumulate((file.events_count for file in files), initial=0)
    some = [file for file, events in zip(files, before, strict=False) if events < FILES_EVENTS]
    if len(some) < len(files):
        reached, blocks = (some[-1].id, plan.after_seq, 1), list[Block]()
    else:
        blocks, seq = _waiting(read_view, plan)
        reached = (some[-1].id if some else plan.after_file, seq, 0)
    source = relation.of_files(read_view, plan.span, some, blocks)
    return Compiled(COLUMNS, _sql(plan, source.sql, reached), scanned=source.scanned)


def _waiting(read_view: ReadView, plan: Sample) -> tuple[list[Block], int]:
    """Those that are few, and up to which seq all was looked at with them."""
    blocks = read_view.blocks(plan.span, plan.after_seq)
    if sum(block.raw_bytes for block in blocks) > WAITING_BYTES:
        return [], max(plan.after_seq, (min(block.seq for block in blocks) << INDEX_BITS) - 1)
    return blocks, read_view.newest_seq() - 1


def _sql(plan: Sample, source: str, reached: tuple[int, int, int]) -> str:
    new = f"FROM {source} WHERE seq > {plan.after_seq:d}"
    types = f"SELECT event_type {new} GROUP BY event_type ORDER BY count(*) DESC, event_type LIMIT {plan.types:d}"
    first = (
        f"SELECT event_type, unnest(arg_min(seq, hash(seq), {plan.each:d})) AS seq {new}"
        f" AND event_type IN ({types}) GROUP BY event_type"
    )
    turns = f"SELECT *, row_number() OVER (PARTITION BY event_type ORDER BY hash(seq)) AS turn FROM ({first})"
    chosen = f"SELECT seq FROM ({turns}) ORDER BY turn, event_type LIMIT {plan.limit:d}"
    rows = f"SELECT *, {_SIZE} AS size {new} AND seq IN (FROM chosen) AND {_SIZE} <= {EVENT_BYTES:d}"
    bounded = f"SELECT *, sum(size) OVER (ORDER BY hash(seq)) AS together FROM ({rows})"
    file, seq, has_more = reached
    last = {"seq": seq, "time_ms": file, "priority": has_more}
    return (
        f"WITH chosen AS MATERIALIZED ({chosen})"
        f" SELECT {_NAMED} FROM ({bounded}) WHERE together <= {ALL_BYTES:d}"
        f" UNION ALL SELECT {', '.join(str(last.get(name, 'NULL')) for name in COLUMNS)}"
    )
