"""The Database port: one writer, many readers, plain functions on a transaction."""

from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

Row: TypeAlias = tuple[Any, ...]
P = ParamSpec("P")
T = TypeVar("T")


class Tx(Protocol):
    """One transaction, used on one thread only. `now_ms` is fixed when it begins."""

    now_ms: int

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


class Database(Protocol):
    async def read(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(tx, ...)` on a reader thread, in one snapshot, under a deadline. Raises Unavailable past it."""

    async def write(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(tx, ...)` in the group commit and answer once it is on disk.

        What `fn` raises undoes this call alone. Raises Unavailable when the queue is full or the disk is.
        """

    def peek(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a short indexed read on the calling thread: 2 us against 37 us through a reader thread."""

    async def close(self) -> None: ...
