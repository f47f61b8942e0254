"""A backup as an answer: one at a time, made by a process of its own (backup_worker.py)."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import structlog

from delta_server.core.errors import Unavailable
from delta_server.storage.backup import delete_unfinished
from delta_server.storage.backup_worker import ARGUMENT
from delta_server.storage.child_process import Child
from delta_server.storage.sqlite.transaction import shutting_down

PIECE_BYTES = 256 << 10
READ_TIMEOUT_S = 30.0
"""A piece that is not read in this time ends the backup."""
MAX_BACKUP_S = 6 * 3600.0

log = structlog.get_logger("delta.backup")


class BackupStream:
    def __init__(self, database: Path, *, wal_bytes: int) -> None:
        self._database = database.absolute()
        self._wal_bytes = wal_bytes
        self._process: Child | None = None
        self._starting: asyncio.Task[Child] | None = None
        self._is_taken = False
        self._is_stopped = False
        self._ended: Unavailable | None = None
        self._ending: asyncio.Future[None] | None = None

    @property
    def is_stopped(self) -> bool:
        return self._is_stopped

    @property
    def is_taken(self) -> bool:
        return self._is_taken

    async def pieces(self, *, read_s: float | None = None) -> AsyncGenerator[bytes, None]:
        """A piece is to be read within `read_s`. Close it (`aclose`) when it is not read to its end. Raises
        Unavailable for a second one, and when it cannot
        be made; then what has been sent is no whole backup."""
        if self._is_stopped:
            raise shutting_down()
        if self._is_taken:
            raise Unavailable("a backup is being made: try again when it has ended", retry_after_s=60)
        self._is_taken, self._ended = True, None
        longest = asyncio.get_running_loop().call_later(
            MAX_BACKUP_S, self._end, Unavailable("a backup may take six hours: use `delta-server backup`")
        )
        try:
            self._starting = asyncio.ensure_future(Child.start(ARGUMENT, str(self._database), str(self._wal_bytes)))
            self._process = await asyncio.shield(self._starting)
            async for piece in self._read(self._process, READ_TIMEOUT_S if read_s is None else read_s):
                yield piece
        finally:
            longest.cancel()
            self._ending = asyncio.ensure_future(self._finish())
            await asyncio.shield(self._ending)  # whoever is cancelled here, it goes on to its end

    async def _read(self, process: Child, read_s: float) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        while piece := await process.stdout.read(PIECE_BYTES):
            unread = loop.call_later(read_s, self._end, Unavailable(f"nothing was read for {read_s:.0f} s"))
            try:
                yield piece
            finally:
                unread.cancel()
            if self._ended is not None:
                raise self._ended
        stderr_text = (await process.stderr.read()).decode(errors="replace").strip()
        if code := await process.wait():
            log.error("a backup was not made", exit_code=code, stderr_text=stderr_text)
            last = stderr_text.splitlines()[-1] if code == 1 and stderr_text else f"its process ended with {code}"
            raise self._ended or Unavailable(f"the backup was not made: {last}", retry_after_s=60)

    def stop(self) -> None:
        """The server goes down: the one that is being made ends, and there is none after it."""
        self._is_stopped = True
        self._end(shutting_down())

    def delete_unfinished(self) -> None:
        """Before any is made."""
        delete_unfinished(self._database)

    async def _finish(self) -> None:
        """The process has ended, nothing of it is left, and there is room for another."""
        process, self._process = self._process, None
        starting, self._starting = self._starting, None
        try:
            if process is None and starting is not None:  # whoever wanted it left before it was there: it ends first
                with suppress(OSError):
                    process = await starting
            if process is not None:
                if process.returncode is None:
                    process.kill()
                await process.wait()
                await asyncio.to_thread(delete_unfinished, self._database)
        finally:
            self._is_taken = False

    def _end(self, reason: Unavailable) -> None:
        self._ended = reason
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
