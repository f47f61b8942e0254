"""Processes that answer callers, one question at a time: started when they are needed, kept for the next question for a
while, ended at the deadline, when their caller leaves, and when they have grown.

The first frame to a process is its setup, which it answers with an empty one once it is ready; then questions and
answers follow each other. The first byte of an answer says whether the process is worn: it has kept much of the memory
it took, and answers nothing more.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import structlog

from delta_server.core.errors import DeltaError, Unavailable
from delta_server.storage import process_messages
from delta_server.storage.child import EXIT_DEADLINE
from delta_server.storage.child_process import Child
from delta_server.storage.events.duckdb.failures import HeldTooLong, NoMemory, too_long
from delta_server.storage.sqlite.transaction import shutting_down

log = structlog.get_logger("delta.workers")

_GRACE_S = 2.0
"""How much later than the deadline a process that does not end by itself is ended."""
_START_S = 30.0
LEFT_S = 0.5
"""What takes no longer is let finish when its caller leaves: a new process costs as much."""
RETRY_S = 30.0
"""After so long it is tried again to start a process that did not start."""


class NotStarted(Unavailable):
    """A process did not."""


class Workers:
    """Of one kind: all are started with the same arguments and setup. Used on the event loop."""

    def __init__(
        self,
        *arguments: str,
        setup: bytes,
        seconds: float,
        idle_s: float,
        max_questions: int | None = None,
        kept: Sequence[str] = (),
    ) -> None:
        """`seconds` is the deadline of a question; after `max_questions` a process is ended, and without questions for
        `idle_s`. `kept`: see `child.environment`."""
        self._arguments = arguments
        self._setup = setup
        self._seconds = seconds
        self._idle_s = idle_s
        self._max_questions = max_questions
        self._kept = kept
        self._idle: list[_WorkerProcess] = []
        self._busy: set[_WorkerProcess] = set()
        self._starting: asyncio.Task[None] | None = None
        self._tries_again_s = 0.0
        self._closed = False

    @property
    def is_ready(self) -> bool:
        """A question would find a process that runs."""
        self._idle = [worker for worker in self._idle if worker.alive]
        return bool(self._idle)

    @property
    def may_start(self) -> bool:
        """Not when a process just could not be started."""
        return asyncio.get_running_loop().time() >= self._tries_again_s

    def prepare(self) -> None:
        """Start a process for the next question, unless one is being started, or just could not be."""
        if self._starting is None and self.may_start and not self._closed:
            self._starting = asyncio.ensure_future(self._start_idle())

    async def ask(self, question: bytes) -> bytes:
        """The answer. Raises TooCostly past the deadline or the memory limit, Unavailable when no process starts or
        this one was ended so that the log can be shortened."""
        if self._closed:
            raise shutting_down()
        worker = next((worker for worker in self._take_idle() if worker.alive), None) or self._new()
        self._busy.add(worker)
        try:
            answer = await worker.ask(question)
            await self._keep(worker, answer)
        except asyncio.CancelledError:
            await asyncio.shield(self._leave(worker))
            raise
        except NotStarted as error:
            self._did_not_start(error)
            raise
        except BaseException:
            await asyncio.shield(worker.end())
            raise
        finally:
            self._busy.discard(worker)
        return answer[1:]

    def release(self, held_s: float) -> None:
        """End what has held a state of the database for longer than that."""
        for worker in self._busy:
            worker.release(held_s)

    async def close(self) -> None:
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            with suppress(asyncio.CancelledError):
                await self._starting
        for worker in [*self._idle, *self._busy]:
            await worker.end()
        self._idle.clear()

    async def _keep(self, worker: "_WorkerProcess", answer: bytes) -> None:
        """For the next question, unless its last answer says otherwise."""
        worn = answer[0] or worker.questions == self._max_questions
        if self._closed or worn:
            await worker.end()
        else:
            worker.park(self._idle, self._idle_s)

    async def _leave(self, worker: "_WorkerProcess") -> None:
        """Its caller has left."""
        answer = await worker.finished(LEFT_S)
        if answer is None:
            await worker.end()
        else:
            await self._keep(worker, answer)

    def _new(self) -> "_WorkerProcess":
        return _WorkerProcess(self._arguments, self._setup, self._seconds, self._kept)

    async def _start_idle(self) -> None:
        try:
            worker = self._new()
            async with worker:
                await worker.start()
            worker.park(self._idle, self._idle_s)
        except NotStarted as error:
            self._did_not_start(error)
        finally:
            self._starting = None

    def _did_not_start(self, error: NotStarted) -> None:
        self._tries_again_s = asyncio.get_running_loop().time() + RETRY_S
        log.warning("a process for queries does not start", reason=repr(error.__cause__))

    def _take_idle(self) -> Iterator["_WorkerProcess"]:
        """The idle ones, the last used first, each of them removed."""
        while self._idle:
            yield self._idle.pop()


class _WorkerProcess:
    """One process. Leaving its block by an exception ends it."""

    def __init__(self, arguments: tuple[str, ...], setup: bytes, seconds: float, kept: Sequence[str]) -> None:
        self._arguments = arguments
        self._kept = kept
        self._setup = setup
        self._seconds = seconds
        self._process: Child | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._exchanging: asyncio.Future[bytes] | None = None
        self._asked_s: float | None = None
        self._released = False
        self.questions = 0

    @property
    def alive(self) -> bool:
        """Nobody has ended the process meanwhile: the system does when memory is short."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Raises NotStarted."""
        try:
            self._process = await Child.start(*self._arguments, asked=True, kept=self._kept)
            async with asyncio.timeout(_START_S):
                await self._exchange(self._setup)
        except (TimeoutError, asyncio.IncompleteReadError, OSError, RuntimeError) as error:
            await self.end()
            raise NotStarted("queries cannot be run now: try again later", retry_after_s=30) from error

    async def ask(self, question: bytes) -> bytes:
        self.questions += 1
        if self._resting is not None:
            self._resting.cancel()
        if self._process is None:
            await self.start()
        self._asked_s = asyncio.get_running_loop().time()
        self._exchanging = asyncio.ensure_future(self._exchange(question))
        self._exchanging.add_done_callback(_consume_exception)
        try:
            async with asyncio.timeout(self._seconds + _GRACE_S):
                return await asyncio.shield(self._exchanging)
        except TimeoutError:
            raise too_long(self._seconds) from None
        except (asyncio.IncompleteReadError, ConnectionError, RuntimeError):  # uvloop's word for a closed pipe
            raise await self._exit_error() from None

    async def finished(self, seconds: float) -> bytes | None:
        """The answer that nobody waits for any more; None when it does not come in time."""
        if self._exchanging is None:
            return None
        await asyncio.wait({self._exchanging}, timeout=seconds)
        if not self._exchanging.done() or self._exchanging.exception() is not None:
            return None
        return self._exchanging.result()

    def release(self, held_s: float) -> None:
        """End the process when its question has taken longer than that."""
        if self.alive and self._asked_s is not None and asyncio.get_running_loop().time() - self._asked_s > held_s:
            assert self._process is not None
            self._released = True
            self._process.kill()

    def park(self, idle: "list[_WorkerProcess]", seconds: float) -> None:
        """Wait among the others for the next question, for a while."""
        self._asked_s = self._exchanging = None
        idle.append(self)

        def leave() -> None:
            if self in idle:
                idle.remove(self)
                if self._process is not None and self._process.stdin is not None:
                    self._process.stdin.close()  # the end of its stdin ends it

        self._resting = asyncio.get_running_loop().call_later(seconds, leave)

    async def end(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            await asyncio.shield(self.end())

    async def _exchange(self, payload: bytes) -> bytes:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(process_messages.packed(payload))
        await self._process.stdin.drain()
        size = int.from_bytes(await self._process.stdout.readexactly(process_messages.LENGTH_BYTES))
        return await self._process.stdout.readexactly(size)

    async def _exit_error(self) -> DeltaError:
        assert self._process is not None
        code = await self._process.wait()
        if self._released:
            return HeldTooLong()
        log.warning("a query ended its process", exit_code=code)
        if code == EXIT_DEADLINE:
            return too_long(self._seconds)
        if code == 1:  # a traceback is on stderr
            return DeltaError("something went wrong in the server; its log has more")
        return NoMemory("the query took more memory or more time than it may: ask for less")


def _consume_exception(ended: asyncio.Future[bytes]) -> None:
    """An exception that is never retrieved would be logged."""
    if not ended.cancelled():
        ended.exception()
