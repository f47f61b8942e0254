"""The database for commands that only read: beside a running server, or without one. It changes nothing, not the schema
either."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event, Thread
from typing import Concatenate, NoReturn, ParamSpec, TypeVar

import apsw

from delta_server.core.errors import DatabaseFailed, DeltaError, Unavailable
from delta_server.storage.database import Clock, DatabaseStats, Tx
from delta_server.storage.sqlite.connection import APPLICATION_ID, Tuning, check_library, open_reader
from delta_server.storage.sqlite.maintenance import faults, file_bytes, quick_faults
from delta_server.storage.sqlite.options import Storage
from delta_server.storage.sqlite.readers import Reader, ReaderPool
from delta_server.storage.sqlite.schema import packaged
from delta_server.storage.sqlite.transaction import Deadline, raise_translated

P = ParamSpec("P")
T = TypeVar("T")

READERS = 2
_PROGRESS_STEPS = 100_000
_LOOK_S = 0.2


class ReadOnlyDatabase:
    """See `Database`; whatever would write raises DatabaseFailed."""

    def __init__(self, path: Path, storage: Storage, clock: Clock, tuning: Tuning) -> None:
        """Raises DeltaError for a database of another version, DatabaseFailed for none."""
        check_library()
        self._path = path
        self._log = path.with_name(path.name + "-wal")
        self._most_log_bytes = storage.wal_bytes * 5 // 4
        self._tuning = tuning
        self._holders: list[Callable[[], object]] = []
        self._closed = Event()
        with ExitStack() as opened:
            try:
                _check_schema(path, tuning)
                self._peek = Reader(path, clock, tuning)
                opened.callback(self._peek.close)
                self._readers = ReaderPool(path, clock, tuning, readers=READERS, read_s=storage.read_seconds)
                opened.callback(self._readers.close)
            except apsw.Error as error:
                raise_translated(error)
            self._opened = opened.pop_all()

    async def read(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._readers.run(lambda tx: fn(tx, *args, **kwargs))

    def peek(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return self._peek.run(lambda tx: fn(tx, *args, **kwargs), Deadline(self._tuning.peek_s))

    async def write(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        _refuse()

    def stats(self) -> DatabaseStats:
        _refuse()

    def is_full(self) -> bool:
        _refuse()

    async def checkpoint(self) -> None:
        _refuse()

    def on_wal_pressure(self, release: Callable[[], object]) -> None:
        """The writer cannot notify another process: here the log's length is polled."""
        if not self._holders:
            Thread(target=self._poll_wal, name="delta-log-watch", daemon=True).start()
        self._holders.append(release)

    async def optimize(self) -> None:
        _refuse()

    async def vacuum(self, pages: int) -> int:
        _refuse()

    async def scrub(self) -> bool:
        _refuse()

    async def check(self) -> list[str]:
        return await asyncio.to_thread(self._check)

    async def quick_check(self) -> list[str]:
        """As `check`, of pages and rows alone."""
        return await asyncio.to_thread(self._check, quick_faults)

    async def close(self) -> None:
        self._closed.set()
        self._opened.close()

    def _check(self, look: Callable[[apsw.Connection], list[str]] = faults) -> list[str]:
        """Reads one state for as long as it takes, unless the log, which a server writes meanwhile, is too long."""
        with closing(open_reader(self._path, self._tuning)) as connection:
            connection.set_progress_handler(self._is_wal_long, _PROGRESS_STEPS)
            try:
                return look(connection)
            except Unavailable:
                if not self._is_wal_long():
                    raise
        raise Unavailable(
            "so much is written beside this that the file's structure cannot be checked: check a restored backup, or"
            " stop the server"
        )

    def _poll_wal(self) -> None:
        while not self._closed.wait(_LOOK_S):
            if self._is_wal_long():
                for release in self._holders:
                    release()

    def _is_wal_long(self) -> bool:
        return file_bytes(self._log) > self._most_log_bytes


def _refuse() -> NoReturn:
    raise DatabaseFailed("the database is open for reading only")


def _check_schema(path: Path, tuning: Tuning) -> None:
    connection = open_reader(path, tuning)
    try:
        owner, version = connection.pragma("application_id"), connection.pragma("user_version")
    finally:
        connection.close()
    newest = len(packaged())
    if owner != APPLICATION_ID or version == 0:
        raise DeltaError(f"{path} is not a database of Delta")
    if version != newest:
        older = "start this version's server once, which brings it up to date" if version < newest else "use that one"
        raise DeltaError(f"the database has schema {version}, of another version of Delta ({newest} here): {older}")
