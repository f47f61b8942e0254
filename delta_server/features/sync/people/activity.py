"""What happens in a space: how much there is and changes of each data type, and what changed last.

Sums are kept as changes are written, and changes are read from the newest back, a few at a time: neither takes longer
the more records there are.
"""

from collections.abc import Mapping, Sequence

import msgspec

from delta_server.core.errors import NotFound
from delta_server.features.devices import service as devices
from delta_server.features.sync import store
from delta_server.features.sync.people import store as people_store
from delta_server.features.sync.people.store import Days, Recent
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.store import Collection
from delta_server.services import Services
from delta_server.storage.database import Tx

_LOOKED_AT = 5000


class Active(msgspec.Struct, frozen=True):
    """`changed_at` is of its newest change, None when that was forgotten."""

    collection: Collection
    days: Days
    changed_at: int | None
    device_ids: Mapping[int, str]


class RecentPage(msgspec.Struct, frozen=True):
    """`more`: the number below which the next page begins."""

    found: Sequence[Recent]
    device_ids: Mapping[int, str]
    more: int | None


async def stats(svc: Services, whose: Whose, *, above: str, limit: int) -> list[Active]:
    """By data type, from the first behind `above`."""
    return await svc.db.read(_stats, whose, above, limit)


def _stats(tx: Tx, whose: Whose, above: str, limit: int) -> list[Active]:
    space = store.space(tx, whose.project, whose.owner)
    if space is None:
        return []
    device_ids = devices.device_ids(tx, space.id)
    begin = above + people_store.LEAST if above else ""
    found = people_store.collections(tx, space.id, begin, people_store.BEHIND_ALL, limit)
    return [_active(tx, space.id, each, device_ids) for each in found]


def _active(tx: Tx, space: int, collection: Collection, device_ids: Mapping[int, str]) -> Active:
    newest = store.version(tx, space, collection.id, collection.seq)
    days = people_store.activity(tx, space, collection.id)
    return Active(collection, days, newest.changed_at if newest else None, device_ids)


async def recent(
    svc: Services, whose: Whose, *, data_type: str | None, device_id: str | None, below: int | None, limit: int
) -> RecentPage:
    """Raises NotFound for a device that never pushed."""
    return await svc.db.read(_recent, whose, data_type, device_id, below, limit)


def _recent(
    tx: Tx, whose: Whose, data_type: str | None, device_id: str | None, below: int | None, limit: int
) -> RecentPage:
    space = store.space(tx, whose.project, whose.owner)
    device = None if space is None or device_id is None else devices.device(tx, space.id, device_id)
    if device_id is not None and device is None:
        raise NotFound("there is no such device: GET /v1/devices lists those of the space")
    collection = None if space is None or data_type is None else store.collection(tx, space.id, data_type)
    if space is None or (data_type is not None and collection is None):
        return RecentPage([], {}, None)
    begin = space.seq + 1 if below is None else min(below, space.seq + 1)
    found = people_store.recent(
        tx,
        space.id,
        begin,
        None if collection is None else collection.id,
        None if device is None else device.id,
        _LOOKED_AT,
        limit + 1,
    )
    if len(found) > limit:
        return RecentPage(found[:limit], devices.device_ids(tx, space.id), found[limit - 1].seq)
    more = people_store.oldest_of_next(tx, space.id, begin, _LOOKED_AT)
    return RecentPage(found, devices.device_ids(tx, space.id), more)
