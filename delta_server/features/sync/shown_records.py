"""The records that the changes of a batch met, as its answer shows them."""

from collections.abc import Mapping

from msgspec import UNSET

from delta_server.features.devices import service as devices
from delta_server.features.sync import schemas
from delta_server.features.sync.people import store as people_store
from delta_server.features.sync.schemas import Record
from delta_server.features.sync.store import Change, NewChange, Space
from delta_server.storage.database import Tx

MOST_BYTES = 4 << 20
"""Of contents in one answer, if they are more than one: those of a thousand large records would be a gigabyte, which
the one writer reads and keeps for a retry."""


class ShownRecords:
    """Of one collection, within one transaction."""

    def __init__(self, tx: Tx, space: Space, collection: int) -> None:
        self._tx = tx
        self._space = space
        self._collection = collection
        self._size = 0
        self._device_ids: Mapping[int, str] | None = None

    def record(self, record_id: str, seq: int, new: NewChange | None) -> Record:
        """A version with its content, or with its size where that would be too much. `new` is one that this very
        transaction makes; of a purged deletion its number is all there is."""
        if new is not None:
            return self._new(new)
        found = people_store.version(self._tx, self._space.id, self._collection, seq, content=False)
        if found is None:
            return Record(record_id, "delete", seq, UNSET)
        if not self._takes(found.size_bytes):
            return schemas.without_content(found.change, found.size_bytes, self._names())
        whole = people_store.version(self._tx, self._space.id, self._collection, seq, content=True) or found
        return schemas.record(whole.change, self._names())

    def _new(self, new: NewChange) -> Record:
        at, size = max(self._tx.now_ms, self._space.changed_at), len(new.content or b"")
        change = Change(new.seq, new.record_id, new.kind, new.content, new.checksum, None, None, new.updated_at, at)
        return schemas.record(change, {}) if self._takes(size) else schemas.without_content(change, size, {})

    def _takes(self, size: int) -> bool:
        if self._size and self._size + size > MOST_BYTES:
            return False
        self._size += size
        return True

    def _names(self) -> Mapping[int, str]:
        if self._device_ids is None:
            self._device_ids = devices.device_ids(self._tx, self._space.id)
        return self._device_ids
