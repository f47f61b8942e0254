"""The Database port: one writer, many readers, plain functions on a transaction.

Its transactions speak SQLite's SQL, and SQLite is all there will be: the port is there for tests that fail a write, and
for commands that only read (sqlite/read_only.py). What could stand on another store has ports of its own that speak
values, as events do (eventlog.py).
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

import msgspec

from delta_server.core.actor import SERVER, Actor

Row: TypeAlias = tuple[Any, ...]
LISTED = "(SELECT value FROM json_each(?))"
"""What `listed` gives, in SQL. A parameter for each would be too many some day."""
P = ParamSpec("P")
T = TypeVar("T")


ACTING: ContextVar[Actor] = ContextVar("acting", default=SERVER)
"""For whom this task writes: the edge and the gate set it, a write is handed it as `Tx.actor`. A variable of the
context, as the alternative is an argument of each function between a route and the line that records a change."""

_FREEING: set[object] = set()
_SINGLE: set[object] = set()


def listed(values: Sequence[object]) -> str:
    """Numbers, texts, or rows of them, for one parameter of a statement."""
    return msgspec.json.encode(values).decode()


def frees_space(fn: Callable[P, T]) -> Callable[P, T]:
    """Marks what is given to `Database.write` and makes more room than it takes: it may write when the disk is full."""
    _FREEING.add(fn)
    return fn


def is_freeing(fn: Callable[..., object]) -> bool:
    return getattr(fn, "__func__", fn) in _FREEING


def one_statement(fn: Callable[P, T]) -> Callable[P, T]:
    """Marks what reads by one statement, which is a snapshot by itself: `Database.peek` begins no transaction for it.
    SQLite gives the interpreter's lock away at each statement, and the event loop waits for it again."""
    _SINGLE.add(fn)
    return fn


def is_one_statement(fn: Callable[..., object]) -> bool:
    return fn in _SINGLE


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since the epoch."""

    def steady_s(self) -> float:
        """Seconds by a clock that nobody sets, since whenever."""


class Threads(Protocol):
    def __call__(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """`fn`'s result; it runs away from the event loop. Raises Unavailable once closed."""


class Tx(Protocol):
    """One transaction, used on one thread only. `now_ms` is fixed when it begins, `actor` is whose call it is."""

    now_ms: int
    actor: Actor

    def one(self, sql: str, *params: Any) -> Row | None:
        """The first row, None without any."""

    def all(self, sql: str, *params: Any) -> list[Row]: ...

    def run(self, sql: str, *params: Any) -> int:
        """Run one statement; the number of rows it changed."""

    def insert(self, sql: str, *params: Any) -> int:
        """Run one INSERT; the new row's integer id."""

    def many(self, sql: str, rows: Iterable[Row]) -> None: ...

    def new_id(self) -> bytes:
        """A fresh UUIDv7 whose time is `now_ms`, as 16 bytes."""

    def sign(self, purpose: str, data: bytes) -> bytes:
        """As `ServerKey.sign` (key_file.py), whose key is not in the database. Raises Unavailable."""


class DatabaseStats(msgspec.Struct, frozen=True):
    """What health and metrics report. Counters are since the start of this process."""

    database_bytes: int
    """The main file, free pages included, without the write-ahead log."""
    log_bytes: int
    free_bytes: int
    """Space inside the main file that `vacuum` can give back."""
    writes_waiting: int
    reads_waiting: int
    """Reads that run or wait for a thread."""
    writes: int
    """Calls of `write` that were committed, together with others or alone."""
    slow_writes: int
    """Calls of `write` that held the one writer for longer than 50 ms."""
    commits: int
    commit_failures: int
    last_commit_failed: bool
    disk_full: bool
    """Only what frees space is written."""


class Database(Protocol):
    async def read(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(tx, ...)` on a reader thread, in one snapshot, under a deadline. Raises Unavailable past it."""

    async def write(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(tx, ...)` in the group commit and answer once it is on disk.

        What `fn` raises undoes this call alone. Raises Unavailable when the queue is full, or the disk is and `fn` does
        not free space.
        """

    def peek(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a short indexed read on the event loop's thread: 6 to 10 us against 100 through a reader thread.

        One snapshot, as in `read`. Raises Unavailable when it is not short at all.
        """

    def stats(self) -> DatabaseStats: ...

    def is_full(self) -> bool:
        """`disk_full` of the stats, without a look at the rest."""

    async def checkpoint(self) -> None:
        """Move what the write-ahead log holds into the main file, and shorten a log that has grown too long."""

    def on_wal_pressure(self, release: Callable[[], object]) -> None:
        """Call `release` on this event loop, again and again, while the write-ahead log is past its bound: whoever has
        held a state of the database for HELD_S (sqlite/wal_limit.py) is to release it."""

    async def optimize(self) -> None:
        """Let the query planner look at how the tables have grown."""

    async def vacuum(self, pages: int) -> int:
        """Give up to `pages` free pages back to the file system, a few at a time between writes; how many it was."""

    async def scrub(self) -> bool:
        """Leave nothing readable in the files of what was deleted: give all free pages back and empty the log.

        False when somebody reads an old state of the database and so keeps the log from being emptied."""

    async def check(self) -> list[str]:
        """What is wrong with the structure of the file itself, a sentence each; reads all of it, without a deadline."""

    async def close(self) -> None:
        """Finish the writes that are queued and the reads that run, then release the files. May be called twice."""
