"""The Limiter port: who has made how many requests lately.

The adapter of today (limiter_memory.py) counts in this process. It answers at once, on the event loop: one that several
servers share would count ahead here and settle with the others behind the requests.
"""

from collections.abc import Hashable
from typing import Protocol

from delta_server.core.rates import Rate, Verdict


class Limiter(Protocol):
    def take(self, who: tuple[Hashable, ...], rate: Rate, now_ms: int) -> Verdict:
        """Count one request of `who` if it may come now, and nothing otherwise."""
