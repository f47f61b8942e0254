"""How every connection to delta.db is opened. Only apsw may touch the file.

Two SQLite libraries on one file in one process lose each other's POSIX locks: closing a handle of one drops the locks
of the other (https://sqlite.org/howtocorrupt.html, 2.2). So `sqlite3`, `open()` and file copies stay away from
delta.db, -wal and -shm; a test asserts that `sqlite3` is never imported.
"""

from contextlib import suppress
from functools import partial
from pathlib import Path

import apsw
import msgspec

from delta_server.storage.sqlite.disk_reserve import log_fits

APPLICATION_ID = 0x44454C54
"""`DELT`: what `file delta.db` and the check at start go by."""

PAGE_SIZE = 2048
"""Against 4096: half the bytes written for a snapshot (45 kB instead of 83, of 130), 130 kB less of a database with one
endpoint. Inserts and queries take the same; a large BLOB 0.1 ms a MB more to read. A file keeps its own."""
BUSY_MS = 5000
STATEMENTS = 512
"""Prepared statements a connection keeps: more than there are constant statements in the server."""

OLDEST_SQLITE = (3, 51, 3)
"""3.7.0 to 3.51.2 can corrupt a WAL that is reset while it is written (https://sqlite.org/wal.html, 11)."""


class Tuning(msgspec.Struct, frozen=True):
    """What only tests and measurements change; the server runs with the defaults."""

    page_size: int = PAGE_SIZE
    rests_small: bool = True
    """A small database is closed with the smallest pages (page_size.py)."""
    synchronous: str = "FULL"
    vfs: str | None = None
    busy_ms: int = BUSY_MS
    queue_calls: int = 4096
    """Writes that may wait; the next one is refused with 503."""
    group_calls: int = 256
    group_s: float = 0.005
    """A group takes no further calls when it has been running for this long."""
    wal_pages: int = 16_000
    """A log of so many pages is checkpointed, should the periodic checkpoint not keep up (wal_maintenance.py); with a
    `vfs` by the writer itself."""
    peek_s: float = 1.0
    reserve_bytes: int = 8 << 20
    """Of the disk, for deletes when it is full (sqlite/disk_reserve.py). One takes some 100 kB, and its log begins anew
    behind it."""
    writer_cache_kib: int = 16_384
    reader_cache_kib: int = 4096


def check_library() -> None:
    """Raises RuntimeError when the SQLite inside apsw is older than the fix of the WAL-reset bug."""
    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")[:3]) < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise RuntimeError(f"apsw brings SQLite {version}; Delta needs {oldest} or newer: upgrade the apsw package")


def open_writer(path: Path, tuning: Tuning) -> apsw.Connection:
    """A connection that writes; makes an empty file a database with Delta's page size and in WAL mode."""
    connection = _open(path, tuning, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    connection.pragma("synchronous", tuning.synchronous)  # first: WAL mode begins with a write
    # These last for ever and only count before the first page is written, so before WAL mode is. Set again, the second
    # would write to the file, which a full disk does not allow.
    if connection.pragma("page_count") == 0:
        connection.pragma("page_size", tuning.page_size)
        connection.pragma("auto_vacuum", "INCREMENTAL")
    connection.pragma("journal_mode", "WAL")
    connection.pragma("foreign_keys", "ON")
    # Deleted rows are overwritten in the pages that are written anyway, at no cost worth measuring. Pages that become
    # free keep what they held until `scrub`: ON would write each of them once more (26 MB: 38 ms instead of 1).
    connection.pragma("secure_delete", "FAST")
    connection.pragma("cache_size", -tuning.writer_cache_kib)
    connection.set_wal_hook(partial(_written, tuning.wal_pages))
    return connection


def _written(most_pages: int, connection: apsw.Connection, database: str, pages: int) -> int:
    """As SQLite's own automatic checkpoint, but not where it would fill the disk."""
    if pages >= most_pages and log_fits(connection):
        with suppress(apsw.Error):  # what was committed is; the next one may well work
            connection.wal_checkpoint(database)
    return apsw.SQLITE_OK


def close_writer(connection: apsw.Connection) -> None:
    """The last to close writes the log back, and deletes it; where there is no room for that it stays."""
    if not log_fits(connection):
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.close()


def open_reader(path: Path, tuning: Tuning, *, statements: int = STATEMENTS) -> apsw.Connection:
    """A read-only connection to an existing database, which keeps so many prepared statements. See `open_whole_reader`
    in absent_tables.py too."""
    connection = _open(path, tuning, apsw.SQLITE_OPEN_READONLY, statements)
    connection.pragma("cache_size", -tuning.reader_cache_kib)
    return connection


def _open(path: Path, tuning: Tuning, flags: int, statements: int = STATEMENTS) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags, tuning.vfs, statementcachesize=statements)
    connection.set_busy_timeout(tuning.busy_ms)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.pragma("mmap_size", 0)  # a mapped page that cannot be read is a SIGBUS, not an error
    return connection
