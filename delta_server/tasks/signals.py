"""Wakes the loops of this process: what happened is in the database, a signal only says "look now"."""

import asyncio


class Signal:
    """Any number of waiters; `notify` wakes them all. Used on the event loop only.

    Who looks, finds nothing and then waits, may miss what happened while it looked: it takes `count` before looking
    and waits with `since=count`.
    """

    def __init__(self) -> None:
        self.count = 0
        self._next: asyncio.Future[None] | None = None

    def notify(self) -> None:
        self.count += 1
        if self._next is not None and not self._next.done():
            self._next.set_result(None)
        self._next = None

    async def wait(self, timeout_s: float, *, since: int | None = None) -> bool:
        """Wait for the next `notify`, or the next after `count` was `since`; False when `timeout_s` passed first."""
        if since is not None and since != self.count:
            return True
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        try:
            # Not wait_for: until Python 3.12 it loses a cancel that comes with the notify, and its loop never ends.
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(self._next)
        except TimeoutError:
            return False
        return True


class Foreground:
    """Counts what callers wait for, so that the background can let it go first. Used on the event loop only."""

    def __init__(self) -> None:
        self._busy = 0
        self._idle = Signal()

    def __enter__(self) -> None:
        self._busy += 1

    def __exit__(self, *_: object) -> None:
        self._busy -= 1
        if not self._busy:
            self._idle.notify()

    async def let_pass(self, most_s: float) -> None:
        """Wait until no caller waits, at most `most_s`."""
        if self._busy:
            await self._idle.wait(most_s)
