"""A guard of the event loop: what the server does there must be short, or everybody waits for it.

Used by the fixtures `app` and `client`. Work counts as the server's when it runs in a context made by `of_the_server`,
so that what tests do on the same loop does not. Measured is this thread's processor time, which a busy machine hardly
changes, without the garbage collector's: a process full of test libraries has far more to look through.
"""

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

MOST_MS = 5.0
ORDINARY_MS = 20.0
"""In tests of other things: of their thousands one callback took 10 ms for no reason of ours, on a machine that runs
others beside it. What costs too much costs more than this with the large inputs of test_event_loop.py."""
_REFERENCE_MS = 0.45
"""What `_fixed_work_ms` is on the machine that MOST_MS is meant for."""

_is_server = ContextVar("is_server", default=False)


class Guard:
    """What took too long, as `(ms, which callback, how slow the machine was)`, of all that ran on the loop while it was
    watched."""

    def __init__(self) -> None:
        self.too_long: list[tuple[float, str, float]] = []
        self._collected_s = 0.0
        self._began_s = 0.0

    # The escapes below: asyncio's handles have no public hook around a callback.
    @contextmanager
    def watching(self, most_ms: float = MOST_MS) -> Iterator["Guard"]:
        run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            if not handle._context.get(_is_server, False):  # type: ignore[attr-defined]  # as said above
                run(handle)
                return
            what, collected = handle._callback, self._collected_s  # type: ignore[attr-defined]  # as said above
            at, began = time.perf_counter(), time.thread_time()
            run(handle)
            if time.perf_counter() - at <= most_ms / 1e3:
                return  # nor has it computed for longer
            taken = time.thread_time() - began - (self._collected_s - collected)
            if taken > most_ms / 1e3:
                self.too_long.append((round(taken * 1e3, 1), _place(what), _slowness()))

        asyncio.Handle._run = timed  # type: ignore[method-assign, assignment]  # as said above
        gc.callbacks.append(self._collecting)
        try:
            yield self
        finally:
            asyncio.Handle._run = run  # type: ignore[method-assign]  # as said above
            gc.callbacks.remove(self._collecting)

    def check(self, most_ms: float = MOST_MS) -> None:
        """Cores that share one unit are slower while both are busy: what such a moment makes too long is not. How slow
        they are is measured at once, and at the end."""
        if self.too_long:
            now = _slowness()
            too_long = [each for each in self.too_long if each[0] > most_ms * max(now, each[2])]
            assert not too_long, f"kept the event loop for longer than {most_ms:.1f} ms, times {now:.2f}: {too_long}"

    def _collecting(self, phase: str, _: object) -> None:
        now = time.thread_time()
        if phase == "start":
            self._began_s = now
        else:
            self._collected_s += now - self._began_s


@contextmanager
def of_the_server() -> Iterator[None]:
    """Tasks and callbacks made within count as the server's."""
    token = _is_server.set(True)
    try:
        yield
    finally:
        _is_server.reset(token)


def _slowness() -> float:
    """How many times as long this moment's machine takes as the one that MOST_MS is meant for; never less than once."""
    return max(1.0, max(_fixed_work_ms() for _ in range(5)) / _REFERENCE_MS)


def _fixed_work_ms() -> float:
    """Processor time of what is always the same."""
    began = time.thread_time()
    sum(number * number % 7 for number in range(12_000))
    return (time.thread_time() - began) * 1e3


def _place(callback: Any) -> str:
    """Which task it is and where it waits now, or what was called. Where it stood before would have to be looked up for
    each callback, of which an app that starts has 300."""
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return repr(callback)[:200]
    frames = []
    at: Any = task.get_coro()
    name = at.__qualname__
    while at is not None:
        frame = getattr(at, "cr_frame", None) or getattr(at, "ag_frame", None) or getattr(at, "gi_frame", None)
        if frame is not None:
            frames.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
        at = getattr(at, "cr_await", None) or getattr(at, "ag_await", None) or getattr(at, "gi_yieldfrom", None)
    return f"{name} -> {' '.join(frames[-3:]) or 'its end'}"
