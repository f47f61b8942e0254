"""A small database is closed with small pages, and without its empty tables (absent_tables.py).

Every table and every index takes a page of its own, empty or not: with all of them, and pages as a server works with,
an empty database has 300 kB. So when it is closed a small one is rewritten with the smallest pages there are, and when
it is opened again with those to work with: 20 ms a MB, each. Nobody else may have it open meanwhile, for SQLite changes
the size of pages only outside of WAL mode, and who reads does not expect that tables go; then, or where there is no
room, it stays as it is.
"""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw

from delta_server.storage.sqlite.absent_tables import drop_empty_tables

log = logging.getLogger(__name__)

COMPACT_PAGE_SIZE = 512
SMALL_BYTES = 4 << 20
"""What is larger when it is closed stays as it is. The page that each table and each index has at least does not
count, or the more tables there are the fewer databases were small."""
MIN_FREE_BYTES = 1 << 20
"""What must be free on the disk beside what is rewritten, and its journal."""
MAX_GROW_BYTES = 16 << 20
"""What is larger when it is opened, as it has grown while its pages could not be changed, stays as it is."""


def shrink(connection: apsw.Connection) -> None:
    """For the last connection, before it is closed."""
    if _is_small(connection):
        _rewrite(connection, COMPACT_PAGE_SIZE, drop_empty_tables)


def grow_pages(connection: apsw.Connection, page_size: int) -> None:
    """For the first connection. The pages of a database that was not shrunk stay, whatever their size."""
    if (
        connection.pragma("page_size") == COMPACT_PAGE_SIZE < page_size
        and _database_bytes(connection) <= MAX_GROW_BYTES
    ):
        _rewrite(connection, page_size)


def _is_small(connection: apsw.Connection) -> bool:
    first_pages = connection.execute("SELECT count(*) FROM sqlite_schema WHERE rootpage > 0").get
    return int(connection.pragma("page_count") - first_pages) * int(connection.pragma("page_size")) <= SMALL_BYTES


def _database_bytes(connection: apsw.Connection) -> int:
    return int(connection.pragma("page_count") * connection.pragma("page_size"))


def _has_room(connection: apsw.Connection) -> bool:
    return shutil.disk_usage(Path(connection.filename).parent).free >= 8 * _database_bytes(connection) + MIN_FREE_BYTES


def _rewrite(
    connection: apsw.Connection, page_size: int, before: Callable[[apsw.Connection], object] | None = None
) -> None:
    """All or nothing, whenever it is interrupted; `before` is called first, when nobody else has the file open."""
    if not _has_room(connection):
        return
    busy_ms, temp_store = connection.pragma("busy_timeout"), connection.pragma("temp_store")
    connection.set_busy_timeout(0)
    try:
        connection.pragma("locking_mode", "EXCLUSIVE")  # also between the steps
        connection.pragma("journal_mode", "DELETE")
        if before:
            before(connection)
        connection.pragma("temp_store", "MEMORY")
        connection.pragma("page_size", page_size)
        connection.execute("VACUUM")
    except apsw.BusyError:
        pass  # it is being read by another process
    except apsw.Error as error:
        log.warning("the pages of the database were not changed to %d bytes: %s", page_size, error)
    finally:
        connection.pragma("temp_store", temp_store)
        connection.set_busy_timeout(busy_ms)
        connection.pragma("locking_mode", "NORMAL")
        connection.pragma("journal_mode", "WAL")
