"""The event log in three ports: events in, exactly once; answers out; and the work behind both.

They speak values, never a transaction of the database underneath. There is one adapter (storage/events/log.py), and may
never be another: the ports are for tests, and tell of each caller what it can do to events. What an adapter promises is
held by tests/storage/events/*_contract.py.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from delta_server.core.events.event import Event
from delta_server.core.events.persons import PersonIds
from delta_server.core.query.plan import Aggregate, Listing, Plan
from delta_server.storage.database import Threads


class QueryResult(msgspec.Struct, frozen=True):
    """`columns` name the values of each of `rows`. `source` is what was read, `scanned` how many rows of it,
    `approximate` names the columns that are estimates. `whole` is from when on and up to when the rows are all there is
    to know, where that is not all of the plan's span: retention has deleted the rest. For SQL, `types` are DuckDB's
    of the columns, `written` is the rows as a JSON array of objects, instead of `rows`: millions of small values would
    be objects of Python; and `truncated` says that there were more rows than requested, or than an answer holds.
    `merging`: ids were found to be one person's that are counted as two here and there still; the background corrects
    that."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    source: Literal["raw", "rollup", "both"] = "raw"
    scanned: int = 0
    approximate: tuple[str, ...] = ()
    whole: tuple[int | None, int | None] = (None, None)
    types: tuple[str, ...] = ()
    truncated: bool = False
    written: bytes = b""
    merging: bool = False


class EventStats(msgspec.Struct, frozen=True):
    """Of one project. Bytes are what is in the database file; `json_bytes` what the sealed events were as JSON
    lines."""

    waiting_events: int
    waiting_bytes: int
    sealed_events: int
    segments: int
    segment_bytes: int
    json_bytes: int
    rollups: int
    rollup_bytes: int
    first_at: int | None
    last_at: int | None


class EventsVerified(msgspec.Struct):
    """What a check of stored events read, and what it found broken, one sentence each."""

    events: int = 0
    segments: int = 0
    blocks: int = 0
    rollups: int = 0
    runs: int = 0
    broken: list[str] = []


class ErasedSegment(NamedTuple):
    """How far an erasure has come: one more of `total` segments is done, and `events` of it are gone."""

    done: int
    total: int
    events: int


class Positions(NamedTuple):
    """The newest block that is sealed, and the newest of all, 0 for none. `seq`: no event of the newest block has a
    larger one. `resume` is where to read on behind a certain event: (block, events of the next one that came before);
    None when its block is sealed, or none was named."""

    sealed: int
    newest: int
    seq: int
    resume: tuple[int, frozenset[int]] | None = None


class EventWriter(Protocol):
    batch_cpu: Threads
    """Encodes batches of events, and is there to read them first. In a server it is one thread: as several did it, a
    quarter of their processor time went into handing each other the interpreter's lock."""

    async def append_events(
        self, project: int, events: Sequence[Event], companion: object | None = None
    ) -> frozenset[int]:
        """Store the events and answer once they are on disk; the indexes of duplicates, which were not stored again.

        A duplicate has the message id of another event of the project, or of one before it in `events`. `companion`
        is stored with them or not at all, and gets the duplicates (storage/companions.py). Raises Unavailable when
        the disk or the queue is full: then nothing was stored.
        """


class EventReader(Protocol):
    async def run_query(self, project: int, plan: Plan) -> QueryResult:
        """All rows of the plan's answer, from one state of the data. Stops when the caller is cancelled.

        Raises Invalid for a plan that has no answer (a broken regular expression, bad SQL), TooCostly past the
        deadline or the memory limit."""

    def stream_query(
        self, project: int, plan: Listing | Plan, *, has_caller: bool = True
    ) -> AsyncGenerator[list[tuple[Any, ...]], None]:
        """As `run_query` but for SQL, a batch of rows at a time, in constant memory; the first batch is the columns'
        names. Close it (`aclose`) when it is not read to its end. Without a caller, as the background has none, it is
        not refused because the project has many open."""

    def export_parquet(self, project: int, plan: Listing | Aggregate) -> AsyncGenerator[bytes, None]:
        """The answer as a Parquet file, piece by piece, in constant memory: events by the names that clients send, an
        aggregate's rows by those of its keys and metrics. Close it (`aclose`) when it is not read to its end."""

    async def version(self, project: int, plan: Plan) -> bytes:
        """A short digest that changes whenever the plan could have another answer; costs a few indexed reads."""

    def positions(self, project: int, after_seq: int | None = None) -> Positions:
        """How far the project's events go, and where to read on behind the event `after_seq`. It takes microseconds:
        streams ask on the event loop. Whoever has come less far than what is sealed has to `run_query` what is
        between."""

    async def read_blocks(
        self, project: int, after_block: int, *, limit: int, size_bytes: int = 1 << 62
    ) -> tuple[Positions, list[tuple[int, bytes]]]:
        """What was stored after `after_block`, oldest first, and how far it goes, from one state of the data: (block,
        its events as lines); up to `limit` blocks, the first and others of `size_bytes` with it. Blocks are gone once
        they are sealed."""


class EventMaintenance(Protocol):
    async def seal(self) -> int | None:
        """Seal what is due, of all projects; how many events, None where none waits. It does not wait for
        `run_maintenance`, whose merging may take seconds, so that new events never do."""

    async def run_maintenance(self, project: int | None = None, *, seal: bool = False, compact: bool = False) -> int:
        """Seal, roll up, compact and expire what is due, of one project or all; with `seal`, `compact`: whether it
        is due or not. How many events were sealed or rewritten."""

    async def erase_person(self, project: int, ids: PersonIds, companion: object | None = None) -> int:
        """Remove every event of a person, waiting or sealed, and what the rollups know of them; how many. `companion`
        gets each segment as it is done (ErasedSegment), in the same transaction. Safe to begin again after a
        crash: it then gets the segments that were left."""

    async def stats(self, project: int) -> EventStats: ...

    async def verify(self, project: int | None, progress: Callable[[int, int], None]) -> EventsVerified:
        """Read everything stored of a project's events, or with None the deduplication keys of all, and check that it
        is what was stored; `progress` gets how many files were read, and of how many."""

    async def delete_batch(self, project: int, limit: int) -> bool:
        """Delete up to `limit` rows of all that a deleted project owns here; False when there is nothing left. From the
        first call on `append_events` raises NotFound for it."""
