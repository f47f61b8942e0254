"""What is forgotten in time: older versions and deletions."""

from collections.abc import Sequence

from delta_server.core import times
from delta_server.core.sync import digest
from delta_server.features.sync import store
from delta_server.features.sync.forgetting import store as forgetting
from delta_server.features.sync.spaces import Known
from delta_server.features.sync.uploads import store as uploads
from delta_server.services import Services
from delta_server.storage.database import Tx

_ROWS_AT_ONCE = 500
_SPACES_AT_ONCE = 200
_PARTS_AT_ONCE = 8


async def expire(svc: Services) -> None:
    last = 0
    while spaces := await svc.db.read(forgetting.spaces_after, last, _SPACES_AT_ONCE):
        for space, seq in spaces:
            await _expire_space(svc, space, seq)
        last = spaces[-1][0]


async def expire_uploads(svc: Services) -> None:
    """Those that nothing came to for long, and what became of those that were shown."""
    now_ms, options = svc.clock.now_ms(), svc.config.sync
    states: tuple[tuple[uploads.State, int], ...] = (("open", options.upload_days), ("done", options.history_days))
    for state, days in states:
        while found := await svc.db.read(uploads.old, state, now_ms - days * times.DAY_MS, _ROWS_AT_ONCE):
            for space, upload in found:
                while await svc.db.write(uploads.delete_some, space, [upload], _PARTS_AT_ONCE):
                    pass


async def _expire_space(svc: Services, space: int, seq: int) -> None:
    now_ms, options = svc.clock.now_ms(), svc.config.sync
    old = await svc.db.read(store.first_since, space, now_ms - options.history_days * times.DAY_MS, seq)
    while old and await svc.db.write(forgetting.delete_superseded, space, old, _ROWS_AT_ONCE):
        pass
    await svc.db.write(forgetting.delete_activity, space, now_ms // times.DAY_MS - options.history_days)
    forgotten = await svc.db.read(store.first_since, space, now_ms - options.tombstone_days * times.DAY_MS, seq)
    for collection in await svc.db.read(store.collections, space) if forgotten else ():
        while found := await svc.db.read(forgetting.old_tombstones, space, collection.id, forgotten, _ROWS_AT_ONCE):
            hashed = [(at, digest.id_hash(record_id)) for at, record_id in found]
            await svc.db.write(_bury, space, collection.id, hashed)
            svc.state(Known).forget_all()


def _bury(tx: Tx, space: int, collection: int, deleted: Sequence[tuple[int, bytes]]) -> None:
    """Those that are still there: a record may have come back meanwhile."""
    still = forgetting.still_tombstones(tx, space, [seq for seq, _ in deleted])
    if left := [(seq, id_hash) for seq, id_hash in deleted if seq in still]:
        forgetting.bury(tx, space, collection, left, still[left[-1][0]])
