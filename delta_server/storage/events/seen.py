"""Which message ids came before.

Memory is a filter, the database decides: a key found here counts only when the row it leads to is there in the same
transaction. So what a failed commit leaves in memory does no harm, and nothing has to be undone.
"""

from collections.abc import Iterable, Sequence
from threading import Lock

from delta_server.core.key_run import KEY_BYTES
from delta_server.storage.database import Tx
from delta_server.storage.events import blocks

_AT_ONCE = 256
"""Blocks whose keys are read at a time when opening."""


class Seen:
    """The keys of all projects' events. `duplicates` and `remember` run on the writer's thread, in order of commit."""

    def __init__(self) -> None:
        self._unsealed: dict[bytes, int] = {}  # key -> seq of its block
        self._lock = Lock()  # around changes: keys are forgotten on other threads

    def load(self, tx: Tx) -> None:
        """Learn what the tables hold, before the first write."""
        last = 0
        while rows := blocks.keys_after(tx, last, _AT_ONCE):
            for last, seq, joined in rows:  # noqa: B007
                keys = (joined[at : at + KEY_BYTES] for at in range(0, len(joined), KEY_BYTES))
                self._unsealed.update(dict.fromkeys(keys, seq))

    def duplicates(self, tx: Tx, keys: Sequence[bytes | None]) -> frozenset[int]:
        """The indexes of those of `keys` whose event is stored already."""
        if self._unsealed.keys().isdisjoint(keys):
            return frozenset()
        there: dict[int, bool] = {}
        found = []
        for index, key in enumerate(keys):
            seq = None if key is None else self._unsealed.get(key)
            if seq is None:
                continue
            if seq not in there:
                there[seq] = blocks.exists(tx, seq)
            if there[seq]:
                found.append(index)
        return frozenset(found)

    def remember(self, keys: Iterable[bytes], seq: int) -> None:
        """The block `seq` with these keys is being stored by this transaction."""
        with self._lock:
            self._unsealed.update(dict.fromkeys(keys, seq))
