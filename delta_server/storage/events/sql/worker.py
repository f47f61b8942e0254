"""The process that runs the SQL of callers: one request after the other from stdin, answers to stdout.

A process of its own, because in the server's nothing ends what DuckDB does inside one function: `SELECT range(1e9)`
takes 8 GB and a minute, whatever the memory limit, and hears no interrupt until it is done. Here the operating system
bounds the memory, and the server ends what runs too long. The process opens the database for reading only; each request
gets a DuckDB of its own, with settings locked and nothing to open but the files of its project's state (sql/check.py
stands before that). It exits when stdin ends.

Its messages (events/workers.py) hold MessagePack.
"""

import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from delta_server.core.errors import DatabaseFailed, DeltaError, Invalid
from delta_server.storage import child, process_messages
from delta_server.storage.cold.pieces import ColdStorageAway
from delta_server.storage.events.duckdb import failures
from delta_server.storage.events.query.read_connections import ReadViews
from delta_server.storage.events.query.read_view import ReadView
from delta_server.storage.events.sql import check, describe, json_values, views
from delta_server.storage.sql_view import View
from delta_server.storage.sqlite.connection import Tuning

ARGUMENT = "query-worker"
"""What the program is called with to be this."""
MAX_ANSWER_BYTES = 16 << 20


class WorkerSetup(msgspec.Struct, frozen=True):
    """The first frame. `memory_bytes` is the most that a question has."""

    database: str
    memory_bytes: int
    threads: int
    seconds: float
    views: dict[str, View] = {}


class SqlRequest(msgspec.Struct, frozen=True):
    project: int
    text: str
    params: tuple[Any, ...]
    limit: int
    memory_bytes: int | None = None
    """The setup's without it; less while others call."""
    only_checked: bool = False


class SqlResponse(msgspec.Struct, frozen=True):
    """`rows` is a JSON array of objects. With `refused`, nothing else: a message, and whether the SQL is wrong, what is
    stored is damaged, cold storage does not answer or the memory was too little (else it took too long)."""

    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rows: bytes = b"[]"
    truncated: bool = False
    scanned: int = 0
    refused: str | None = None
    invalid: bool = False
    damaged: bool = False
    away: bool = False
    needs_memory: bool = False


UNCOUNTED_BYTES = 128 << 20
"""What a process may take beside what DuckDB counts: stacks of threads, files that are read, sets of distinct values.
Who calls alone may take as much as what is counted, where that is more."""
WORN_BYTES = 64 << 20
"""A process that holds so much more than at its start, when it has answered, is replaced."""


def main() -> None:
    """Serve requests until stdin ends."""
    child.begin()
    arriving, leaving = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but messages may come out
    first = process_messages.read(arriving)
    if first is None:
        return
    setup = msgspec.msgpack.decode(first, type=WorkerSetup)
    worker = Worker(setup)
    at_first = child.resident_bytes()
    process_messages.write(leaving, b"")  # ready
    while (asked := process_messages.read(arriving)) is not None:
        request = msgspec.msgpack.decode(asked, type=SqlRequest)
        memory_bytes = request.memory_bytes or setup.memory_bytes
        uncounted = UNCOUNTED_BYTES if memory_bytes < setup.memory_bytes else max(memory_bytes, UNCOUNTED_BYTES)
        _limit_memory(_data_bytes() + memory_bytes + uncounted)
        answered = worker.answer(request)
        # Not what the limit counts: threads that came and went reserve hundreds of MB, and hold none of them.
        worn = child.resident_bytes() > at_first + WORN_BYTES
        process_messages.write(leaving, bytes([worn]) + msgspec.msgpack.encode(answered))


def _data_bytes() -> int:
    """Of memory for data, as the system counts it for its limit; 0 where it is not known (not Linux)."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmData:"))


def _limit_memory(most_bytes: int) -> None:
    """Where the system can do it."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most))


class Worker:
    def __init__(self, setup: WorkerSetup) -> None:
        import duckdb

        from delta_server.storage.events.duckdb.virtual_files import EventFiles
        from delta_server.storage.events.sql.documents import DocumentFiles
        from delta_server.storage.events.sql.histories import HistoryFiles
        from delta_server.storage.events.sql.table_files import TableFiles

        self._duckdb, self._setup = duckdb, setup
        self._read_views = ReadViews(Path(setup.database), Tuning())
        self._files = EventFiles(self._read_views.find)
        self._texts = TableFiles()
        self._documents = DocumentFiles()
        self._histories = HistoryFiles()

    def answer(self, request: SqlRequest) -> SqlResponse:
        try:
            return self._run(request)
        except DeltaError as error:
            return _error_message(error)
        except MemoryError:
            return _NO_MEMORY
        except Exception as error:
            return self._refused(error)

    def _run(self, request: SqlRequest) -> SqlResponse:
        with ExitStack() as opened:
            connection = self._connect(request.memory_bytes or self._setup.memory_bytes)
            opened.callback(connection.close)
            opened.enter_context(self._deadline(connection))
            known = (*views.OWN, *self._setup.views)
            described = describe.described_view(request.text, known)
            named = check.views(connection, request.text, known) if described is None else frozenset()
            read_view = opened.enter_context(self._read_views.open(request.project))
            try:
                if described is not None:
                    return _description(describe.rows(connection, read_view, described, self._setup.views), request)
                if request.only_checked:
                    return _bound(connection, request, self._without_rows(read_view, named))
                return _answer(connection, request, self._show(connection, read_view, named, opened))
            except self._duckdb.Error as error:
                read_view.recheck(error, connection.execute)
                raise read_view.failure or error from None

    def _connect(self, memory_bytes: int) -> Any:
        connection = self._duckdb.connect(
            config={
                "threads": self._setup.threads,
                "memory_limit": f"{memory_bytes}B",
                "temp_directory": "",
                "python_enable_replacements": False,
                "enable_external_file_cache": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
                "allow_persistent_secrets": False,
            }
        )
        connection.register_filesystem(self._files)
        connection.register_filesystem(self._texts)
        connection.register_filesystem(self._documents)
        connection.register_filesystem(self._histories)
        return connection

    def _show(self, connection: Any, read_view: ReadView, named: frozenset[str], opened: ExitStack) -> int:
        """Make the views, then lock everything else away. How many rows they hold."""
        scanned = 0
        read: dict[str, views.FileView] = {}
        for name in sorted(named.difference(views.OWN)):
            with self._texts.holding(read_view, name, self._setup.views[name]) as (path, count):
                connection.execute(views.load(name, self._setup.views[name], path))
                scanned += count
        if "events" in named:
            read["events"] = views.events(read_view)
        if "documents" in named:
            read["documents"] = opened.enter_context(self._documents.holding(read_view))
        if histories := named.intersection(views.HISTORIES):
            read |= opened.enter_context(self._histories.holding(read_view, histories))
        paths = [path for view in read.values() for path in view.paths]
        for setting in _LOCKS:
            connection.execute(setting.format(paths=paths))
        for name, view in read.items():
            connection.execute(f"CREATE VIEW {name} AS {view.sql}")
        return scanned + sum(view.scanned for view in read.values())

    def _without_rows(self, read_view: ReadView, named: frozenset[str]) -> dict[str, str]:
        return {name: describe.select(read_view, name, self._setup.views) for name in named}

    @contextmanager
    def _deadline(self, connection: Any) -> Iterator[None]:
        """Interrupt at the deadline, and end the process when that is not heard: nobody may be there to do it."""
        timers = [
            threading.Timer(self._setup.seconds, connection.interrupt),
            threading.Timer(self._setup.seconds + 1, os._exit, (child.EXIT_DEADLINE,)),
        ]
        for timer in timers:
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            for timer in timers:
                timer.cancel()

    def _refused(self, error: Exception) -> SqlResponse:
        match error:
            case self._duckdb.InterruptException():
                return SqlResponse(refused=failures.too_long(self._setup.seconds).message)
            case self._duckdb.OutOfMemoryException():
                return _NO_MEMORY
            case self._duckdb.PermissionException():
                return SqlResponse(refused="the query uses a table or function that is not available", invalid=True)
        translated = failures.translated(error)
        if isinstance(translated, DeltaError):
            return _error_message(translated)
        if isinstance(error, self._duckdb.Error):
            return SqlResponse(refused=f"sql: {failures.first_line(error)}", invalid=True)
        raise error


def _description(rows: Sequence[dict[str, str]], request: SqlRequest) -> SqlResponse:
    if request.params:
        raise Invalid("params: there is no ? in sql that they could take the place of", field="params")
    columns = tuple(rows[0])
    written = msgspec.json.encode(rows[: request.limit])
    return SqlResponse(columns, ("VARCHAR",) * len(columns), written, len(rows) > request.limit)


def _error_message(error: DeltaError) -> SqlResponse:
    damaged, away = isinstance(error, DatabaseFailed), isinstance(error, ColdStorageAway)
    return SqlResponse(refused=error.message, invalid=isinstance(error, Invalid), damaged=damaged, away=away)


_LOCKS = (
    "SET TimeZone = 'UTC'",
    "SET allowed_paths = {paths}",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
_NO_MEMORY = SqlResponse(
    refused="the query needs more memory than events.query_memory_bytes allows: ask for fewer rows, a shorter range or"
    " fewer groups",
    needs_memory=True,
)


def _bound(connection: Any, request: SqlRequest, empty: Mapping[str, str]) -> SqlResponse:
    """Refused as running it would be, whatever the views hold: DuckDB finds its tables, columns and functions."""
    for name, select in empty.items():
        connection.execute(f"CREATE VIEW {name} AS {select}")
    for setting in _LOCKS:
        connection.execute(setting.format(paths=[]))
    connection.execute(f"SELECT * FROM ({check.bare(request.text)}\n) LIMIT 0", list(request.params))
    return SqlResponse()


def _answer(connection: Any, request: SqlRequest, scanned: int) -> SqlResponse:
    text, params = check.bare(request.text), list(request.params)
    described = connection.execute(f"SELECT * FROM ({text}\n) LIMIT 0", params).description
    columns, types = tuple(part[0] for part in described), [part[1] for part in described]
    names = [f"c{n}" for n in range(len(columns))]
    selected = ", ".join(json_values.shown(name, kind) for name, kind in zip(names, types, strict=True))
    connection.execute(
        f"SELECT {selected} FROM ({text}\n) AS q({', '.join(names)}) LIMIT {request.limit + 1:d}", params
    )
    rows, truncated = _rows(connection, request.limit, columns, [json_values.is_nested(kind) for kind in types])
    return SqlResponse(columns, tuple(map(str, types)), rows, truncated, scanned)


def _rows(connection: Any, limit: int, columns: Sequence[str], own: Sequence[bool]) -> tuple[bytes, bool]:
    """(a JSON array of up to `limit` objects and not more than an answer's bytes, whether there were more)."""
    lines: list[bytes] = []
    size = 0
    while batch := connection.fetchmany(256):
        for row in batch:
            values = [
                json_values.nested(value) if nested else json_values.plain(value)
                for value, nested in zip(row, own, strict=True)
            ]
            line = msgspec.json.encode(dict(zip(columns, values, strict=True)))
            size += len(line)
            if len(lines) == limit or size > MAX_ANSWER_BYTES:
                return b"[" + b",".join(lines) + b"]", True
            lines.append(line)
    return b"[" + b",".join(lines) + b"]", False
