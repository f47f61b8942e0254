"""DuckDB itself, and what work on it is handed: a `QuerySession` of one project's events."""

import io
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from delta_server.core.errors import DeltaError
from delta_server.storage.database import Row
from delta_server.storage.events.duckdb.failures import translated
from delta_server.storage.events.query.read_connections import ReadViews
from delta_server.storage.priority import starting_at_low_priority

BATCH_ROWS = 1024

PARQUET = (
    "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL 6, ROW_GROUP_SIZE 131072,"
    " USE_TMP_FILE false"
)
"""How segments are written; `copy` takes others."""


class QuerySession:
    """What work is handed; used by one thread at a time."""

    def __init__(self, read_views: ReadViews, project: int, instance: Any, files: Any, spill: Path | None) -> None:
        self._state = ExitStack()
        self._open = partial(read_views.open, project)
        self.read_view = self._state.enter_context(self._open())
        self._since_s: float | None = time.monotonic()
        self._spill = spill
        self._cursor = instance.cursor()
        self._files = files
        self._stopped: DeltaError | None = None

    def rows(self, sql: str, params: Sequence[Any] = ()) -> tuple[tuple[str, ...], list[Row]]:
        """(names of the columns, all rows) of a statement with `?` or `$1` for `params`."""
        columns = self._execute(sql, params)
        return columns, self._cursor.fetchall()

    def batches(self, sql: str, params: Sequence[Any] = (), *, rows: int = BATCH_ROWS) -> Iterator[list[Row]]:
        """The rows a batch at a time. No other statement may run on this session meanwhile.

        `sql` sorts or groups: when the first rows are there, everything has been read, and the state is released.
        `reopen` stands before the next statement."""
        self._execute(sql, params)
        batch = self._cursor.fetchmany(rows)
        self.release()
        while batch:
            yield batch
            batch = self._cursor.fetchmany(rows)

    @property
    def held_s(self) -> float:
        """For how long it has held its state of the database."""
        since_s = self._since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def release(self) -> None:
        """Of the state of the database, which keeps its log from being shortened."""
        self._state.close()
        self._since_s = None

    def reopen(self) -> None:
        """Go on with the present state."""
        self._state.close()
        self.read_view = self._state.enter_context(self._open())
        self._since_s = time.monotonic()
        if self._stopped is not None:
            raise self._stopped

    def copy(self, select: str, params: Sequence[Any] = (), *, options: str = PARQUET) -> bytes:
        """The file that COPY writes of `select`'s rows."""
        file = io.BytesIO()
        self.copy_into(file, select, params, options=options)
        return file.getvalue()

    def copy_into(self, file: BinaryIO, select: str, params: Sequence[Any] = (), *, options: str = PARQUET) -> int:
        """As `copy`, written into an open file; the number of rows."""
        with self._files.writing_to(file) as path:
            self._execute(f"COPY ({select}) TO '{path}' ({options})", params)
            return int(self._cursor.fetchone()[0])

    @contextmanager
    def scratch(self) -> Iterator[BinaryIO]:
        """A file without a name, where DuckDB's own are: gone at the end of the block, or of the process."""
        assert self._spill is not None
        self._spill.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._spill) as file:
            yield file

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        """A statement without an answer: CREATE TEMP VIEW. What it makes goes with the session."""
        self._execute(sql, params)

    def stop(self, reason: DeltaError) -> None:
        """From any thread: make what runs raise, and what would run next."""
        self._stopped = reason
        self.read_view.stop()
        self._cursor.interrupt()

    def failed(self, error: Exception) -> Exception:
        """`error` of the work as the caller sees it; a damaged file is named."""
        if self._stopped is None:
            self.read_view.recheck(error, self.run)
        return self._stopped or translated(self.read_view.failure or error)

    def close(self) -> None:
        self._cursor.close()
        self._state.close()

    def _execute(self, sql: str, params: Sequence[Any]) -> tuple[str, ...]:
        if self._stopped is not None:
            raise self._stopped
        self._cursor.execute(sql, list(params))
        return tuple(column[0] for column in self._cursor.description or ())


def import_engine() -> None:
    """On any thread. A part of it holds the interpreter's lock for 30 ms: better before the first query, where there is
    something to query. It takes 15 MB."""
    import duckdb  # noqa: F401 - for its effect: the next import of it takes no time

    import delta_server.storage.events.duckdb.virtual_files  # noqa: F401 - for its effect, as above


class Instance:
    """DuckDB itself, made when it is first used: that takes 0.2 s and 30 MB."""

    def __init__(self, read_views: ReadViews, *, memory_bytes: int, threads: int, spill: Path | None) -> None:
        """What does not fit in memory goes into the directory `spill`; without one it raises."""
        self._spill = spill
        self._memory_bytes = memory_bytes
        self._threads = threads
        self._read_views = read_views
        self._lock = threading.Lock()
        self._connection: Any = None
        self._files: Any = None

    def open(self, project: int, opened: ExitStack) -> QuerySession:
        """A session that `opened` closes. Blocks; raises apsw.Error."""
        self.start()
        session = QuerySession(self._read_views, project, self._connection, self._files, self._spill)
        opened.callback(session.close)
        return session

    def start(self) -> None:
        """Unless it has been: the first session would wait for it."""
        with self._lock:
            if self._connection is None:
                self._start()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                if self._spill is not None:
                    shutil.rmtree(self._spill, ignore_errors=True)

    def _start(self) -> None:
        import duckdb

        from delta_server.storage.events.duckdb.virtual_files import PROTOCOLS, EventFiles

        if self._spill is not None:
            shutil.rmtree(self._spill, ignore_errors=True)
            with suppress(OSError):  # a disk that is full, where only what spills is refused
                self._spill.mkdir(mode=0o700)
        config: dict[str, str | bool | int | float | list[str]] = {
            "threads": self._threads,
            "memory_limit": f"{self._memory_bytes}B",
            "temp_directory": str(self._spill or ""),
            "preserve_insertion_order": False,  # what needs an order says so; the rest may run in parallel
            "allocator_background_threads": True,  # give memory back to the system seconds after a query
            "enable_external_file_cache": False,  # no path is read twice: each holds its query's token
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        connection = starting_at_low_priority(lambda: duckdb.connect(config=config))
        self._files = EventFiles(self._read_views.find)
        connection.register_filesystem(self._files)
        connection.execute(f"SET allowed_directories = {[f'{protocol}://' for protocol in PROTOCOLS]}")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        self._connection = connection
