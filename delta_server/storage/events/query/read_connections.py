"""The connections of snapshots, and what these leave to each other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from delta_server.storage.cold.pieces import ColdPieces
from delta_server.storage.events.query.read_cache import ReadCache
from delta_server.storage.events.query.read_view import ReadView
from delta_server.storage.sqlite.absent_tables import open_whole_reader
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.system_clock import SystemClock

COLD_BYTES = 16 << 20
"""Of pieces from cold storage that another process than the server's keeps."""
MAX_IDLE = 4
"""Connections kept open between queries."""


class ReadViews:
    """Opens snapshots on a few connections of its own. `open` is for any thread."""

    def __init__(self, path: Path, tuning: Tuning, cold: ColdPieces | None = None) -> None:
        """`cold` is that of the server; other processes have their own."""
        self._cold = cold or ColdPieces(path.parent, SystemClock(), cache_bytes=COLD_BYTES)
        self._path = path
        self._tuning = tuning
        self._lock = threading.Lock()
        self._idle: list[apsw.Connection] = []
        self._open: dict[str, ReadView] = {}
        self._read_cache = ReadCache()
        self._closed = False

    @contextmanager
    def open(self, project: int) -> Iterator[ReadView]:
        """The project's present state, until the end of the block. Raises apsw.Error."""
        connection = self._take()
        whole = False
        try:
            connection.execute("BEGIN")
            read_view = ReadView(connection, project, self._read_cache, self._cold)
            read_view.all("SELECT 1 FROM sqlite_schema LIMIT 1")  # the first read is what fixes the state
            self._open[read_view.token] = read_view
            try:
                yield read_view
            finally:
                del self._open[read_view.token]
                read_view.end()
            whole = True
        finally:
            self._release(connection, whole=whole)

    def find(self, token: str) -> ReadView:
        """An open one. Raises KeyError."""
        return self._open[token]

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> apsw.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return open_whole_reader(self._path, self._tuning)

    def _release(self, connection: apsw.Connection, *, whole: bool) -> None:
        with self._lock:
            if whole and not self._closed and len(self._idle) < MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()
