"""Lengthens the write-ahead log ahead of its use, and checkpoints it, beside the commits that would do so themselves.

A sync of a file that has become longer waits until the file system has allocated the blocks: under load 100 ms at
times, where a sync of blocks that were there before takes 10. So a log that grows is lengthened ahead with zeros, which
SQLite takes for the end of the log. They are appended (O_APPEND) behind whatever the writer has written meanwhile, so
neither overwrites the other's.

A long log is checkpointed on a thread, and the writer does the small rest: then the log begins anew.
"""

import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import apsw

from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.disk_reserve import log_fits
from delta_server.storage.sqlite.maintenance import Maintenance, file_bytes

LEAST_BYTES = 256 << 10
"""A log shorter than that stays as it is: most databases never need more."""
STEP_BYTES = 1 << 20
FREE_BYTES = 256 << 20
"""On a disk with less room than that nothing is allocated ahead."""
REST_PAGES = 200
"""So many pages at most the writer checkpoints itself: some ms."""
PASSES = 3
"""Each leaves what came in meanwhile."""
_FRAME_BYTES = 24
"""Of a page in the log, beside the page."""

log = logging.getLogger(__name__)


class WalMaintenance:
    """Made before the writer begins; `finish` and the hook are called by its thread."""

    def __init__(
        self,
        path: Path,
        connection: apsw.Connection,
        maintenance: Maintenance,
        tuning: Tuning,
        *,
        wal_bytes: int,
        submit: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        """`path` is the log's, `connection` the writer's; `submit` runs a function, on a thread of its own if it is
        None."""
        self._path = path
        self._connection = connection
        self._maintenance = maintenance
        self._frame_bytes = connection.pragma("page_size") + _FRAME_BYTES
        self._wal_pages = tuning.wal_pages
        self._wal_bytes = wal_bytes
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="delta-log")
        self._submit = submit or self._threads.submit
        self._running: set[Callable[[], None]] = set()
        self._next_pages = self._wal_pages
        """With so many pages the log is checkpointed the next time."""
        self._is_small_rest = False
        self.used_bytes = 0
        """Of the log, since it began anew."""
        if tuning.vfs is None:  # the log is a file
            connection.set_wal_hook(self._committed)  # in the place of the one that checkpoints within the commit

    def finish(self) -> None:
        """Between two transactions: checkpoint what came in while most was."""
        if self._is_small_rest:
            self._is_small_rest = False
            if log_fits(self._connection):
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)

    def _committed(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        if pages < self._next_pages - self._wal_pages:  # it has begun anew
            self._next_pages = self._wal_pages
        if pages >= self._next_pages:
            self._next_pages = pages + self._wal_pages // 2
            self._start(self._checkpoint)
        self.used_bytes = used_bytes = pages * self._frame_bytes
        if used_bytes >= LEAST_BYTES and file_bytes(self._path) - used_bytes < min(used_bytes, STEP_BYTES) // 2:
            self._start(self._lengthen)
        return apsw.SQLITE_OK

    def _start(self, work: Callable[[], None]) -> None:
        if work in self._running:
            return
        self._running.add(work)

        def run() -> None:
            try:
                work()
            except Exception:  # the writer goes on without it
                log.exception("the write-ahead log could not be looked after")
            finally:
                self._running.discard(work)

        with suppress(RuntimeError):  # closing
            self._submit(run)

    def _lengthen(self) -> None:
        log_bytes = file_bytes(self._path)
        step_bytes = min(log_bytes, STEP_BYTES)
        if log_bytes < LEAST_BYTES or log_bytes + step_bytes > self._wal_bytes:  # it may have been emptied meanwhile
            return
        if shutil.disk_usage(self._path.parent).free < FREE_BYTES:
            return
        with suppress(OSError):  # the writer will tell of a disk that is full or broken
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(file, bytes(step_bytes))
                os.fsync(file)
            finally:
                os.close(file)

    def _checkpoint(self) -> None:
        for _ in range(PASSES):
            in_log, written_back = self._maintenance.checkpoint_beside()
            if in_log - written_back <= REST_PAGES:
                self._is_small_rest = in_log > written_back
                return
