"""Devices that sync, for those who take what they push.

register(tx, space, device_id, session, most)   # its row, made when it is new
batch(tx, device, batch_id)                      # what a batch was answered before
Positions.of(svc).note(...)                       # a pull tells how far it is
"""

from delta_server.core.errors import Quota, QuotaExceeded
from delta_server.features.devices import store
from delta_server.features.devices.positions import Place as Place
from delta_server.features.devices.positions import Positions as Positions
from delta_server.features.devices.store import Device as Device
from delta_server.features.devices.store import batch as batch
from delta_server.features.devices.store import by_uid as by_uid
from delta_server.features.devices.store import count_devices as count_devices
from delta_server.features.devices.store import delete_some as delete_some
from delta_server.features.devices.store import device as device
from delta_server.features.devices.store import device_ids as device_ids
from delta_server.features.devices.store import devices as devices
from delta_server.features.devices.store import insert_batch as insert_batch
from delta_server.features.devices.store import name_device as name_device
from delta_server.features.devices.store import positions as positions
from delta_server.features.devices.store import remove_device as remove_device
from delta_server.storage.database import Tx


def register(tx: Tx, space: int, device_id: str, session: int | None, most: int) -> int:
    """The device's row; it is seen now, whether it was removed before or not. Raises QuotaExceeded."""
    found = store.device(tx, space, device_id)
    if (found is None or found.removed_at is not None) and store.count_devices(tx, space) >= most:
        raise QuotaExceeded(
            f"a space may have {most} devices (sync.devices): remove one that is not used any more",
            Quota("sync.devices", most, most, None),
        )
    if found is None:
        return store.insert_device(tx, space, device_id, session)
    store.see_device(tx, space, found.id, session)
    return found.id
