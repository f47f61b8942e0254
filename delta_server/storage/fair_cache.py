"""A bounded store in memory of what was computed, shared fairly: when it is full, whoever has most in it loses what it
used longest ago, so that one owner's many questions cost no other's answers."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

V = TypeVar("V")

OVERHEAD_BYTES = 500
"""What an entry takes besides its value."""


class FairCache(Generic[V]):
    """Values by owner and key. Used on one thread."""

    def __init__(self, limit_bytes: int, *, most: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self._most = most
        self._owners: dict[int, OrderedDict[Hashable, tuple[V, int]]] = {}
        self._used: dict[int, int] = {}
        self._count = 0

    def get(self, owner: int, key: Hashable) -> V | None:
        entries = self._owners.get(owner, OrderedDict())
        found = entries.get(key)
        if found is None:
            return None
        entries.move_to_end(key)
        return found[0]

    def put(self, owner: int, key: Hashable, value: V, size_bytes: int) -> None:
        """Keep `value`; one that takes more than half of all room is not kept, and takes the place of nothing."""
        size = size_bytes + OVERHEAD_BYTES
        if 2 * size > self.limit_bytes:
            return
        self._drop(owner, key)
        self._owners.setdefault(owner, OrderedDict())[key] = value, size
        self._account(owner, size, 1)
        while self.used_bytes > self.limit_bytes or self._count > self._most:
            richest = max(self._used, key=self._used.__getitem__)
            self._drop(richest, next(iter(self._owners[richest])))

    def _drop(self, owner: int, key: Hashable) -> None:
        entries = self._owners.get(owner, OrderedDict())
        if key in entries:
            _, size = entries.pop(key)
            self._account(owner, -size, -1)
            if not entries:
                del self._owners[owner], self._used[owner]

    def _account(self, owner: int, size: int, count: int) -> None:
        self._used[owner] = self._used.get(owner, 0) + size
        self.used_bytes += size
        self._count += count
