"""The EventLog port: events in, exactly once; answers out. One embedded adapter today (storage/events/)."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from delta_server.core.events.event import Event
from delta_server.core.events.persons import Ids
from delta_server.core.query.plan import Aggregate, Listing, Plan
from delta_server.storage.database import Tx

Beside: TypeAlias = Callable[[Tx, frozenset[int]], None]
"""Runs in the transaction that stores the events; gets the indexes of those that are duplicates."""


Progress: TypeAlias = Callable[[int, int, int, Tx], None]
"""(segments done, their total, events that this one lost, tx): runs in the transaction that takes them away."""


class Answer(msgspec.Struct, frozen=True):
    """`columns` name the values of each of `rows`. `source` is what was read, `scanned` how many rows of it,
    `approximate` names the columns that are estimates. `whole` is from when on and up to when the rows are all there is
    to know, where that is not all of the plan's span: retention has let go of the rest. For SQL, `types` are DuckDB's
    of the columns, `written` is the rows as a JSON array of objects, instead of `rows`: millions of small values would
    be objects of Python; and `truncated` tells that there were more rows than asked for, or than an answer holds.
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


class Reach(NamedTuple):
    """The newest block that is sealed, and the newest of all, 0 for none. `seq`: no event of the newest block has a
    larger one."""

    sealed: int
    newest: int
    seq: int


class EventLog(Protocol):
    async def append(self, project: int, events: Sequence[Event], beside: Beside | None = None) -> frozenset[int]:
        """Store the events and answer once they are on disk; the indexes of duplicates, which were not stored again.

        A duplicate has the message id of another event of the project, or of one before it in `events`. Raises
        Unavailable when the disk or the queue is full: then nothing of `events` was stored.
        """

    async def query(self, project: int, plan: Plan) -> Answer:
        """All rows of the plan's answer, from one state of the data. Stops when the caller is cancelled.

        Raises Invalid for a plan that has no answer (a broken regular expression, bad SQL), TooCostly past the
        deadline or the memory limit."""

    def stream(self, project: int, plan: Listing | Plan) -> AsyncGenerator[list[tuple[Any, ...]], None]:
        """As `query` but for SQL, a batch of rows at a time, in constant memory; the first batch is the columns' names.
        Close it (`aclose`) when it is not read to its end."""

    def parquet(self, project: int, plan: Listing | Aggregate) -> AsyncGenerator[bytes, None]:
        """The answer as a Parquet file, piece by piece, in constant memory: events by the names that clients send, an
        aggregate's rows by those of its keys and metrics. Close it (`aclose`) when it is not read to its end."""

    async def erase(self, project: int, ids: Ids, progress: Progress) -> int:
        """Remove every event of a person, waiting or sealed, and what the rollups know of them; how many. Safe to begin
        again after a crash: `progress` then gets the events that were left."""

    async def version(self, project: int, plan: Plan) -> bytes:
        """A short digest that changes whenever the plan could have another answer; costs a few indexed reads."""

    async def tend(self, project: int | None = None, *, seal: bool = False, compact: bool = False) -> int:
        """Seal, roll up, compact and let go of what is due, of one project or all; with `seal`, `compact`: whether it
        is due or not. How many events were sealed or rewritten."""

    async def seal(self) -> int:
        """Seal what is due, of all projects; how many events. It does not wait for `tend`, whose merging may take
        seconds, so that new events never do."""

    def since(self, tx: Tx, project: int, block: int, limit: int, size_bytes: int = 1 << 62) -> list[tuple[int, bytes]]:
        """What was stored after `block`, oldest first: (block, its events as lines); up to `limit` blocks, the first
        and others of `size_bytes` with it. For who reads along: blocks are gone once they are sealed."""

    def place(self, tx: Tx, project: int, seq: int) -> tuple[int, set[int]] | None:
        """Where to read on with `since` behind the event `seq`: (block, events of the next one that came before);
        None when its block is sealed."""

    def reach(self, tx: Tx, project: int) -> Reach:
        """How far the project's events go. Whoever reads along and has come less far than what is sealed has to ask
        `query` for what is in between."""

    def stats(self, tx: Tx, project: int) -> EventStats: ...

    async def verify(self, project: int | None, progress: Callable[[int, int], None]) -> EventsVerified:
        """Read everything stored of a project's events, or with None the deduplication keys of all, and check that it
        is what was stored; `progress` gets how many files were read, and of how many."""

    def delete_some(self, tx: Tx, project: int, limit: int) -> bool:
        """Delete up to `limit` rows of all that a deleted project owns here; False when there is nothing left."""

    async def close(self) -> None: ...
