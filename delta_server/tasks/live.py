"""Who reads along: answers that stay open and are told what happens while it happens."""

from collections.abc import Iterator
from contextlib import contextmanager

from delta_server.core.errors import Unavailable
from delta_server.tasks.signals import Signal


class Live:
    """Used on the event loop only. `happened` is notified behind every commit that somebody may want to hear of."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.open = 0
        self.happened = Signal()
        self.stopping = False

    def check_room(self) -> None:
        """Raise Unavailable when as many read along as may."""
        if self.open >= self._most:
            raise Unavailable("too many streams are open: close one, or try again later", retry_after_s=30)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count as one that reads along."""
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    def stop(self) -> None:
        """End all open answers: the server goes down."""
        self.stopping = True
        self.happened.notify()
