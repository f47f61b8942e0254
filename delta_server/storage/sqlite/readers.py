"""Reads: a few read-only connections on threads, and one for short reads on the event loop's own thread."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from delta_server.storage.database import Clock
from delta_server.storage.sqlite.absent_tables import has_absent_tables, look_at_schema, open_whole_reader
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.slow_queries import SlowQueries
from delta_server.storage.sqlite.transaction import Deadline, ReadTx, raise_translated, shutting_down

T = TypeVar("T")

_PROGRESS_STEPS = 20_000
"""SQLite runs some 20 to 100 million steps a second: the deadline is looked at about once a millisecond."""


class Reader:
    """One read-only connection, used by one thread at a time."""

    def __init__(self, path: Path, clock: Clock, tuning: Tuning, slow: SlowQueries | None = None) -> None:
        self._slow = slow
        self._connection = open_whole_reader(path, tuning)
        self._looks_at_schema = has_absent_tables(self._connection)
        self._clock = clock
        self._deadline = Deadline(0)
        self._connection.set_progress_handler(self._passed, _PROGRESS_STEPS)

    def run(self, work: Callable[[ReadTx], T], deadline: Deadline) -> T:
        """`work`'s result in one snapshot. Raises Unavailable past the deadline, DatabaseFailed for a damaged file."""
        self._deadline = deadline
        try:
            self._connection.execute("BEGIN")
            try:
                if self._looks_at_schema:
                    look_at_schema(self._connection)
                return work(ReadTx(self._connection, self._clock.now_ms(), deadline, self._slow))
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        except apsw.ReadOnlyError:
            raise  # a mistake in `work`, not a state of the disk
        except apsw.Error as error:
            raise_translated(error)

    def run_one(self, work: Callable[[ReadTx], T], deadline: Deadline) -> T:
        """As `run`, of `work` that is one statement. Raises as `run` does."""
        if self._looks_at_schema:
            return self.run(work, deadline)
        self._deadline = deadline
        try:
            return work(ReadTx(self._connection, self._clock.now_ms(), deadline, self._slow))
        except apsw.ReadOnlyError:
            raise
        except apsw.Error as error:
            raise_translated(error)

    def close(self) -> None:
        self._connection.close()

    def _passed(self) -> bool:
        return self._deadline.passed()


class ReaderPool:
    """Each reader is opened when it is first needed, which takes 0.5 ms: SQLite reads the schema anew."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        tuning: Tuning,
        *,
        readers: int,
        read_s: float,
        slow: SlowQueries | None = None,
    ) -> None:
        self._read_s = read_s
        self._open = partial(Reader, path, clock, tuning, slow)
        self._idle: deque[Reader] = deque()
        """The one used last is used next: what it read is in its cache."""
        self._threads = ThreadPoolExecutor(readers, thread_name_prefix="delta-reader")
        self._running: dict[Deadline, float] = {}
        """Of the reads that run, when they began."""
        self.waiting = 0

    async def run(self, work: Callable[[ReadTx], T]) -> T:
        """`work`'s result; waiting for a thread counts against the deadline. A cancelled read stops at once."""
        deadline = Deadline(self._read_s)
        try:
            reading = self._threads.submit(self._run, work, deadline)
        except RuntimeError:  # closed, perhaps this very moment: no look at a flag beforehand would be sure
            raise shutting_down() from None
        self.waiting += 1
        try:
            return await asyncio.wrap_future(reading)
        except asyncio.CancelledError:
            deadline.expire()
            raise
        finally:
            self.waiting -= 1

    def release(self, held_s: float) -> None:
        """From any thread: end the reads that have had their state of the database for longer than that."""
        for deadline, began_s in list(self._running.items()):
            if time.monotonic() - began_s > held_s:
                deadline.expire()

    def close(self) -> None:
        """Finish the reads that were asked for, then close. Blocks until then."""
        self._threads.shutdown(wait=True)
        while self._idle:
            self._idle.pop().close()

    def _run(self, work: Callable[[ReadTx], T], deadline: Deadline) -> T:
        reader = self._reader()
        self._running[deadline] = time.monotonic()
        try:
            return reader.run(work, deadline)
        finally:
            del self._running[deadline]
            self._idle.append(reader)

    def _reader(self) -> Reader:
        """One that is idle or new: there are never more than threads. Raises as `Reader.run` does."""
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return self._open()
        except apsw.Error as error:
            raise_translated(error)
