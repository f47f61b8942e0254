"""A copy of a database that is written to meanwhile, for which its write-ahead log need not grow.

SQLite's online backup either holds one state until its end, and the log grows all the while, or begins anew at every
write of another process. So the main file is copied as it stands, and what was written since is laid over it from the
log (https://sqlite.org/fileformat2.html#walformat):

- A reader pins the log all the while: it does not lose any page that was written since the reader came. (One that came
  when all of it was written back lets it begin anew once, and be written back no further: the same holds.)
- A page that is in no frame of the pinned log was written back before: as it was copied, so it is. One that is in a
  frame, may have been copied while it was written back, in halves even, is laid over.
- At the end, and when the pinned log has become long, nobody writes for a moment: the log is laid over what has been
  copied. Then, if it is to go on, all of it is written back, so that the log begins anew behind a new pin; what has not
  been copied yet is copied from there.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import apsw

from delta_server.core.errors import DeltaError
from delta_server.storage.sqlite.connection import Tuning, close_writer, open_reader, open_writer
from delta_server.storage.sqlite.disk_reserve import log_fits

Progress = Callable[[int, int], None]
"""How many bytes have been copied, and of how many."""

CHUNK_BYTES = 1 << 20
_EVERYTHING = 1 << 62
_HEADER, _FRAME = 32, 24
"""Bytes of the log's header, and of a frame's before its page."""
_MAGIC = b"SQLite format 3\0"
_FRAMES_PER_READ = 256
_LOCK_S, _RETRY_S = 30.0, 0.0002


class WalReader:
    """Reads the write-ahead log's frames. SQLite's own VFS opens the file: see connection.py."""

    def __init__(self, path: Path, page_size: int) -> None:
        self._file = apsw.VFSFile("unix", str(path), [apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_READONLY, 0])
        self.frame_bytes = _FRAME + page_size

    def close(self) -> None:
        self._file.xClose()

    def salts(self) -> bytes:
        """Others after every time the log began anew; those of frames left from before are others too."""
        return self._file.xRead(8, 16)

    def frames(self) -> int:
        """How many there are: those of the present log stand before those left from others."""
        salts = self.salts()
        low, high = 0, max(0, self._file.xFileSize() - _HEADER) // self.frame_bytes
        while low < high:
            middle = (low + high) // 2
            if self._head(middle)[8:16] == salts:
                low = middle + 1
            else:
                high = middle
        return low

    def committed(self) -> tuple[int, int]:
        """(frames up to the end of the last commit, pages of the database then); of no commit (0, 0). Exact while
        nobody writes."""
        count = self.frames()
        while count and not (pages := int.from_bytes(self._head(count - 1)[4:8])):
            count -= 1
        return (count, pages) if count else (0, 0)

    def pages(self, first: int, end: int) -> Iterator[tuple[int, memoryview]]:
        """(number, bytes) of the pages in these frames, the oldest first."""
        for start in range(first, end, _FRAMES_PER_READ):
            count = min(_FRAMES_PER_READ, end - start)
            some = memoryview(self._file.xRead(count * self.frame_bytes, _HEADER + start * self.frame_bytes))
            for at in range(0, len(some), self.frame_bytes):
                yield int.from_bytes(some[at : at + 4]), some[at + _FRAME : at + self.frame_bytes]

    def _head(self, frame: int) -> bytes:
        return self._file.xRead(_FRAME, _HEADER + frame * self.frame_bytes)


class PinnedReader:
    """A reader of the present state."""

    def __init__(self, path: Path) -> None:
        self._connection = open_reader(path, Tuning())
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT 1 FROM sqlite_schema").fetchall()

    def close(self) -> None:
        self._connection.close()


class LiveCopy:
    def __init__(self, database: Path, copy: int, *, log_bytes: int, opened: ExitStack) -> None:
        """`copy` is an open, empty file; from `log_bytes` on the pinned log is released. `opened` closes all."""
        self._database = database
        self._copy = copy
        self._log_bytes = log_bytes
        self._writer = open_writer(database, Tuning(busy_ms=0))
        opened.callback(close_writer, self._writer)
        self._checkpointer = open_writer(database, Tuning())
        opened.callback(close_writer, self._checkpointer)
        self._page_size = int(self._writer.pragma("page_size"))
        self._log = WalReader(database.with_name(database.name + "-wal"), self._page_size)
        opened.callback(self._log.close)
        self._main = apsw.VFSFile("unix", str(database), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0])
        opened.callback(self._main.xClose)
        self._copied = 0
        self._pinned = self._pin()
        opened.callback(lambda: self._pinned.close())

    def run(self, progress: Progress) -> None:
        """Raises DeltaError when somebody else writes without a pause, apsw.Error, OSError."""
        while chunk := self._main.xRead(CHUNK_BYTES, self._copied):
            self._write(chunk, self._copied)
            self._copied += len(chunk)
            progress(self._copied, max(self._copied, self._main.xFileSize()))
            if self._grown() * self._log.frame_bytes > self._log_bytes:
                self._renew()
        self._copied = _EVERYTHING
        with self._writer_lock():
            salts, (frames, _) = self._log.salts(), self._log.committed()
        self._overlay(self._first(), frames)
        with self._writer_lock():
            newest, pages = self._log.committed()
            self._overlay(frames if salts == self._log.salts() else 0, newest)
            size = pages * self._page_size if newest else self._main.xFileSize()
        os.ftruncate(self._copy, size)
        os.fsync(self._copy)
        _write(self._copy, _MAGIC, 0)

    def _pin(self) -> PinnedReader:
        """A reader of the present state, behind as much of the log as can be written back. Where that is all of it, its
        frames so far are not for the copy: they may be written over at once."""
        with self._writer_lock():
            is_whole = self._write_back()
            self._seen = self._log.salts(), self._log.committed()[0]
            self._skipped = self._seen[1] if is_whole else 0
            return PinnedReader(self._database)

    def _write_back(self) -> bool:
        """Whether all of the log is in the main file."""
        if not log_fits(self._checkpointer):
            return False
        try:
            frames, written_back = self._checkpointer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:  # somebody else does it at this moment
            return False
        return frames == written_back

    def _first(self) -> int:
        """Of the log as it is now, the first frame that is for the copy."""
        return self._skipped if self._log.salts() == self._seen[0] else 0

    def _grown(self) -> int:
        """Frames since the pin."""
        return self._log.frames() - (self._seen[1] if self._log.salts() == self._seen[0] else 0)

    def _renew(self) -> None:
        """Have the log begin anew behind another pin. (Where somebody else reads an old state it goes on.) Most is done
        while others write."""
        with self._writer_lock():
            salts, (frames, _) = self._log.salts(), self._log.committed()
            between = PinnedReader(self._database)
        try:
            self._overlay(self._first(), frames)
            self._pinned.close()
            self._write_back()
            with self._writer_lock():
                newest, _ = self._log.committed()
                self._overlay(frames if salts == self._log.salts() else 0, newest)
                between.close()
                self._pinned = self._pin()
        finally:
            between.close()

    def _overlay(self, first: int, end: int) -> None:
        for number, page in self._log.pages(first, end):
            if number * self._page_size <= self._copied:
                self._write(page, (number - 1) * self._page_size)

    def _write(self, data: bytes | memoryview, offset: int) -> None:
        _write(self._copy, data if offset else bytes(len(_MAGIC)) + data[len(_MAGIC) :], offset)

    @contextmanager
    def _writer_lock(self) -> Iterator[None]:
        """Also within itself. Holds the lock of the one who writes, for which a busy server leaves some microseconds
        between its commits: SQLite's own waiting would hardly ever hit them."""
        if self._writer.in_transaction:
            yield
            return
        until_s = time.monotonic() + _LOCK_S
        while True:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                break
            except apsw.BusyError:
                if time.monotonic() > until_s:
                    raise DeltaError("another process writes to the database without a pause") from None
                time.sleep(_RETRY_S)
        try:
            yield
        finally:
            self._writer.execute("ROLLBACK")


def _write(file: int, data: bytes | memoryview, offset: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(file, data[done:], offset + done)
