"""The SQLite adapter of the Database port: opens the files, and hands each call to the part that does it.

- the writer thread: one connection, all writes, group commit (writer.py)
- reader threads: a read-only connection each (readers.py)
- the event loop's thread: one read-only connection for `peek` (readers.py)
- maintenance: one connection that checkpoints and does nothing else (maintenance.py)
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar

import apsw

from delta_server.core.errors import DeltaError
from delta_server.storage import staged_restore
from delta_server.storage.database import Clock, DatabaseStats, Tx, is_freeing, is_one_statement
from delta_server.storage.key_file import ServerKey
from delta_server.storage.slices import SliceSize
from delta_server.storage.sqlite.connection import Tuning, check_library, close_writer, open_writer
from delta_server.storage.sqlite.directory_lock import DataDirRefused, DirectoryLock, refuse_network, unusable
from delta_server.storage.sqlite.disk_reserve import DiskReserve
from delta_server.storage.sqlite.maintenance import SLICE_PAGES, Maintenance, file_bytes, optimize, vacuum_slice
from delta_server.storage.sqlite.migrate import migrate, sync_path
from delta_server.storage.sqlite.options import Storage
from delta_server.storage.sqlite.page_size import grow_pages, shrink
from delta_server.storage.sqlite.readers import Reader, ReaderPool
from delta_server.storage.sqlite.schema import packaged
from delta_server.storage.sqlite.slow_queries import SlowQueries
from delta_server.storage.sqlite.transaction import Deadline, raise_translated
from delta_server.storage.sqlite.wal_limit import HELD_S, WalLimit
from delta_server.storage.sqlite.wal_maintenance import WalMaintenance
from delta_server.storage.sqlite.writer import Writer

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

DATABASE_NAME = "delta.db"

SCRUBBED_PAGES = 1 << 16
SCRUB_TRIES = 5


class SqliteDatabase:
    """See `Database` for what the methods promise. Made by `open`, from and for one event loop at a time."""

    def __init__(self, storage: Storage, clock: Clock, tuning: Tuning) -> None:
        self._path = storage.data_dir / DATABASE_NAME
        self._tuning = tuning
        self._closing = asyncio.Lock()
        with ExitStack() as opened:  # closes what is open already should a later step fail
            lock = DirectoryLock(storage.data_dir)
            opened.callback(lock.release)
            log_path = self._path.with_name(DATABASE_NAME + "-wal")
            reserve = DiskReserve(storage.data_dir, tuning.reserve_bytes, log_bytes=file_bytes(log_path))
            opened.callback(reserve.close)
            begun = _create(self._path, tuning)
            connection = open_writer(self._path, tuning)
            opened.callback(close_writer, connection)  # the last to close: it empties the write-ahead log
            bring_up_to_date = partial(
                migrate, connection, packaged(), backups=storage.data_dir / "backups", now_ms=clock.now_ms()
            )
            try:
                bring_up_to_date()
            except apsw.FullError:
                if not reserve.release():
                    raise
                bring_up_to_date()
            begun.unlink(missing_ok=True)
            grow_pages(connection, tuning.page_size)
            if tuning.rests_small:
                opened.callback(shrink, connection)
            self._maintenance = Maintenance(self._path, tuning, wal_bytes=storage.wal_bytes)
            opened.callback(self._maintenance.close)
            self._wal_limit = WalLimit(log_path, self._maintenance, wal_bytes=storage.wal_bytes)
            upkeep = WalMaintenance(log_path, connection, self._maintenance, tuning, wal_bytes=storage.wal_bytes)
            opened.callback(upkeep.close)
            slow = SlowQueries(storage.slow_query_ms / 1000)
            self._peek = Reader(self._path, clock, tuning, slow)
            opened.callback(self._peek.close)
            self._readers = ReaderPool(
                self._path, clock, tuning, readers=storage.readers, read_s=storage.read_seconds, slow=slow
            )
            opened.callback(self._readers.close)
            self._wal_limit.add_reader(lambda: self._readers.release(HELD_S))
            self._writer = Writer(
                connection,
                clock,
                tuning,
                key=ServerKey(storage.data_dir),
                reserve=reserve,
                between=partial(_look_after_log, upkeep, self._wal_limit),
            )
            opened.callback(self._writer.close)
            self._opened = opened.pop_all()

    @classmethod
    def open(cls, storage: Storage, clock: Clock, *, tuning: Tuning | None = None) -> Self:
        """Open or make the database in `storage.data_dir` and bring its schema up to date.

        Raises DataDirRefused (in use, not local, not ours to write), MigrationRefused, DatabaseFailed, Unavailable.
        """
        check_library()
        try:
            storage.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            refuse_network(storage.data_dir)
            if staged_restore.is_staged(storage.data_dir):
                return cls._open_restored(storage, clock, tuning or Tuning())
            return cls(storage, clock, tuning or Tuning())
        except OSError as error:
            raise unusable(storage.data_dir, error) from error
        except apsw.Error as error:
            raise_translated(error)

    @classmethod
    def _open_restored(cls, storage: Storage, clock: Clock, tuning: Tuning) -> Self:
        """Put the backup that waits in the place of the database; where it cannot be opened, that comes back."""
        with _locked(storage.data_dir):
            staged_restore.put_in_place(storage.data_dir, DATABASE_NAME)
        try:
            return cls(storage, clock, tuning)
        except (apsw.Error, DeltaError) as error:
            fault = error.message if isinstance(error, DeltaError) else str(error)
            with _locked(storage.data_dir):
                if not staged_restore.put_back(storage.data_dir, DATABASE_NAME, fault):
                    raise
            log.error("the backup cannot be opened, the database before it is back: %s", fault)
            return cls(storage, clock, tuning)

    async def read(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._readers.run(lambda tx: fn(tx, *args, **kwargs))

    async def write(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        result: T = await self._writer.submit(lambda tx: fn(tx, *args, **kwargs), name_of(fn), frees=is_freeing(fn))
        return result

    def peek(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        work, deadline = lambda tx: fn(tx, *args, **kwargs), Deadline(self._tuning.peek_s)
        return self._peek.run_one(work, deadline) if is_one_statement(fn) else self._peek.run(work, deadline)

    def stats(self) -> DatabaseStats:
        free_pages, page_bytes = self.peek(_space)
        return DatabaseStats(
            database_bytes=file_bytes(self._path),
            log_bytes=file_bytes(self._path.with_name(DATABASE_NAME + "-wal")),
            free_bytes=free_pages * page_bytes,
            writes_waiting=self._writer.waiting,
            reads_waiting=self._readers.waiting,
            writes=self._writer.calls,
            commits=self._writer.commits,
            slow_writes=self._writer.slow_calls,
            commit_failures=self._writer.failures,
            last_commit_failed=self._writer.last_failed,
            disk_full=self.is_full(),
        )

    def is_full(self) -> bool:
        return self._writer.disk_full

    async def checkpoint(self) -> None:
        await self._maintenance.checkpoint()

    def on_wal_pressure(self, release: Callable[[], object]) -> None:
        self._wal_limit.add_reader_on_loop(release)

    async def optimize(self) -> None:
        await self.write(optimize)

    async def vacuum(self, pages: int) -> int:
        freed = 0
        size = SliceSize(SLICE_PAGES, most=4 * SLICE_PAGES)
        while freed < pages:
            wanted = min(size.now, pages - freed)
            given, took_s = await self.write(vacuum_slice, wanted)
            size.took(took_s)
            freed += given
            if given < wanted:
                break
        return freed

    async def scrub(self) -> bool:
        while await self.vacuum(SCRUBBED_PAGES) == SCRUBBED_PAGES:
            pass
        for _ in range(SCRUB_TRIES):
            if await self._maintenance.empty_log():
                return True
        return False

    async def check(self) -> list[str]:
        return await self._maintenance.check()

    async def close(self) -> None:
        async with self._closing:  # the second caller waits for the first, then finds nothing left to close
            self._peek.close()  # here, on the only thread that uses it: apsw refuses to close a busy connection
            try:
                await asyncio.to_thread(self._opened.close)
            except apsw.Error:  # what was acknowledged is on disk, and the next start recovers the rest
                log.exception("closing the database")


def name_of(fn: Callable[..., object]) -> str:
    """`features.events.store.insert`, for logs."""
    fn = fn.func if isinstance(fn, partial) else fn
    return f"{fn.__module__}.{getattr(fn, '__qualname__', fn)}".removeprefix("delta_server.")


def _look_after_log(upkeep: WalMaintenance, long_log: WalLimit) -> None:
    upkeep.finish()
    long_log.shorten(upkeep.used_bytes)


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    lock = DirectoryLock(data_dir)
    try:
        yield
    finally:
        lock.release()


def _create(path: Path, tuning: Tuning) -> Path:
    """Make an empty file only its owner can read; SQLite gives -wal and -shm the same mode. One that exists is not
    opened, only its mode is set: see connection.py.

    An empty one is a database that was cut off, but when its first start was: a second file says so, which is
    there until the first is a database. Its path is given back. Raises DataDirRefused.
    """
    begun = path.with_name(path.name + "-new")
    if path.exists():
        if path.stat().st_size == 0 and not begun.exists():
            raise DataDirRefused(
                f"{path} is empty: it was cut off, or is not Delta's. Restore a backup; if there never was anything in"
                " it, delete the file, and the next start makes a new one"
            )
        path.chmod(0o600)
        return begun
    is_synced = tuning.synchronous != "OFF"
    begun.touch(0o600)
    if is_synced:
        sync_path(path.parent)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    if is_synced:
        sync_path(path.parent)  # SQLite syncs the names of its logs, not that of the database
    return begun


def _space(tx: Tx) -> tuple[int, int]:
    row = tx.one("SELECT freelist_count, page_size FROM pragma_freelist_count, pragma_page_size")
    assert row is not None
    return row[0], row[1]
