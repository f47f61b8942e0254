"""Who goes first when there are more threads that compute than cores."""

import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

BEHIND = 10
"""A tenth of the weight of a thread that has not stepped back."""


def step_back() -> None:
    """Let the calling thread, and those it starts, go behind the threads that take and answer requests: a query that
    takes seconds is not felt to take a little more, a small request that waits for a core is.

    Only for threads without the interpreter's lock: one that holds it and waits for a core has all others wait. On
    Linux only, where a priority is a thread's; elsewhere it would be the whole server's.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BEHIND)


def starting_behind(start: Callable[[], T]) -> T:
    """`start`'s result; the threads it starts have stepped back, the calling one has not."""
    results: list[T] = []

    def run() -> None:
        step_back()
        results.append(start())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]
