"""Who reads along: answers that stay open and are told what happens while it happens."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from delta_server.core.errors import Unavailable
from delta_server.tasks.signals import Signal

LEAVE_S = 0.3
"""How long answers may take to end when the server goes down. A client that does not read keeps its answer from it."""


class Live:
    """Used on the event loop only. `happened` is notified behind every commit that somebody may want to hear of."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.open = 0
        self.happened = Signal()
        self.stopping = False
        self._aborts: set[Callable[[], None]] = set()

    def check_room(self) -> None:
        """Raise Unavailable when as many read along as may."""
        if self.open >= self._most:
            raise Unavailable("too many streams are open: close one, or try again later", retry_after_s=30)

    @contextmanager
    def reading(self, abort: Callable[[], None] | None = None) -> Iterator[None]:
        """Count as one that reads along; `abort` closes its connection."""
        self.open += 1
        aborts = set() if abort is None else {abort}
        self._aborts |= aborts
        try:
            yield
        finally:
            self.open -= 1
            self._aborts -= aborts

    def stop(self) -> None:
        """End all open answers, after LEAVE_S those whose clients do not read: the server goes down."""
        self.stopping = True
        self.happened.notify()
        asyncio.get_running_loop().call_later(LEAVE_S, self._abort)

    def _abort(self) -> None:
        for abort in list(self._aborts):
            abort()
