"""`Tx` on an apsw connection, and how SQLite's errors are translated."""

import os
import re
import time
from collections.abc import Iterable
from itertools import chain, islice
from typing import Any, NoReturn

import apsw

from delta_server.core.actor import SERVER, Actor
from delta_server.core.errors import DatabaseFailed, Unavailable
from delta_server.storage.database import Row
from delta_server.storage.key_file import ServerKey
from delta_server.storage.sqlite.disk_reserve import disk_full_error
from delta_server.storage.sqlite.slow_queries import SlowQueries

_ROW_OF_VALUES = re.compile(r"(?<=VALUES )\((?:[^()?:@$]|\?(?!\d))*\)$")
"""With parameters that have no name."""
_ROWS_AT_ONCE = 64
_IDS_AT_ONCE = 64


class SqliteTx:
    """One call's view of a transaction that the writer or a reader has begun."""

    __slots__ = ("_connection", "_key", "_made", "_random", "actor", "now_ms")

    def __init__(
        self, connection: apsw.Connection, now_ms: int, *, actor: Actor = SERVER, key: ServerKey | None = None
    ) -> None:
        """`key` is the writer's; reads sign nothing."""
        self._connection = connection
        self._key = key
        self._made = 0
        self._random = b""
        self.actor = actor
        self.now_ms = now_ms

    def one(self, sql: str, *params: Any) -> Row | None:
        try:
            row: Row | None = self._execute(sql, params).fetchone()
        except UnicodeDecodeError as error:
            raise apsw.CorruptError(f"a text is not UTF-8: {error}") from None
        return row

    def all(self, sql: str, *params: Any) -> list[Row]:
        try:
            return self._execute(sql, params).fetchall()
        except UnicodeDecodeError as error:
            raise apsw.CorruptError(f"a text is not UTF-8: {error}") from None

    def run(self, sql: str, *params: Any) -> int:
        self._execute(sql, params)
        return self._connection.changes()

    def insert(self, sql: str, *params: Any) -> int:
        self._execute(sql, params)
        return self._connection.last_insert_rowid()

    def many(self, sql: str, rows: Iterable[Row]) -> None:
        """Where `sql` ends with a row of VALUES, many rows a statement: each statement gives the interpreter's lock
        away, and waits for it again beside all that compute."""
        inserted = _ROW_OF_VALUES.search(sql)
        if inserted is None:
            self._connection.executemany(sql, rows)
            return
        left = iter(rows)
        while some := list(islice(left, _ROWS_AT_ONCE)):
            for size in _split(len(some)):
                params = tuple(chain.from_iterable(some[:size]))
                self._execute(sql + f", {inserted[0]}" * (size - 1), params)
                del some[:size]

    def new_id(self) -> bytes:
        """A UUIDv7; those of one transaction ascend (RFC 9562, 6.2, method 1: a 12-bit counter after the time)."""
        count = self._made & 0xFFF
        self._made += 1
        if not self._random:
            self._random = os.urandom(8 * (1 if self._made == 1 else _IDS_AT_ONCE))
        random, self._random = self._random[:8], self._random[8:]
        head = (self.now_ms << 16 | 0x7000 | count).to_bytes(8)
        return head + bytes((0x80 | random[0] & 0x3F,)) + random[1:]

    def sign(self, purpose: str, data: bytes) -> bytes:
        if self._key is None:
            raise Unavailable("this transaction has no key to sign with")
        return self._key.sign(purpose, data)

    def _execute(self, sql: str, params: tuple[Any, ...]) -> apsw.Cursor:
        return self._connection.execute(sql, params)


def _split(rows: int) -> list[int]:
    """Powers of two that add up to it: few statements are compiled, and SQLite has them again."""
    return [1 << bit for bit in reversed(range(rows.bit_length())) if rows & 1 << bit]


class Deadline:
    """The moment a read must have ended by, moved to now when its caller has gone."""

    __slots__ = ("at_s",)

    def __init__(self, delay_s: float) -> None:
        self.at_s = time.monotonic() + delay_s

    def expire(self) -> None:
        self.at_s = 0.0

    def passed(self) -> bool:
        return time.monotonic() > self.at_s


class ReadTx(SqliteTx):
    """A read's transaction. SQLite's progress handler ends long statements; this ends long rows of short ones."""

    __slots__ = ("_deadline", "_slow")

    def __init__(
        self, connection: apsw.Connection, now_ms: int, deadline: Deadline, slow: SlowQueries | None = None
    ) -> None:
        super().__init__(connection, now_ms)
        self._deadline = deadline
        self._slow = slow if slow is not None and slow.limit_s > 0 else None

    def one(self, sql: str, *params: Any) -> Row | None:
        if self._slow is None:
            return super().one(sql, *params)
        began_s = time.monotonic()
        try:
            return super().one(sql, *params)
        finally:
            self._timed(self._slow, sql, params, began_s)

    def all(self, sql: str, *params: Any) -> list[Row]:
        if self._slow is None:
            return super().all(sql, *params)
        began_s = time.monotonic()
        try:
            return super().all(sql, *params)
        finally:
            self._timed(self._slow, sql, params, began_s)

    def _timed(self, slow: SlowQueries, sql: str, params: tuple[Any, ...], began_s: float) -> None:
        took_s = time.monotonic() - began_s
        if took_s >= slow.limit_s:
            slow.note(self._connection, sql, params, took_s)

    def _execute(self, sql: str, params: tuple[Any, ...]) -> apsw.Cursor:
        if self._deadline.passed():
            raise apsw.InterruptError("the deadline has passed")
        return super()._execute(sql, params)


def translate(error: apsw.Error) -> Exception:
    """SQLite's error as a coded one; a mistake in the statement itself stays the exception it was."""
    match error:
        case apsw.FullError():
            return disk_full_error()
        case apsw.BusyError() | apsw.LockedError():
            return Unavailable("another process holds the database; try again", retry_after_s=5)
        case apsw.InterruptError():
            return Unavailable("reading took too long: ask for less at once", retry_after_s=5)
        case apsw.NoMemError():
            return Unavailable("the server is out of memory; try again later", retry_after_s=30)
        case apsw.IOError() | apsw.CantOpenError() | apsw.ReadOnlyError():
            return Unavailable(f"the disk failed: {error}", retry_after_s=60)
        case apsw.CorruptError() | apsw.NotADBError():
            return DatabaseFailed(f"the database file is damaged ({error}): restore a backup")
        case apsw.ConnectionClosedError():
            return shutting_down()
        case _:
            return error


def raise_translated(error: apsw.Error) -> NoReturn:
    translated = translate(error)
    try:
        raise translated from (None if translated is error else error)
    finally:
        del translated, error  # or this frame and the exception hold each other, and a connection with them


def shutting_down() -> Unavailable:
    return Unavailable("the server is shutting down", retry_after_s=5)
