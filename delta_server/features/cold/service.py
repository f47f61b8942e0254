"""Cold storage for those who run the server: what is there, and whose it is after a backup was restored."""

import msgspec

from delta_server.features.accounts import service as accounts
from delta_server.features.cold import tasks
from delta_server.services import Services
from delta_server.storage.cold import moving
from delta_server.storage.cold import store as cold
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


async def adopt(svc: Services, _: NoArguments, __: Progress) -> tuple[int, int]:
    """From now on objects that a restored backup names are deleted when they are no longer used, and those that it does
    not name go at once; how many of either. Raises ColdStorageAway."""
    await accounts.note_command(svc, "cold adopt")
    unknown = 0
    async with tasks.rounds_of(svc).turn:
        for place in await svc.db.read(cold.places):
            keys = await moving.unknown_keys(svc.db, svc.contents.cold, place)
            await moving.delete_unknown(svc.contents.cold, place, keys)
            unknown += len(keys)
        return await svc.db.write(cold.adopt), unknown
