"""A reserve of disk space: a full disk can still be deleted from, and a server starts on it.

Deleting writes before it frees: SQLite puts every change into its log first. So a file lies beside the database that is
given up when a delete, or the start, finds the disk full; until there is room for it again only deletes are taken.

Writing the log back makes the main file longer. Where there is no room for all of that it is not begun: it would take
what is left, the reserve too, and be in vain: deletes and the vacuum behind them make the database shorter in the log
alone, until it fits.
"""

import logging
import os
import shutil
from pathlib import Path

import apsw

from delta_server.core.errors import Unavailable

RESERVE_NAME = "delta.reserve"
FREE_SHARE = 4
"""Of what is free when it is taken the reserve is a quarter at most."""
SMALLEST_BYTES = 256 << 10
"""A delete takes some 100 kB. Where there is no room for a reserve of this size only deletes are taken."""
LEAST_BYTES = 64 << 10
"""What SQLite needs to open a database, and a bit."""
_INDEX_SHARE = 128
"""The log's index, which opening makes, is less than this part of it."""
MARGIN_BYTES = 4 << 20
"""What must be free beside the reserve before others than deletes may write again."""
_PIECE_BYTES = 1 << 20

log = logging.getLogger(__name__)


class DiskReserve:
    """Used by the thread that opens and closes the database, and by the writer's between those."""

    def __init__(self, data_dir: Path, reserve_bytes: int, *, log_bytes: int = 0) -> None:
        """Gives the reserve up when there is no room to open a database; takes it where there is room for it."""
        self._path = data_dir / RESERVE_NAME
        self._reserve_bytes = reserve_bytes
        self._given_up = 0
        """Its bytes, while only deletes are taken."""
        self.log_fits = True
        """Unset by who finds no room for writing it back: then only deletes are taken."""
        if self._path.exists():
            if self._free() < LEAST_BYTES + log_bytes // _INDEX_SHARE:
                self.release()
        elif self._free() < FREE_SHARE * SMALLEST_BYTES or not self._create(
            min(reserve_bytes, self._free() // FREE_SHARE)
        ):
            self._given_up = min(reserve_bytes, MARGIN_BYTES // FREE_SHARE)  # what others wrote, deletes would miss

    @property
    def is_released(self) -> bool:
        return self._given_up > 0

    @property
    def is_full(self) -> bool:
        """Only what frees space is written."""
        return self.is_released or not self.log_fits

    def release(self) -> bool:
        """False when there is nothing to give up."""
        try:
            size = self._path.stat().st_size
            self._path.unlink()
        except OSError:
            return False
        self._given_up = size
        log.error("the disk is full: %d bytes that were kept for it are given up, for deletes only", size)
        return True

    def is_disk_full(self, error: BaseException) -> bool:
        """Whether a write failed for want of space. SQLite says of its shared memory, which it could not make longer,
        that the disk failed."""
        if isinstance(error, apsw.FullError):
            return True
        return isinstance(error, apsw.IOError | apsw.CantOpenError) and self._free() < LEAST_BYTES

    def check(self, connection: apsw.Connection) -> None:
        """Raises Unavailable while only deletes may write; notices when there is room again."""
        if not self.log_fits:
            self.log_fits = log_fits(connection)
        if not self.log_fits:
            raise disk_full_error()
        if not self._given_up:
            return
        if self._free() >= self._given_up + MARGIN_BYTES and self._create(self._given_up):
            log.warning("the disk has room again")
            self._given_up = 0
            return
        needed = (self._given_up + MARGIN_BYTES) >> 20
        raise disk_full_error(f"and nothing was stored; only deletes are taken until {needed} MB are free")

    def close(self) -> None:
        """Behind the database: what closing it has freed is kept for the next start."""
        if self._given_up:
            self._create(min(self._reserve_bytes, self._free()))

    def _free(self) -> int:
        return shutil.disk_usage(self._path.parent).free

    def _create(self, size: int) -> bool:
        if size <= 0:
            return False
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                for at in range(0, size, _PIECE_BYTES):
                    os.pwrite(handle, bytes(min(_PIECE_BYTES, size - at)), at)
            finally:
                os.close(handle)
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        return True


def log_fits(connection: apsw.Connection) -> bool:
    """Whether there is room for what writing the log back would make the main file longer by."""
    path = Path(connection.filename)
    longer = int(connection.pragma("page_count") * connection.pragma("page_size")) - path.stat().st_size
    return longer <= 0 or longer + LEAST_BYTES <= shutil.disk_usage(path.parent).free


def disk_full_error(so: str = "and nothing was stored") -> Unavailable:
    return Unavailable(f"the disk is full {so}: free some space", retry_after_s=60)
