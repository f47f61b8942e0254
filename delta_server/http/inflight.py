"""Budgets of memory: what the bodies of all requests, or all large answers, may take together.

Every owner, a project or the address of a caller without a key, may have a part of the whole only, so that one of them
cannot keep the others out.
"""

from collections import defaultdict
from threading import Lock

from delta_server.core.errors import Unavailable

RETRY_AFTER_S = 2


class MemoryBudget:
    """`owner_bytes` is the most that one owner may have at a time."""

    def __init__(self, limit_bytes: int, *, owner_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.owner_bytes = owner_bytes
        self.used_bytes = 0
        self.of_owner: defaultdict[str, int] = defaultdict(int)
        self.lock = Lock()


class Reservation:
    """What one request has of a budget, beyond its first `free_bytes`. Threads that decode a body take from it too."""

    def __init__(self, budget: MemoryBudget, owner: str, *, free_bytes: int = 0) -> None:
        self._budget = budget
        self._owner = owner
        self._free_bytes = free_bytes
        self._bytes = 0
        self._ended = False

    def take(self, size: int) -> None:
        """Raises Unavailable, and takes nothing, when less than `size` is left of the budget or of the owner's part."""
        if self._bytes + size <= self._free_bytes and not self._ended:  # most requests: nothing that others wait for
            self._bytes += size
            return
        budget = self._budget
        with budget.lock:
            counted = self._counted(self._bytes + size) - self._counted(self._bytes)
            # The caller may have gone while its body was decoded: nobody would give back what is taken now.
            if self._ended or budget.used_bytes + counted > budget.limit_bytes:
                raise Unavailable("too much request data is in flight, try again", retry_after_s=RETRY_AFTER_S)
            if budget.of_owner[self._owner] + counted > budget.owner_bytes:
                raise Unavailable("too much of your own data is in flight, try again", retry_after_s=RETRY_AFTER_S)
            self._bytes += size
            self._add(counted)

    def grow_to(self, size: int) -> None:
        """Take what is missing of `size`. Raises as `take` does."""
        if size > self._bytes:
            self.take(size - self._bytes)

    def give_back(self, size: int) -> None:
        with self._budget.lock:
            counted = self._counted(self._bytes) - self._counted(self._bytes - size)
            self._bytes -= size
            self._add(-counted)

    def end(self) -> None:
        """The request is over: give back all."""
        with self._budget.lock:
            self._ended = True
            if counted := self._counted(self._bytes):
                self._add(-counted)
            self._bytes = 0

    def _counted(self, size: int) -> int:
        return max(0, size - self._free_bytes)

    def _add(self, counted: int) -> None:
        self._budget.used_bytes += counted
        self._budget.of_owner[self._owner] += counted
        if not self._budget.of_owner[self._owner]:
            del self._budget.of_owner[self._owner]
