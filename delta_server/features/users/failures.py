"""Failed logins: who fails too often waits before the next try, longer each time, but never past a minute."""

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

FREE = 5
"""Failures without a wait."""
LONGEST_MS = 60_000
FORGOTTEN_MS = 15 * 60_000
"""A failure counts for so long after the last one."""
MOST = 20_000
"""Names of which failures are known; the ones that failed longest ago are forgotten first."""


class _Count(msgspec.Struct):
    failures: int
    last_ms: int


class Failures:
    """By any name: an account's, an address's. Used on the event loop only."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def wait_ms(self, names: Iterable[str], now_ms: int) -> int:
        """How long the next try has to wait: 1 s after FREE failures, twice as long after each other one."""
        return max((self._wait(self._counts.get(name), now_ms) for name in names), default=0)

    def _wait(self, count: _Count | None, now_ms: int) -> int:
        if count is None or count.failures < FREE or not 0 <= now_ms - count.last_ms < FORGOTTEN_MS:
            return 0
        delay_ms = min(LONGEST_MS, 1000 << min(count.failures - FREE, 10))
        return max(0, count.last_ms + delay_ms - now_ms)

    def add(self, names: Iterable[str], now_ms: int) -> None:
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
