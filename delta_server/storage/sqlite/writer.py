"""Group commit: one thread runs all writes, many in one transaction, and answers them when it is on disk.

A commit with `synchronous=FULL` costs a sync of the disk (0.3 to 0.6 ms measured), a row some microseconds. So the
calls that came in while the last group was on its way to disk share the next transaction. The failure of one undoes
that one alone: each but the first runs in a savepoint, and for the first, which has the transaction for itself, that
begins anew. (In a savepoint SQLite keeps what each page was before, past 64 kB in a file: as many writes as the log's.)
When the transaction itself fails (disk full, I/O error), all its calls are failed with that, whatever they had got to:
even a rejected call may have read rows that are now rolled back.

It does not wait for a group to grow. With 10 and with 100 callers at once the groups were 10 and 100 calls anyway, at
26 us a call with 100: the event loop submits while this thread waits for the lock of the interpreter.

Everybody's writes wait while one runs, so a call that takes longer than SLOW_S is counted, and logged by its name.

The thread never looks at its callers' futures: interrupting a statement would roll back everybody's transaction.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

import apsw

from delta_server.core.errors import DeltaError, Unavailable
from delta_server.storage.database import ACTING, Clock
from delta_server.storage.key_file import ServerKey
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.disk_reserve import DiskReserve, log_fits
from delta_server.storage.sqlite.transaction import SqliteTx, shutting_down, translate

log = logging.getLogger(__name__)

SLOW_S = 0.05

Work = Callable[[SqliteTx], Any]


class _Call:
    __slots__ = ("actor", "error", "frees", "future", "loop", "name", "result", "work")

    def __init__(self, work: Work, name: str, *, frees: bool) -> None:
        self.work = work
        self.name = name
        self.actor = ACTING.get()
        self.frees = frees
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Answer the caller, on its loop; it may have stopped waiting."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        elif isinstance(self.error, StopIteration):  # the one exception a future refuses to carry
            self.future.set_exception(RuntimeError("a write raised StopIteration"))
        else:
            self.future.set_exception(self.error)


class Writer:
    def __init__(
        self,
        connection: apsw.Connection,
        clock: Clock,
        tuning: Tuning,
        *,
        key: ServerKey,
        reserve: DiskReserve,
        between: Callable[[], object],
    ) -> None:
        """`between` is called between transactions."""
        self._connection = connection
        self._key = key
        self._reserve = reserve
        self._between = between
        self._clock = clock
        self._tuning = tuning
        self._queue: SimpleQueue[_Call | None] = SimpleQueue()
        self._gate = Lock()
        self._closed = False
        self.commits = 0
        self.calls = 0
        self.slow_calls = 0
        self.failures = 0
        self.last_failed = False
        # A daemon, so that a process that dies of something else does not wait for it: unanswered writes may be lost.
        self._thread = Thread(target=self._work, name="delta-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    @property
    def disk_full(self) -> bool:
        """Only what frees space is written."""
        return self._reserve.is_full

    def submit(self, work: Work, name: str, *, frees: bool) -> asyncio.Future[Any]:
        """The future of `work`'s result, set when it is on disk; `name` is what the log calls it; what `frees` may be
        written to a full disk. Raises Unavailable when the queue is full."""
        if self._queue.qsize() >= self._tuning.queue_calls:
            raise Unavailable("too many writes are waiting; try again in a moment", retry_after_s=1)
        call = _Call(work, name, frees=frees)
        with self._gate:  # nothing may queue up behind the end marker, where nobody would answer it
            if self._closed:
                raise shutting_down()
            self._queue.put(call)
        return call.future

    def close(self) -> None:
        """Run what is queued, then end. Blocks until then."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while self._commit_next():
            pass

    def _commit_next(self) -> bool:
        """Wait for a call, commit it with those behind it, answer them; False at the end marker.

        What the calls hold is released on return: a document may be 64 MB, and the next call hours away.
        """
        first = self._queue.get()
        if first is None:
            return False
        group = [first]
        try:
            self._run_group(group)
        except BaseException as error:  # whatever it was, callers are waiting and the next group may well work
            self._fail(group, error)
            if self._reserve.is_disk_full(error):
                self._run_again([call for call in group if call.frees])
        self._answer(group)
        self._look_after_log()
        return True

    def _look_after_log(self) -> None:
        try:
            self._between()
        except Unavailable as error:
            if self._reserve.log_fits:
                log.error("the write-ahead log stays as long as it is: %s", error)
            self._reserve.log_fits = False
        except Exception:  # the next group may well work
            log.exception("the write-ahead log could not be shortened")

    def _run_again(self, group: list[_Call]) -> None:
        """What frees space, one by one and with the reserve: each is in the file before the next needs the log."""
        if group:
            self._reserve.release()
        for call in group:
            call.error = None
            try:
                if log_fits(self._connection):
                    self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                self._run_group([call], alone=True)
            except BaseException as error:
                self._fail([call], error)

    def _run_group(self, group: list[_Call], *, alone: bool = False) -> None:
        """Run and commit the first of `group` and, unless it is to be `alone`, what waits behind it, which joins
        `group`."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except apsw.Error:
            group.extend(iter(self._next, None))  # all who wait: each would wait for the same lock again, for seconds
            raise
        until_s = time.monotonic() + self._tuning.group_s
        self._run_first(group[0])
        alone = alone or self._reserve.is_released
        while not alone and len(group) < self._tuning.group_calls and time.monotonic() < until_s:
            call = self._next()
            if call is None:
                break
            group.append(call)
            self._run(call)
        self._connection.execute("COMMIT")
        self.commits += 1
        self.last_failed = False
        self.calls += len(group)

    def _run_first(self, call: _Call) -> None:
        """Run a call that has the transaction for itself so far: when it fails, that begins anew. Raises as `_run`."""
        if not self._is_run(call):
            self._connection.execute("ROLLBACK")
            self._connection.execute("BEGIN IMMEDIATE")
        elif not self._connection.in_transaction:
            raise RuntimeError(f"{call.name} lost the transaction and went on")

    def _run(self, call: _Call) -> None:
        """Run one call in its savepoint. Raises when the transaction around it is lost."""
        self._connection.execute("SAVEPOINT call")
        if not self._is_run(call):
            self._connection.execute("ROLLBACK TO call")
        self._connection.execute("RELEASE call")

    def _is_run(self, call: _Call) -> bool:
        """False where it failed, and what it wrote is to be undone. Raises as `_run`."""
        began = time.monotonic()
        try:
            if not call.frees:
                self._reserve.check(self._connection)
            tx = SqliteTx(self._connection, self._clock.now_ms(), actor=call.actor, key=self._key)
            call.result = call.work(tx)
        except BaseException as error:
            if not self._connection.in_transaction or isinstance(error, apsw.FullError):
                raise  # SQLite undid everything, mostly: disk full, I/O error, out of memory
            call.error = translate(error) if isinstance(error, apsw.Error) else error
        took_s = time.monotonic() - began
        if took_s > SLOW_S:
            self.slow_calls += 1
            log.warning("slow write: %s took %d ms, and all others waited", call.name, took_s * 1000)
        return call.error is None

    def _next(self) -> _Call | None:
        """The next waiting call, None without any."""
        try:
            call = self._queue.get_nowait()
        except Empty:
            return None
        if call is None:
            self._queue.put(None)  # the end marker: nothing queues up behind it, so it stays the last
        return call

    def _fail(self, group: list[_Call], error: BaseException) -> None:
        """Roll the transaction back and fail all of `group`."""
        self.failures += 1
        self.last_failed = True
        reason = translate(error) if isinstance(error, apsw.Error) else error
        # A full disk refuses every write: a line each. The traceback is logged for unexpected errors.
        log.error(
            "a group of %d writes failed: %s", len(group), reason, exc_info=None if reason is not error else error
        )
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error:
            log.exception("rolling back failed")
        for call in group:
            translated = translate(error) if isinstance(error, apsw.Error) else error
            unknown = Unavailable("the write was undone by a failure beside it; try again", retry_after_s=1)
            call.error = translated if isinstance(translated, DeltaError) else unknown

    def _answer(self, group: list[_Call]) -> None:
        """Settle the futures of `group` on their loops: one wake-up a loop, however many calls."""
        by_loop: dict[asyncio.AbstractEventLoop, list[_Call]] = {}
        for call in group:
            by_loop.setdefault(call.loop, []).append(call)
        for loop, calls in by_loop.items():
            try:
                loop.call_soon_threadsafe(_settle, calls)
            except RuntimeError:  # the loop is closed: nobody waits for the answer
                log.warning("%d writes ended after their event loop", len(calls))


def _settle(calls: list[_Call]) -> None:
    for call in calls:
        call.settle()
