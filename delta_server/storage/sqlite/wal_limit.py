"""Keeps the write-ahead log short while somebody reads an old state of the database, which it must keep until then.

SQLite begins the log anew when all of it is in the main file and nobody reads a state from before. A query may read for
its 30 s, and the next has begun before it ends: so a log that is past its bound asks long reads to release it,
and the writer waits a moment for them.

What is in the log alone makes the main file longer when it is written back. So where little space is left the log is
kept so short that there is room for that: a full disk can be deleted from, when the log begins anew with each delete.
"""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from delta_server.storage.sqlite.maintenance import Maintenance, file_bytes

HELD_S = 1.0
"""A read that has held one state for so long is asked to release it."""
ASK_EVERY_S = 10.0
"""While the log is past its bound."""
MAX_WAIT_S = 2.0
"""How long the writer waits for them."""
FIRST_REST_S, LONGEST_REST_S = 2.0, 30.0
"""After waiting in vain it does not wait again for so long, each time for twice as long: the disk was slow once, or
another process reads. One of ours would have released the log."""
SHARE = 4
"""The log is a quarter at most of what is free on the disk."""
_RETRY_S = 0.02

log = logging.getLogger(__name__)


class WalLimit:
    def __init__(self, path: Path, maintenance: Maintenance, *, wal_bytes: int) -> None:
        """`path` is the log's."""
        self._path = path
        self._maintenance = maintenance
        self._wal_bytes = wal_bytes
        self._holders: list[Callable[[], object]] = []
        self._rests_until = 0.0
        self._rest_s = FIRST_REST_S
        self._asks_again_at = 0.0

    def add_reader(self, release: Callable[[], object]) -> None:
        """`release` is for any thread; it is called again until the log is short."""
        self._holders.append(release)

    def add_reader_on_loop(self, release: Callable[[], object]) -> None:
        """As `add_reader`; it is called on this event loop."""
        loop = asyncio.get_running_loop()
        self._holders.append(lambda: loop.call_soon_threadsafe(release))

    def shorten(self, used_bytes: int) -> None:
        """For the writer, between its transactions. From its bound on, of which `used_bytes` say how much is in use,
        long reads are asked to release the log, so that the checkpoints beside the writer get on. When it is past one
        and a half times its bound, wait until it is short again. Nothing is written meanwhile."""
        if used_bytes > self._wal_bytes and time.monotonic() >= self._asks_again_at:
            self._asks_again_at = time.monotonic() + ASK_EVERY_S
            self._release()
        log_bytes = file_bytes(self._path)
        limit_bytes = min(self._wal_bytes, (log_bytes + shutil.disk_usage(self._path.parent).free) // SHARE)
        if log_bytes <= limit_bytes:
            self._rest_s = FIRST_REST_S
        if log_bytes <= limit_bytes * 3 // 2 or time.monotonic() < self._rests_until:
            return
        until_s = time.monotonic() + MAX_WAIT_S
        while not self._is_short(limit_bytes):
            if time.monotonic() > until_s:
                log.warning("the write-ahead log is %d bytes long, and is being read", file_bytes(self._path))
                self._rests_until = time.monotonic() + self._rest_s
                self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)
                return
            self._release()
            time.sleep(_RETRY_S)

    def _release(self) -> None:
        for release in self._holders:
            release()

    def _is_short(self, most: int) -> bool:
        self._maintenance.shorten(most)
        return file_bytes(self._path) <= most
