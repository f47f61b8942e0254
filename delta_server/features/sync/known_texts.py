"""The texts of records on pages, of those that were pulled last. A version never changes, nor does its text."""

from collections.abc import Hashable
from threading import Lock

LIMIT_BYTES = 16 << 20
"""Of all of them."""
OVERHEAD_BYTES = 150
"""What a text takes besides its bytes."""


class Texts:
    """Of a collection, by their numbers."""

    def __init__(self) -> None:
        self.by_number: dict[int, bytes] = {}
        self.deletions: set[int] = set()
        """Those that are deletions."""
        self.size_bytes = 0

    def add(self, other: "Texts") -> None:
        self.by_number |= other.by_number
        self.deletions |= other.deletions
        self.size_bytes += other.size_bytes


class KnownTexts:
    """Safe on any thread: who looks numbers up in `Texts` while they become more finds some or none."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._collections: dict[Hashable, Texts] = {}
        self._lock = Lock()

    @property
    def size_bytes(self) -> int:
        return sum(texts.size_bytes for texts in self._collections.values())

    def of(self, collection: Hashable) -> Texts:
        with self._lock:
            return self._collections.get(collection) or Texts()

    def add(self, collection: Hashable, made: Texts) -> None:
        """Those used longest ago go where it becomes too much; a collection too large for all of it begins anew."""
        with self._lock:
            texts = self._collections.pop(collection, None) or Texts()
            if texts.size_bytes + made.size_bytes > self._limit_bytes:
                texts = Texts()
            texts.add(made)
            self._collections[collection] = texts
            while self.size_bytes > self._limit_bytes:
                del self._collections[next(iter(self._collections))]
