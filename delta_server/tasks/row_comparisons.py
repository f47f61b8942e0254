"""Deliveries compared by a process of their own (rowdelta_worker.py), and how far each has come."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import msgspec
import structlog

from delta_server.core.errors import RateLimited, Unavailable
from delta_server.core.rowdelta.summary import Summary
from delta_server.storage import process_messages
from delta_server.storage.blobs.opening import CREDENTIALS
from delta_server.storage.child_process import Child
from delta_server.tasks.rowdelta_worker import ARGUMENT, DATA, ERROR, KINDS, PROGRESS, SUMMARY, Failure, Task

READ_TIMEOUT_S = 30.0
"""What is not read in this time ends the comparison: others wait for its place."""

WAIT_S = 60.0
"""So long a comparison waits for a place that is asked to."""
LEFT_S = 2.0
"""And any other: who asks for another part of a delta has just left the one before, which takes a moment to end."""
MOST_WAITING = 32

log = structlog.get_logger("delta.rowdelta")


class Progress(msgspec.Struct):
    """Rows read of either side; `phase` is what is being done."""

    id: str
    project: int
    of: int
    started_at: int
    rows_before: int = 0
    rows_after: int = 0
    phase: str = "before"


class RowComparisons:
    """Those that run now. Used on the event loop only."""

    def __init__(self) -> None:
        self._running: dict[str, Progress] = {}
        self._by_project: Counter[int] = Counter()
        self._waiting: list[asyncio.Future[None]] = []

    def of(self, project: int, of: int) -> list[Progress]:
        """Those about the client `of`."""
        return [each for each in self._running.values() if (each.project, each.of) == (project, of)]

    def _is_full(self, project: int, most: int) -> bool:
        return len(self._running) >= most or self._by_project[project] >= max(1, most - 1)

    async def _until_free(self, project: int, most: int, wait_s: float) -> None:
        """Or until others have taken too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while self._is_full(project, most) and len(self._waiting) < MOST_WAITING:
                    freed = asyncio.get_running_loop().create_future()
                    self._waiting.append(freed)
                    try:
                        await freed
                    finally:
                        self._waiting.remove(freed)

    @contextmanager
    def _place(self, progress: Progress, most: int) -> Iterator[None]:
        project = progress.project
        if self._is_full(project, most):
            raise RateLimited("too many deliveries are compared (datasets.comparisons): wait", retry_after_s=5)
        self._running[progress.id] = progress
        self._by_project[project] += 1
        try:
            yield
        finally:
            del self._running[progress.id]
            self._by_project[project] -= 1
            for freed in self._waiting:
                if not freed.done():
                    freed.set_result(None)

    @asynccontextmanager
    async def run(
        self, task: Task, *, project: int, of: int, started_at: int, most: int, waits: bool = False
    ) -> AsyncIterator["RowComparison"]:
        """One of at most `most`; at the end of the block its process is killed, and what it left in a folder of its own
        in `task.spill` is deleted. `waits`: for a place, as long as it takes others. Raises RateLimited."""
        await self._until_free(project, most, WAIT_S if waits else LEFT_S)
        progress = Progress(uuid4().hex, project, of, started_at)
        with self._place(progress, most):
            async with (
                _folder(Path(task.spill) / progress.id) as folder,
                _process(msgspec.structs.replace(task, spill=str(folder))) as process,
            ):
                yield RowComparison(process, progress)


@asynccontextmanager
async def _folder(path: Path) -> AsyncIterator[Path]:
    """It goes with what is in it, whatever happens: a process that is killed cannot see to it."""
    try:
        await asyncio.to_thread(path.mkdir, mode=0o700, parents=True)
        yield path
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, path, ignore_errors=True))


@asynccontextmanager
async def _process(task: Task) -> AsyncIterator[Child]:
    process = await Child.start(ARGUMENT, asked=True, kept=CREDENTIALS)
    try:
        assert process.stdin is not None
        process.stdin.write(process_messages.packed(msgspec.json.encode(task)))
        yield process
    finally:
        process.kill()
        await asyncio.shield(process.wait())


class RowComparison:
    def __init__(self, process: Child, progress: Progress) -> None:
        self._process = process
        self.progress = progress
        self.summary: Summary | None = None

    async def steps(self) -> AsyncGenerator[Progress, None]:
        """Each time it has come further, until `summary` is there. Raises what the comparison does."""
        while self.summary is None:
            found = await self._next()
            if found is None:
                raise _ended()
            kind, payload = found
            if kind == SUMMARY:
                self.summary = msgspec.json.decode(payload, type=Summary)
            elif kind == PROGRESS:
                rows_before, rows_after, phase = msgspec.json.decode(payload, type=tuple[int, int, str])
                self.progress.rows_before, self.progress.rows_after, self.progress.phase = (
                    rows_before,
                    rows_after,
                    phase,
                )
                with self._to_be_read():
                    yield self.progress

    async def wait(self) -> Summary:
        """As `steps`."""
        async for _ in self.steps():
            pass
        assert self.summary is not None
        return self.summary

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The output, once the summary is there."""
        self.progress.phase = "write"
        while (found := await self._next()) is not None:
            if found[0] == DATA:
                with self._to_be_read():
                    yield found[1]

    @contextmanager
    def _to_be_read(self) -> Iterator[None]:
        unread = asyncio.get_running_loop().call_later(READ_TIMEOUT_S, self._process.kill)
        try:
            yield
        finally:
            unread.cancel()

    async def _next(self) -> tuple[bytes, bytes] | None:
        """A letter and what it says; None at the end."""
        try:
            size = int.from_bytes(await self._process.stdout.readexactly(process_messages.LENGTH_BYTES))
            message = await self._process.stdout.readexactly(size)
        except asyncio.IncompleteReadError:
            code = await self._process.wait()
            if code == 0:
                return None
            log.warning("a comparison of deliveries ended its process", exit_code=code)
            raise _ended() from None
        if message[:1] == ERROR:
            failure = msgspec.json.decode(message[1:], type=Failure)
            raise KINDS[failure.kind](failure.message, errors=failure.errors)
        return message[:1], message[1:]


def _ended() -> Unavailable:
    return Unavailable("the comparison ended before its time: try again", retry_after_s=60)
