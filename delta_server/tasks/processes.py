"""Processes for pure work on large documents. In the server itself it would keep the interpreter's lock from everybody
else for a good part of the time; here it takes a core only while no request wants it (storage/priority.py), the system
takes back all its memory, and it ends the moment nobody waits for it any more.
"""

import asyncio
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

import structlog

from delta_server.core.errors import TooCostly
from delta_server.storage import child
from delta_server.storage.sqlite.transaction import shutting_down
from delta_server.tasks.pure_worker import ARGUMENT, TOO_LARGE, receive, send

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger("delta.processes")

IDLE_S = 60.0
"""After so long without work a process ends; starting one takes 0.1 s."""
MOST_IDLE = 3
"""That wait for work: each holds 30 to 60 MB."""
SECOND_IDLE_S = 3.0
"""Only one of them waits longer: deltas of one load take two, schemas one, by turns and at the same time."""


class ProcessPool:
    """At most so many at once, each started when it is needed. Used on the event loop."""

    def __init__(self, most: int, *, soon: bool = False) -> None:
        """`soon`: they go before other processes that compute, and behind the threads of requests."""
        self._arguments = [ARGUMENT, "soon"] if soon else [ARGUMENT]
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="delta-process")
        self._places = asyncio.Semaphore(most)
        self._idle: list[_PooledProcess] = []
        self._busy: set[_PooledProcess] = set()
        self._closed = False
        self._has_threads = False

    async def __call__(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`fn`'s result. `fn` is a function of a module, without effects; it and what it is given and gives are
        pickled. Its process is killed when the task that waits is cancelled. Raises what `fn` does, TooCostly when the
        process died of it, Unavailable once closed."""
        async with self._places:
            if self._closed:
                raise shutting_down()
            process = self._take()
            self._has_threads = True
            self._busy.add(process)
            future: Future[T] = self._threads.submit(process.call, fn, args, kwargs)
            try:
                return await asyncio.wrap_future(future)
            except asyncio.CancelledError:
                if not future.cancel():
                    process.kill()
                raise
            except EOFError:
                raise self._exit_error(process) from None
            finally:
                self._busy.discard(process)
                if not future.running():
                    self._forget(process)
                del future  # an error refers to this frame, and the future to the error

    async def close(self) -> None:
        """Kill what runs."""
        self._closed = True
        processes = [*self._idle, *self._busy]
        self._idle.clear()
        for process in processes:
            process.kill()
        if self._has_threads:
            await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        else:
            self._threads.shutdown()  # waits for nobody
        for process in processes:
            await asyncio.to_thread(process.reap)

    def _take(self) -> "_PooledProcess":
        """An idle process that lives, for the system ends some when memory is short; else a new one."""
        while self._idle:
            process = self._idle.pop()
            process.wake()
            if process.usable:
                return process
            self._forget(process)
        return _PooledProcess(self._arguments)

    def _forget(self, process: "_PooledProcess") -> None:
        if process.usable and not self._closed and len(self._idle) < MOST_IDLE:
            process.park(self._idle, self._forget, IDLE_S if not self._idle else SECOND_IDLE_S)
            return
        process.kill()
        with suppress(RuntimeError):  # closed: `close` does it
            self._threads.submit(process.reap)

    def _exit_error(self, process: "_PooledProcess") -> Exception:
        if self._closed:
            return shutting_down()
        log.warning("work ended its process", exit_code=process.exit_code)
        return TooCostly(TOO_LARGE)


class _PooledProcess:
    """One process, which a thread at a time talks to."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self._popen: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._killed = False
        self._worn = False
        self._resting: asyncio.TimerHandle | None = None

    @property
    def usable(self) -> bool:
        return not self._killed and not self._worn and self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self._popen is None else self._popen.returncode

    def call(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Blocks. Raises EOFError when the process ended before it answered."""
        popen = self._started()
        assert popen.stdin is not None
        assert popen.stdout is not None
        try:
            send(popen.stdin, fn, args, kwargs)
            answer = receive(popen.stdout)
        except OSError:
            answer = None
        if answer is None:
            self.kill()
            self.reap()
            raise EOFError
        failed, self._worn, value = answer
        if failed:
            raise value
        return value

    def kill(self) -> None:
        """From any thread, more than once."""
        with self._lock:
            self._killed = True
            if self._popen is not None:
                self._popen.kill()

    def reap(self) -> None:
        """Blocks until the process that was killed is gone. Not while a thread talks to it."""
        if self._popen is not None:
            with suppress(OSError), self._popen:  # what was not sent yet cannot be
                self._popen.wait()

    def park(self, idle: "list[_PooledProcess]", leave: Callable[["_PooledProcess"], None], seconds: float) -> None:
        """Wait among the idle ones for the next call, for a while."""
        idle.append(self)

        def end() -> None:
            idle.remove(self)
            self.kill()
            leave(self)

        self._resting = asyncio.get_running_loop().call_later(seconds, end)

    def wake(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._killed:
                raise EOFError
            if self._popen is None:
                self._popen = subprocess.Popen(  # noqa: S603 - this program, with constant arguments
                    [*child.program(), *self._arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=child.environment(),
                )
            return self._popen
