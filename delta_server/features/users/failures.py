"""Failed logins: who fails too often waits before the next try, longer each time, but never past a minute."""

from collections import OrderedDict

import msgspec

FREE = 5
"""Failures without a wait."""
LONGEST_MS = 60_000
FORGOTTEN_MS = 15 * 60_000
"""A failure counts for so long after the last one."""
MOST = 20_000
"""Names of which failures are known; the ones that failed longest ago are forgotten first. As many turns are kept."""


class _Count(msgspec.Struct):
    failures: int
    last_ms: int


class Failures:
    """By any name: an account's, an address's. Used on the event loop only."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, _Count] = OrderedDict()
        self._turns: OrderedDict[tuple[str, ...], int] = OrderedDict()
        """When these names' next try is let through, whatever others do until then."""

    def wait_ms(self, names: tuple[str, ...], now_ms: int) -> int:
        """How long the next try has to wait: 1 s after FREE failures, twice as long after each other one.

        Failures of others for the same account, or from the same address, make it wait again and again, but all in all
        no longer than LONGEST_MS from the first time that it is refused.
        """
        wait_ms = max((self._wait(self._counts.get(name), now_ms) for name in names), default=0)
        if wait_ms == 0:
            return 0
        turn = self._turns.get(names)
        if turn is None or not -FORGOTTEN_MS < turn - now_ms <= LONGEST_MS:
            turn = self._turns[names] = now_ms + LONGEST_MS
            self._turns.move_to_end(names)
            if len(self._turns) > MOST:
                self._turns.popitem(last=False)
        return min(wait_ms, max(0, turn - now_ms))

    def _wait(self, count: _Count | None, now_ms: int) -> int:
        if count is None or count.failures < FREE or not 0 <= now_ms - count.last_ms < FORGOTTEN_MS:
            return 0
        delay_ms = min(LONGEST_MS, 1000 << min(count.failures - FREE, 10))
        return max(0, count.last_ms + delay_ms - now_ms)

    def add(self, names: tuple[str, ...], now_ms: int) -> None:
        self._turns.pop(names, None)
        for name in names:
            count = self._counts.get(name)
            if count is None or not 0 <= now_ms - count.last_ms < FORGOTTEN_MS:
                count = self._counts[name] = _Count(0, now_ms)
            count.failures, count.last_ms = count.failures + 1, now_ms
            self._counts.move_to_end(name)
        while len(self._counts) > MOST:
            self._counts.popitem(last=False)

    def forget(self, name: str) -> None:
        self._counts.pop(name, None)
