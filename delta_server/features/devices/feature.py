"""Devices that sync."""

from delta_server.core import times
from delta_server.features.devices import positions, store
from delta_server.http.feature import Feature
from delta_server.services import Services
from delta_server.tasks.periodic import Periodic

_BATCH_DAYS = 30
_ROWS_AT_ONCE = 500


async def _forget_batches(svc: Services) -> None:
    before = svc.clock.now_ms() - _BATCH_DAYS * times.DAY_MS
    while await svc.db.write(store.delete_batches, before, _ROWS_AT_ONCE):
        pass


FEATURE = Feature(
    name="devices",
    family="sync",
    tables=["sync_device", "sync_position", "sync_batch"],
    periodic=[
        Periodic("forget answers to synced batches", _forget_batches, every_s=3600),
        Periodic("write how far devices are", positions.write_positions, every_s=20),
    ],
    at_end=positions.write_positions,
)
