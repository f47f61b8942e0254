"""Who goes first when there are more threads that compute than cores."""

import os
import sys
import threading

BEHIND = 10
"""A tenth of the weight of a thread that has not stepped back."""


def step_back() -> None:
    """Let the calling thread, and those it starts, go behind the threads that take and answer requests: a query that
    takes seconds is not felt to take a little more, a small request that waits for a core is. On Linux only, where a
    priority is a thread's; elsewhere it would be the whole server's."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BEHIND)
