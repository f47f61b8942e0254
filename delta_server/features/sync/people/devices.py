"""A person's devices: how far each is, what it is called, and that it is not used any more."""

from collections.abc import Mapping, Sequence
from heapq import nsmallest
from typing import TypeAlias

import msgspec

from delta_server.core import ids
from delta_server.core.errors import NotFound
from delta_server.features.audit import service as audit
from delta_server.features.devices import service as devices
from delta_server.features.devices.service import Device, Positions
from delta_server.features.sync import store
from delta_server.features.sync.people import store as people_store
from delta_server.features.sync.people.devices_schemas import State
from delta_server.features.sync.spaces import Whose
from delta_server.features.sync.uploads import store as uploads
from delta_server.features.sync.uploads.store import Upload
from delta_server.features.users import service as users
from delta_server.services import Services
from delta_server.storage.database import Tx

MOST_COUNTED = 1000
_AT_ONCE = 100


class Position(msgspec.Struct, frozen=True):
    """How far a device is in one data type."""

    data_type: str
    seq: int
    pulled_at: int


class Seen(msgspec.Struct, frozen=True):
    """A device with how far it is; `changes` and `since` (when the first came) are what it has not pulled; `uploads`
    are not visible yet."""

    device: Device
    state: State
    changes: int | None
    since: int | None
    positions: Sequence[Position]
    uploads: Sequence[Upload] = ()

    @property
    def by_lag(self) -> tuple[int, int, int]:
        """Its place where those come first that are furthest behind."""
        return _RANKS[self.state], self.since or 0, self.device.id


_RANKS: Mapping[State, int] = {"resync": 0, "behind": 1, "unknown": 2, "ok": 3}
Waiting: TypeAlias = Mapping[tuple[str, int], tuple[int, int]]
"""How far devices are by what is not written yet (Positions.of_space)."""


def _page(tx: Tx, space: int, waiting: Waiting, *, above: int, limit: int, q: str = "") -> list[Seen]:
    found = devices.devices(tx, space, above=above, limit=limit, q=q)
    collections = {collection.id: collection for collection in store.collections(tx, space)}
    positions: dict[int, dict[int, tuple[int, int]]] = {}
    for device, collection, seq, at in devices.positions(tx, [device.id for device in found]):
        positions.setdefault(device, {})[collection] = seq, at
    rows = {device.device_id: device.id for device in found}
    for (device_id, collection), noted in waiting.items():
        if device_id in rows:
            positions.setdefault(rows[device_id], {})[collection] = noted
    sent: dict[int, list[Upload]] = {}
    for upload in uploads.not_shown(tx, space):
        sent.setdefault(upload.device, []).append(upload)
    return [
        msgspec.structs.replace(
            _seen(tx, space, collections, device, positions.get(device.id, {})), uploads=sent.get(device.id, ())
        )
        for device in found
    ]


def _seen(
    tx: Tx,
    space: int,
    collections: Mapping[int, store.Collection],
    device: Device,
    positions: Mapping[int, tuple[int, int]],
) -> Seen:
    known = [Position(collections[id].data_type, seq, at) for id, (seq, at) in positions.items()]
    if not known:
        return Seen(device, "unknown", None, None, [])
    device = msgspec.structs.replace(device, seen_at=max(device.seen_at, *(at for _, at in positions.values())))
    changes, since, is_lost = 0, None, False
    for id, (seq, _) in positions.items():
        is_lost = is_lost or people_store.needs_resync(collections[id], seq)
        if changes >= MOST_COUNTED or seq >= collections[id].seq:
            continue
        more, first = people_store.lag(tx, space, id, device.id, seq, MOST_COUNTED - changes)
        changes += more
        since = first if since is None or (first is not None and first < since) else since
    state: State = "resync" if is_lost else "behind" if changes else "ok"
    return Seen(device, state, changes, since, known)


async def list_devices(svc: Services, whose: Whose, q: str, *, above: int, limit: int) -> list[Seen]:
    space = svc.db.peek(store.space, whose.project, whose.owner)
    if space is None:
        return []
    waiting = Positions.of(svc).of_space(space.id)
    return await svc.db.read(_page, space.id, waiting, above=above, limit=limit, q=q)


async def list_by_lag(
    svc: Services, whose: Whose, q: str, *, after: tuple[int, int, int], limit: int
) -> list[Seen]:  # fmt: skip
    """Those that are furthest behind first, behind the place `after` (Seen.by_lag). How far each is, is computed: all
    are looked at, some at once."""
    space = svc.db.peek(store.space, whose.project, whose.owner)
    if space is None:
        return []
    waiting = Positions.of(svc).of_space(space.id)
    kept, above = list[Seen](), 0
    while found := await svc.db.read(_page, space.id, waiting, above=above, limit=_AT_ONCE, q=q):
        above = found[-1].device.id
        later = (seen for seen in found if seen.by_lag > after)
        kept = nsmallest(limit, [*kept, *later], key=lambda seen: seen.by_lag)
    return kept


async def rename(svc: Services, whose: Whose, id: str, name: str | None) -> Seen:
    """Raises NotFound."""

    def write(tx: Tx) -> tuple[int, int]:
        space, device = _find(tx, whose, id)
        devices.name_device(tx, space, device.id, name)
        return space, device.id

    space, device = await svc.db.write(write)
    waiting = Positions.of(svc).of_space(space)
    [seen] = await svc.db.read(_page, space, waiting, above=device - 1, limit=1)
    return seen


async def remove(svc: Services, whose: Whose, id: str) -> None:
    """The session that it was last signed in with ends. Raises NotFound."""
    space, device_id = await svc.db.write(_remove, whose, id)
    Positions.of(svc).forget(space, device_id)
    svc.live.check_access()


def _remove(tx: Tx, whose: Whose, id: str) -> tuple[int, str]:
    space, device = _find(tx, whose, id)
    ended = 0 if device.session is None else users.end_session(tx, device.session, whose.owner)
    devices.remove_device(tx, space, device.id)
    detail = {"space": whose.owner, "sessions": ended}
    audit.record_in(tx, whose.project, "device.remove", target=f"device {id}", name=device.device_id, detail=detail)
    return space, device.device_id


def _find(tx: Tx, whose: Whose, id: str) -> tuple[int, Device]:
    """The space and the device. Raises NotFound."""
    space = store.space(tx, whose.project, whose.owner)
    uid = ids.try_parse(id)
    found = None if space is None or uid is None else devices.by_uid(tx, space.id, uid)
    if space is None or found is None:
        raise NotFound("there is no such device: GET /v1/devices lists those of the space, with their ids")
    return space.id, found
