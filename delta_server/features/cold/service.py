"""Cold storage for those who run the server: what is there, and whose it is after a backup was restored."""

import msgspec

from delta_server.features.accounts import service as accounts
from delta_server.features.cold import tasks
from delta_server.services import Services
from delta_server.storage.cold import moving
from delta_server.storage.cold import store as cold
from delta_server.storage.cold.pieces import ColdStorageAway
from delta_server.tasks.commands import NoArguments, Progress


class ColdState(msgspec.Struct, frozen=True):
    """`elsewhere` are those of `objects` that are in another place than `storage.cold` names; `free` are not used any
    more, and of those `held` stay for the database that a backup was made of. `moved_bytes` went either way now."""

    address: str
    objects: int
    size_bytes: int
    elsewhere: int
    free: int
    held: int
    moved_bytes: int = 0


async def state(svc: Services, _: NoArguments | None = None, __: Progress | None = None) -> ColdState:
    address = svc.config.storage.cold
    place = await svc.db.read(cold.place_of, address)
    found = await svc.db.read(cold.totals, place.id if place else 0)
    return ColdState(address, found.objects, found.size_bytes, found.elsewhere, found.free, found.held)


async def move(svc: Services, _: NoArguments, __: Progress) -> ColdState:
    """As the background does, until there is nothing more to move. Raises ColdStorageAway."""
    await accounts.note_command(svc, "cold move")
    moved = 0
    while step := await tasks.turn(svc):
        moved += step
    return msgspec.structs.replace(await state(svc), moved_bytes=moved)


class Adopted(msgspec.Struct, frozen=True):
    """How many objects that a backup brought are this database's now, how many that it does not name are deleted, and
    which addresses did not answer: what is there stays as it is."""

    objects: int
    deleted: int
    away: list[str]


async def adopt(svc: Services, _: NoArguments, __: Progress) -> Adopted:
    """From now on objects that a restored backup names are deleted when they are no longer used, and those that it does
    not name go at once."""
    await accounts.note_command(svc, "cold adopt")
    adopted, deleted, away = 0, 0, list[str]()
    async with tasks.rounds_of(svc).turn:
        for place in await svc.db.read(cold.places):
            try:
                keys = await moving.unknown_keys(svc.db, svc.contents.cold, place)
                await moving.delete_unknown(svc.contents.cold, place, keys)
            except ColdStorageAway:
                away.append(place.address)
                continue
            deleted += len(keys)
            adopted += await svc.db.write(cold.adopt, place.id)
    return Adopted(adopted, deleted, away)
