"""Who goes first when there are more threads that compute than cores."""

import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

NICENESS = 15
"""A thirtieth of the weight of a thread that has not stepped back."""
WITH_LOCK = 10
"""A tenth, for threads that also need the interpreter's lock: one that holds it and waits for a core has all others
wait, so it must not wait behind those that compute without it."""


def lower_priority(nice: int = NICENESS) -> None:
    """Let the calling thread, and those it starts, go behind the threads that take and answer requests: a query that
    takes seconds is not felt to take a little more, a small request that waits for a core is.

    On Linux only, where a priority is a thread's; elsewhere it would be the whole server's.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        nice = max(nice, os.getpriority(os.PRIO_PROCESS, thread))  # of a server that runs behind others itself
        os.setpriority(os.PRIO_PROCESS, thread, nice)


def starting_at_low_priority(start: Callable[[], T]) -> T:
    """`start`'s result; the threads it starts have stepped back, the calling one has not."""
    results: list[T] = []

    def run() -> None:
        lower_priority()
        results.append(start())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]
