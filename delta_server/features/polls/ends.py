"""Ends of polls that come within a moment, written together: a commit, the encoding of documents and word to who waits
take less processor time for eight than twice for one."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import NamedTuple

import structlog

from delta_server.core.errors import NotFound
from delta_server.features.polls.store import PollRow
from delta_server.features.snapshots import service as snapshots
from delta_server.features.snapshots.service import NewSnapshot
from delta_server.services import Services
from delta_server.storage.database import Tx
from delta_server.storage.idempotency import IdempotencyKey

GATHERED_S = 0.25
MOST_TOGETHER = 32
"""In one write: 10 ms."""

log = structlog.get_logger("delta.polls")


class Ended(NamedTuple):
    """What is on record, and when the endpoint is polled next."""

    row: PollRow
    due_at: int | None


class End:
    """Of a poll: `write` is called in a transaction, that of the snapshot, whose id it is given, where there is
    `document`. `begins` is called when its turn has come. `ended` is what was written."""

    def __init__(self, write: Callable[[Tx, bytes | None], Ended], begins: Callable[[], None]) -> None:
        self._write = write
        self.begins = begins
        self.document: NewSnapshot | None = None
        self.ended: Ended | None = None

    def write(self, tx: Tx, snapshot: bytes | None = None) -> Ended:
        self.ended = self._write(tx, snapshot)
        return self.ended


class Ends:
    """Used on the event loop only."""

    def __init__(self, svc: Services, running: Callable[[], int]) -> None:
        """`running` tells how many polls run: when all of them have ended nothing is waited for."""
        self._svc = svc
        self._running = running
        self._waiting: list[tuple[End, asyncio.Future[bool]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, end: End, project: int, *, at_once: bool) -> Ended:
        """Raises what writing it by itself does."""
        if not await self._together(end, at_once=at_once):
            await self._alone(end, project)
        assert end.ended is not None, "written"
        return end.ended

    async def close(self) -> None:
        """When nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _alone(self, end: End, project: int) -> None:
        end.begins()
        if end.document is None:
            await self._svc.db.write(end.write)
        else:
            await snapshots.create_snapshots(self._svc, project, [end.document], IdempotencyKey.none())

    async def _together(self, end: End, *, at_once: bool) -> bool:
        loop = asyncio.get_running_loop()
        written: asyncio.Future[bool] = loop.create_future()
        self._waiting.append((end, written))
        if at_once or len(self._waiting) >= min(MOST_TOGETHER, self._running()):
            self._flush()
        elif self._timer is None:
            self._timer = loop.call_later(GATHERED_S, self._flush)
        return await written

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        task = asyncio.get_running_loop().create_task(self._write_all(waiting), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write_all(self, waiting: Sequence[tuple[End, "asyncio.Future[bool]"]]) -> None:
        """Those that are not written go alone, which says why."""
        ends = [end for end, written in waiting if not written.done()]
        is_written: dict[End, bool] = {}
        try:
            is_written = await self._written(ends)
        except Exception as error:
            log.warning("polls that ended together are written one by one", reason=str(error))
        finally:
            for end, written in waiting:
                if not written.done():
                    written.set_result(is_written.get(end, False))

    async def _written(self, ends: Sequence[End]) -> dict[End, bool]:
        for end in ends:
            end.begins()
        plain = [end for end in ends if end.document is None]
        stored = [(end, end.document) for end in ends if end.document is not None]
        if not stored:
            return dict(zip(plain, await self._svc.db.write(_write_plain, plain), strict=True))
        are_stored, are_written = await snapshots.append_together(
            self._svc, [document for _, document in stored], lambda tx: _write_plain(tx, plain)
        )
        return dict(zip(plain, are_written, strict=True)) | {
            end: is_stored for (end, _), is_stored in zip(stored, are_stored, strict=True)
        }


def _write_plain(tx: Tx, ends: Sequence[End]) -> list[bool]:
    return [_is_written(tx, end) for end in ends]


def _is_written(tx: Tx, end: End) -> bool:
    """False where its endpoint has been deleted meanwhile, before anything of it was written."""
    try:
        end.write(tx)
    except NotFound:
        return False
    return True
