"""Who goes first when there are more threads that compute than cores."""

import ctypes
import os
import struct
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

NICENESS = 15
"""A thirtieth of the weight of a thread that has not stepped back."""
WITH_LOCK = 5
"""A third, for threads that also need the interpreter's lock: one that holds it and waits for a core has all others
wait, so it must not wait behind those that compute without it. Beside three of those on two cores a thread that woke up
every 2 ms waited for the lock for 0.7 s of 5 s; at 10 for 1.2 s, at 0 no less."""
SOON = 5
"""Ten times the weight of the processes that compute, for those whose callers write and do not ask for much."""

_SLICE_NS = 100_000_000
"""What computes without the lock asks for the longest slices there are: then whatever wakes up takes its core at once
(EEVDF, since Linux 6.12). Otherwise it computes until the clock ticks next, up to 4 ms, and a request waits for a core
some ten times."""
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""Number of the system call, which neither Python nor older C libraries have."""
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")
"""size, policy, flags, nice, priority, runtime, deadline, period (sched_setattr(2))."""


def lower_priority(nice: int = NICENESS) -> None:
    """Let the calling thread, and those it starts, go behind the threads that take and answer requests: a query that
    takes seconds is not felt to take a little more, a small request that waits for a core is.

    On Linux only, where a priority is a thread's; elsewhere it would be the whole server's.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        nice = max(nice, os.getpriority(os.PRIO_PROCESS, thread))  # of a server that runs behind others itself
        os.setpriority(os.PRIO_PROCESS, thread, nice)
        number = _SCHED_SETATTR.get(os.uname().machine)
        if number is not None and nice >= NICENESS:  # where it is refused, as in some containers, that alone counts
            wanted = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, 0, nice, 0, _SLICE_NS, 0, 0)
            ctypes.CDLL(None).syscall(number, thread, wanted, 0)


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
