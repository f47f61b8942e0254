"""A bounded store in memory of bytes that were read or are about to be: heads, decoded packs."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock

OVERHEAD_BYTES = 200
"""What an entry takes besides its bytes: key, objects, its place in the table."""


class Cache:
    """Bytes by key, the longest unused dropped first once all together pass `limit_bytes`. Safe on any thread."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self._entries: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> bytes | None:
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def put(self, key: Hashable, value: bytes) -> None:
        """Keep `value`; one too large for the whole cache is not kept, and takes the place of nothing."""
        with self._lock:
            self._drop(key)
            if len(value) + OVERHEAD_BYTES > self.limit_bytes:
                return
            self._entries[key] = value
            self.used_bytes += len(value) + OVERHEAD_BYTES
            while self.used_bytes > self.limit_bytes:
                self._drop(next(iter(self._entries)))

    def drop(self, key: Hashable) -> None:
        with self._lock:
            self._drop(key)

    def _drop(self, key: Hashable) -> None:
        value = self._entries.pop(key, None)
        if value is not None:
            self.used_bytes -= len(value) + OVERHEAD_BYTES
