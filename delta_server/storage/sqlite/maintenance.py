"""What keeps the files small and the query planner informed; called by the periodic table."""

import asyncio
import time
from itertools import islice
from pathlib import Path
from threading import Lock

import apsw

from delta_server.storage.database import Tx, frees_space
from delta_server.storage.sqlite.absent_tables import absent_tables
from delta_server.storage.sqlite.connection import Tuning, close_writer, open_writer
from delta_server.storage.sqlite.disk_reserve import disk_full_error, log_fits
from delta_server.storage.sqlite.schema import packaged, read_schema, schema_of
from delta_server.storage.sqlite.transaction import raise_translated

SLICE_PAGES = 128
"""Pages the first write of an incremental vacuum moves: 0.25 MB, a millisecond or two."""

MAX_FAULTS = 20
"""The most faults of each kind that `check` reports."""

_TRUNCATE_WAIT_MS = 200
"""How long shortening the log may hold up writers while it waits for readers of old snapshots."""

_SHORTEN_WAIT_S = 0.5


class Maintenance:
    """Checkpoints on a connection of its own, so that copying pages into the main file does not hold up the writer."""

    def __init__(self, path: Path, tuning: Tuning, *, wal_bytes: int) -> None:
        self._path = path
        self._tuning = tuning
        self._opened: apsw.Connection | None = None
        self._log = path.with_name(path.name + "-wal")
        self._wal_bytes = wal_bytes
        self._lock = Lock()

    async def checkpoint(self) -> None:
        await asyncio.to_thread(self._checkpoint)

    def shorten(self, most_bytes: int) -> None:
        """As `checkpoint`, in the writer's thread, which waits."""
        if self._lock.acquire(timeout=_SHORTEN_WAIT_S):
            try:
                self._write_back(most_bytes)
            finally:
                self._lock.release()

    def checkpoint_beside(self) -> tuple[int, int]:
        """On any thread, while the writer goes on: how many pages the log has, and how many of them are in the main
        file."""
        with self._lock:
            if not log_fits(self._connection):
                return 0, 0
            try:
                return self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            except apsw.BusyError:
                return 0, 0

    async def empty_log(self) -> bool:
        """False when a reader needs it; it was waited for."""
        return await asyncio.to_thread(self._empty_log)

    async def check(self) -> list[str]:
        return await asyncio.to_thread(self._check)

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                close_writer(self._opened)

    @property
    def _connection(self) -> apsw.Connection:
        """Opened when it is first needed, for SQLite reads the schema then: with the lock."""
        if self._opened is None:
            self._opened = open_writer(self._path, self._tuning)
            self._opened.set_busy_timeout(_TRUNCATE_WAIT_MS)
        return self._opened

    def _check(self) -> list[str]:
        with self._lock:
            return faults(self._connection)

    def _empty_log(self) -> bool:
        with self._lock:
            try:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                return False
            except apsw.Error as error:
                raise_translated(error)
            return True

    def _checkpoint(self) -> None:
        with self._lock:
            self._write_back(self._wal_bytes)

    def _write_back(self, most_bytes: int) -> None:
        try:
            if not log_fits(self._connection):
                raise disk_full_error("and the log cannot be written back")
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if file_bytes(self._log) > most_bytes:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.BusyError:
            pass  # a reader needs the log as it is, or the writer is checkpointing itself; next time, then
        except apsw.Error as error:
            raise_translated(error)


def faults(connection: apsw.Connection) -> list[str]:
    """What is wrong with the file: its schema, pages, rows, indexes against their tables, references between tables,
    and texts."""
    try:
        if changed := _changed_schema(connection):  # nothing else can be asked for certain
            return changed
        rows = connection.execute(f"PRAGMA integrity_check({MAX_FAULTS})").fetchall()
        lost = list(islice(connection.execute("PRAGMA foreign_key_check"), MAX_FAULTS))
        garbled = [column for column in connection.execute(_TEXTS).fetchall() if not _is_utf8(connection, *column)]
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return [f"the file cannot be read to its end: {error}"]
    except apsw.Error as error:
        raise_translated(error)
    found = [line for row in rows if row[0] != "ok" for line in str(row[0]).splitlines()]
    found += [f"row {row} of {table} refers to a row of {to} that is not there" for table, row, to, _ in lost]
    return found + [f"a {column} of {table} is not UTF-8" for table, column in garbled]


def quick_faults(connection: apsw.Connection) -> list[str]:
    """As `faults`, of pages and rows alone, without what indexes and references say."""
    try:
        rows = connection.execute(f"PRAGMA quick_check({MAX_FAULTS})").fetchall()
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return [f"the file cannot be read to its end: {error}"]
    except apsw.Error as error:
        raise_translated(error)
    return [line for row in rows if row[0] != "ok" for line in str(row[0]).splitlines()]


def _changed_schema(connection: apsw.Connection) -> list[str]:
    """What of the schema is not as the migrations have made it."""
    absent = absent_tables(connection)  # first: a server that begins makes them in between
    there = set(read_schema(connection))
    changed = [each.name for each in schema_of(packaged()) if each not in there and each.table not in absent]
    more = [f"and {len(changed) - MAX_FAULTS} more"] if len(changed) > MAX_FAULTS else []
    return [f"the {name} is not as it was made" for name in changed[:MAX_FAULTS]] + more


_TEXTS = """SELECT sqlite_schema.name, columns.name FROM sqlite_schema, pragma_table_info(sqlite_schema.name) AS columns
    WHERE sqlite_schema.type = 'table' AND columns.type = 'TEXT' ORDER BY 1, 2"""


def _is_utf8(connection: apsw.Connection, table: object, column: object) -> bool:
    """Whether all texts there can be read: `integrity_check` does not look."""
    try:
        for _ in connection.execute(f'SELECT "{column}" FROM "{table}"'):
            pass
    except UnicodeDecodeError:
        return False
    return True


def optimize(tx: Tx) -> None:
    tx.run("PRAGMA optimize")


@frees_space
def vacuum_slice(tx: Tx, pages: int) -> tuple[int, float]:
    """Free up to `pages` pages at the end of the file; how many it was, and the seconds it took. The pragma gives one
    row a page."""
    began_s = time.monotonic()
    freed = len(tx.all(f"PRAGMA incremental_vacuum({pages:d})"))
    return freed, time.monotonic() - began_s


def file_bytes(path: Path) -> int:
    """The size of a file that may not be there. It is not opened: see connection.py."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
