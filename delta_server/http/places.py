"""How many connections there may be, and how many of them each address has."""

from collections import Counter
from collections.abc import Callable

from delta_server.http.address import is_trusted, resolver

LEAST_SHARE = 16
"""So many connections each address may have, however few there may be."""
MOST_REFUSED = 64
"""So many may stay without a place for as long as they take to read that there is none."""


class Places:
    """An address has half of them at most, of IPv6 those of one /64 together. A trusted proxy has those of many
    clients, and so as many as there are."""

    def __init__(self, most: int, trusted_proxies: tuple[str, ...], note_refused: Callable[[], None]) -> None:
        self.most = most
        self.refused = 0
        self._note_refused = note_refused
        self._share = max(LEAST_SHARE, most // 2)
        self._trusted_proxies = trusted_proxies
        self._group_of = resolver(())
        self._taken: Counter[str] = Counter()

    def take(self, client: tuple[str, int] | None) -> str:
        """Whom it counts for."""
        peer = client[0] if client else ""
        address = "" if is_trusted(self._trusted_proxies, peer) else self._group_of(peer, b"").group
        self._taken[address] += 1
        return address

    def refuse(self, address: str) -> bool:
        """Whether one that has no place may stay to read so. It counts for nobody then."""
        self._note_refused()
        if self.refused >= MOST_REFUSED:
            return False
        self.refused += 1
        self._give_back(address)
        return True

    def give_back(self, address: str, *, is_refused: bool) -> None:
        if is_refused:
            self.refused -= 1
        else:
            self._give_back(address)

    def _give_back(self, address: str) -> None:
        self._taken[address] -= 1
        if not self._taken[address]:
            del self._taken[address]

    def is_over_share(self, address: str) -> bool:
        return bool(address) and self._taken[address] > self._share
