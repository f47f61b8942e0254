"""Threads for pure work, away from the event loop; zstd and xxhash release the interpreter's lock there.

Work that nobody waits for any more ends: its thread is interrupted (`Interrupted` is raised at its next bytecode), so
a comparison whose caller has left, or whose time is over, takes neither a core nor memory much longer. Only functions
without effects may run here: one that took a lock could leave it held, one that counts could leave half a count. What
they find is kept (in the cache, say) by who waits for them.
"""

import asyncio
import ctypes
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache, partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from delta_server.core.errors import TooCostly
from delta_server.storage.database import Threads
from delta_server.storage.priority import WITH_LOCK, lower_priority
from delta_server.storage.sqlite.transaction import shutting_down
from delta_server.storage.turns import Callers, Turns

P = ParamSpec("P")
T = TypeVar("T")

PATIENT_S = 0.002
"""After so long a thread gives the interpreter's lock to one that waits for it, while `BatchThread` works for a project
that calls alone. At the 0.5 ms of cli/serve.py threads woke 50 times for a batch of 500 events, at this 15 times."""
_AGAIN_S = 0.05
_SOON = 1000
"""Turns of a loop in which an interrupt has come, unless it came in a callback and ended there."""


class Interrupted(BaseException):
    """Raised in a thread whose result nobody waits for. No Exception: what handles those must not keep it."""


class _Call:
    """One call of `work` on a thread, which another thread may interrupt."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._is_interrupted = False

    def run(self) -> Any:
        """The result. Raises Interrupted. Afterwards nothing is raised in this thread any more."""
        try:
            with self._lock:
                if self._is_interrupted:
                    raise Interrupted
                self._thread = threading.get_ident()
            _RUNNING[self._thread] = self
            return self._work()
        finally:
            self._end()

    def interrupt(self) -> None:
        with self._lock:
            self._is_interrupted = True
            if self._thread is not None:
                _interrupt(self._thread)

    def _end(self) -> None:
        while True:
            try:
                _RUNNING.pop(threading.get_ident(), None)
                with self._lock:
                    thread, self._thread = self._thread, None
                if thread is not None and self._is_interrupted:
                    _take_interrupt(thread)
                return
            except Interrupted:
                continue


_RUNNING: dict[int, _Call] = {}
"""By the threads they run on."""


class _UnraisableHook:
    """Of `sys`: what is raised in a callback of a weak reference or of the collector ends there. An interrupt that came
    in such a moment is repeated a moment later; of all else is reported as before."""

    def __init__(self, before: "Callable[[sys.UnraisableHookArgs], object]") -> None:
        self._before = before

    def __call__(self, raised: "sys.UnraisableHookArgs", /) -> None:
        if raised.exc_type is not Interrupted:
            self._before(raised)
        elif (call := _RUNNING.get(threading.get_ident())) is not None:
            _dropped().put(call)


@cache
def _dropped() -> "SimpleQueue[_Call]":
    """Calls to interrupt again, by a thread that is there before. One begun in the hook would for a moment have the
    identity of the thread that begins it: a second interrupt would end it there, and the other would wait for ever."""
    queue: SimpleQueue[_Call] = SimpleQueue()

    def interrupt_again() -> None:
        while True:
            call = queue.get()
            time.sleep(_AGAIN_S)  # from the hook it would be raised in that very hook
            call.interrupt()
            del call

    threading.Thread(target=interrupt_again, name="interrupts", daemon=True).start()
    return queue


def _interrupt(thread: int) -> None:
    """https://docs.python.org/3/c-api/init.html#c.PyThreadState_SetAsyncExc"""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Interrupted))


def _take_interrupt(thread: int) -> None:
    """What is still to be raised in this thread is raised here, where it would hit the thread's next call. It is not
    taken back with NULL, which leaves CPython's flag for it set: the whole process then looks for what is to be done at
    each call and each turn of a loop, and a function that is traced never begins (3.11)."""
    while True:
        try:
            _interrupt(thread)
            for _ in range(_SOON):
                pass
        except Interrupted:
            return


class ThreadPool:
    """A few threads of its own. Used on the event loop."""

    def __init__(self, threads: int, name: str, *, behind: bool = False) -> None:
        """`behind`: the threads leave a core to those of requests when there are too few."""
        initializer = partial(lower_priority, WITH_LOCK) if behind else None
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=initializer)
        self._calls: set[_Call] = set()
        self._has_threads = False
        _dropped()
        if not isinstance(sys.unraisablehook, _UnraisableHook):
            sys.unraisablehook = _UnraisableHook(sys.unraisablehook)

    async def __call__(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`fn`'s result; `fn` is interrupted when the task that waits for it is cancelled. Raises Unavailable once
        closed."""
        return await self.waited(self.submit(fn, *args, **kwargs))

    def submit(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "tuple[_Call, Future[T]]":
        call = _Call(partial(fn, *args, **kwargs))
        self._has_threads = True
        try:
            future = self._executor.submit(call.run)
        except RuntimeError:  # closed, perhaps this very moment: no look at a flag beforehand would be sure
            raise shutting_down() from None
        self._calls.add(call)
        future.add_done_callback(lambda _: self._calls.discard(call))
        return call, future

    async def waited(self, submitted: "tuple[_Call, Future[T]]") -> T:
        call, future = submitted
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            call.interrupt()
            raise
        except Interrupted:
            raise shutting_down() from None
        finally:
            del submitted, call, future  # an error refers to this frame, and the future to the error

    async def close(self) -> None:
        """End what runs and give up what waits for a thread."""
        for call in list(self._calls):
            call.interrupt()
        if self._has_threads:
            await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)
        else:
            self._executor.shutdown()  # waits for nobody


class BatchThread(ThreadPool):
    """One thread, for steps that hold the interpreter's lock nearly all the time they run, however many projects ask:
    several threads would only hand it to each other. While one project calls alone, all keep it for longer."""

    def __init__(self, name: str, callers: Callers) -> None:
        super().__init__(1, name)
        self._callers = callers
        self._waiting = 0
        self._usual_s: float | None = None
        """The interval of before, while it is a longer one."""

    async def __call__(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._waiting += 1
        self._choose_interval()
        try:
            return await super().__call__(fn, *args, **kwargs)
        finally:
            self._waiting -= 1
            self._choose_interval()

    def _choose_interval(self) -> None:
        is_patient = self._waiting > 0 and self._callers.count() <= 1
        if is_patient and self._usual_s is None:
            self._usual_s = sys.getswitchinterval()
            sys.setswitchinterval(max(self._usual_s, PATIENT_S))
        elif not is_patient and self._usual_s is not None:
            sys.setswitchinterval(self._usual_s)
            self._usual_s = None


class FairThreadPool:
    """Threads for what may take long while a caller waits: turns between projects, and a time that is not passed."""

    def __init__(self, threads: int, name: str, *, seconds: float) -> None:
        self._cpu = ThreadPool(threads, name)
        self._later_cpu = ThreadPool(threads, f"later-{name}", behind=True)
        """For a project that has used more than its share."""
        self.callers = Callers()
        """Of the whole server: noted with each request."""
        self._turns = Turns(threads, callers=self.callers)
        self._seconds = seconds

    @asynccontextmanager
    async def turn(self, project: int, *, kind: str = "") -> AsyncIterator[Threads]:
        """A thread of `project`, one call at a time, once its turn has come. What needs memory is read within it. Of
        one project, `kind`s take turns.

        Raises TooCostly when it is not left in time, RateLimited when too much of the project waits, Unavailable when
        no thread became free.
        """
        await self._turns.take(project, seconds=self._seconds, kind=kind)
        running: list[Future[Any]] = []

        async def run(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
            cpu = self._later_cpu if self._turns.is_behind(project) else self._cpu
            submitted = cpu.submit(fn, *args, **kwargs)
            running[:] = [submitted[1]]
            try:
                return await cpu.waited(submitted)
            finally:
                del submitted

        try:
            async with asyncio.timeout(self._seconds) as time:
                yield run
        except TimeoutError:
            if not time.expired():
                raise
            raise TooCostly(
                f"not done after {self._seconds:g} s (limits.answer_seconds): ask for less, for example a part of the"
                " document or of the time"
            ) from None
        finally:
            self._end(project, running)
            running.clear()

    async def close(self) -> None:
        await self._cpu.close()
        await self._later_cpu.close()

    def _end(self, project: int, running: list[Future[Any]]) -> None:
        """The turn is over when its thread is free: one step of it may be long and cannot be interrupted."""
        if not running or running[0].done():
            self._turns.give_back(project)
        else:
            loop = asyncio.get_running_loop()
            running[0].add_done_callback(lambda _: _call_in(loop, partial(self._turns.give_back, project)))


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)


class OneAtATime:
    """Steps that hold the interpreter's lock all the time they run, one of a project at a time: two at once would be no
    faster, and the event loop would wait twice as long for the lock. Used on the event loop."""

    def __init__(self, threads: Threads, *, seconds: float, callers: Callers | None = None) -> None:
        self._threads = threads
        self._turns = Turns(2, short_s=0.02, callers=callers)
        self._seconds = seconds

    async def __call__(self, project: int, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`fn`'s result. Raises Unavailable when its turn does not come in time."""
        async with self.turn(project) as thread:
            return await thread(fn, *args, **kwargs)

    @asynccontextmanager
    async def turn(self, project: int) -> AsyncIterator[Threads]:
        """For several steps. Raises as a call does."""
        await self._turns.take(project, seconds=self._seconds, has_begun=True)
        try:
            yield self._threads
        finally:
            self._turns.give_back(project)
