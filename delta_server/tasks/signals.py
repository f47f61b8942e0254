"""Wakes the loops of this process: what happened is in the database, a signal only says "look now"."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial


class Signal:
    """Any number of waiters; `notify` wakes them all. Used on the event loop only.

    Who looks, finds nothing and then waits, may miss what happened while it looked: it takes `count` before looking
    and waits with `since=count`.
    """

    def __init__(self) -> None:
        self.count = 0
        self._waiting: dict[asyncio.Future[bool], None] = {}

    def notify(self) -> None:
        self.count += 1
        waiting, self._waiting = self._waiting, {}
        for each in waiting:
            _answer(each, is_notified=True)

    async def wait(self, timeout_s: float, *, since: int | None = None) -> bool:
        """Wait for the next `notify`, or the next after `count` was `since`; False when `timeout_s` passed first."""
        if since is not None and since != self.count:
            return True
        loop = asyncio.get_running_loop()
        notified: asyncio.Future[bool] = loop.create_future()
        self._waiting[notified] = None
        # Neither wait_for, which until Python 3.12 loses a cancel that comes with the notify, so that its loop never
        # ends, nor a timeout around a shield, which takes twice the time: all loops wait here.
        timer = loop.call_later(timeout_s, partial(_answer, notified, is_notified=False))
        try:
            return await notified
        finally:
            timer.cancel()
            self._waiting.pop(notified, None)


def _answer(waiting: "asyncio.Future[bool]", *, is_notified: bool) -> None:
    if not waiting.done():
        waiting.set_result(is_notified)


class WaitingCallers:
    """Counts what callers of each project wait for, so that the background can let it go first. Used on the event loop
    only."""

    def __init__(self) -> None:
        self._busy: Counter[int] = Counter()
        self._changed = Signal()
        self._last_s = float("-inf")

    @property
    def is_busy(self) -> bool:
        return bool(self._busy)

    @contextmanager
    def waiting(self, project: int) -> Iterator[None]:
        self._busy[project] += 1
        try:
            yield
        finally:
            self._busy[project] -= 1
            if not self._busy[project]:
                del self._busy[project]
                self._last_s = asyncio.get_running_loop().time()
                self._changed.notify()

    async def yield_to_callers(self, project: int, *, own_s: float, others_s: float) -> None:
        """Wait until no caller waits: at most `own_s` for those of the same project, `others_s` for all others."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self._busy:
            most_s = own_s if project in self._busy else others_s
            if (left_s := began + most_s - loop.time()) <= 0 or not await self._changed.wait(left_s):
                return

    async def yield_until_quiet(self, *, quiet_s: float, most_s: float) -> None:
        """Wait until no caller has waited for `quiet_s`, at most `most_s`: those who send one request after the other
        are between two of them for moments."""
        loop = asyncio.get_running_loop()
        until = loop.time() + most_s
        while (left_s := until - loop.time()) > 0:
            if self._busy:
                await self._changed.wait(left_s)
            elif (noisy_s := self._last_s + quiet_s - loop.time()) > 0:
                await asyncio.sleep(min(noisy_s, left_s))
            else:
                return
