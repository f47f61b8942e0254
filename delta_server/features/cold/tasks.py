"""What moves in the background: old packs and segments into cold storage; back what is in another place than
`storage.cold` names now; and away what nothing uses any more."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from delta_server.core.times import DAY_MS
from delta_server.services import Services
from delta_server.storage.cold import moving
from delta_server.storage.cold import store as cold
from delta_server.storage.cold.pieces import ColdStorageAway, PieceLost
from delta_server.storage.cold.store import Place, Used
from delta_server.storage.contents import cold_packs
from delta_server.storage.contents.cold_packs import Round
from delta_server.storage.events.segments.cold_segments import ColdSegments

TURN_BYTES = 64 << 20
"""A turn is a minute: 90 GB a day."""
LISTED_AT_ONCE = 100
ROOM_BYTES = 1 << 30
"""What comes back leaves so much of the disk free."""

log = structlog.get_logger()


class Rounds:
    """Where the next turn goes on. No two turns run at once: what is free in one may be being written in another."""

    def __init__(self, svc: Services) -> None:
        self.packs = Round()
        self.segments = ColdSegments(svc.db, svc.contents.cold, svc.spare_cpu)
        self.turn = asyncio.Lock()


def rounds_of(svc: Services) -> Rounds:
    return svc.state(Rounds, lambda: Rounds(svc))


async def keep_moving(svc: Services) -> None:
    """A turn. A store that does not answer is left until the next."""
    with suppress(ColdStorageAway):  # which is in the log, once
        await turn(svc)


async def turn(svc: Services) -> int:
    """About TURN_BYTES each way; how many it was. Raises ColdStorageAway."""
    rounds, counts = rounds_of(svc), svc.contents.cold.counts
    async with rounds.turn:
        try:
            return await _turn(svc, rounds)
        finally:
            totals = await svc.db.read(cold.totals, 0)
            counts.objects, counts.object_bytes, counts.free_objects = totals.objects, totals.size_bytes, totals.free


class _Away:
    """That a place does not answer, to be raised in the end: what concerns others is done first."""

    def __init__(self) -> None:
        self.first: ColdStorageAway | None = None
        self.addresses: set[str] = set()

    @contextmanager
    def collecting(self, address: str = "") -> Iterator[None]:
        try:
            yield
        except ColdStorageAway as error:
            self.first = self.first or error
            self.addresses.add(address)

    def raise_first(self) -> None:
        if self.first is not None:
            raise self.first


async def _turn(svc: Services, rounds: Rounds) -> int:
    now_ms, away, moved = svc.clock.now_ms(), _Away(), 0
    # nothing is being written now: whatever is free was left by a crash, or is no longer needed
    kept_ms = max(svc.config.storage.cold_kept_days * DAY_MS, moving.LEAST_WAIT_MS)
    await svc.db.write(cold.set_times, now_ms + kept_ms)
    await moving.look_again(svc.db, svc.contents.cold)
    with away.collecting():
        place = await moving.present_place(svc.db, svc.contents.cold, svc.config.storage.cold)
        moved += await _bring_back(svc, rounds, place, away)
        if place is not None:
            moved += await _move(svc, rounds, place, now_ms)
    with away.collecting():
        await moving.delete_due(svc.db, svc.contents.cold, now_ms)
    away.raise_first()
    return moved


async def _move(svc: Services, rounds: Rounds, place: Place, now_ms: int) -> int:
    storage = svc.config.storage
    before_ms, least = now_ms - storage.cold_after_days * DAY_MS, storage.cold_least_bytes
    moved = await cold_packs.move(
        svc.contents, place, rounds.packs, created_before=before_ms, least=least, most=TURN_BYTES
    )
    return moved + await rounds.segments.move(place, created_before=before_ms, least=least, most=TURN_BYTES)


async def _bring_back(svc: Services, rounds: Rounds, place: Place | None, away: _Away) -> int:
    """What cannot be read, or for which there is no room, stays where it is."""
    after, returned = 0, 0
    while found := await svc.db.read(cold.elsewhere, place.id if place else 0, after, LISTED_AT_ONCE):
        for used in found:
            after = used.object.id
            if returned >= TURN_BYTES:
                return returned
            if shutil.disk_usage(svc.config.storage.data_dir).free - used.object.size < ROOM_BYTES:
                log.warning("no room to bring back what is in cold storage", address=used.object.address)
                return returned
            if used.object.address not in away.addresses:
                with away.collecting(used.object.address):
                    returned += await _bring_one(svc, rounds, used)
    return returned


async def _bring_one(svc: Services, rounds: Rounds, used: Used) -> int:
    try:
        if used.kind == "pack":
            await cold_packs.bring_back(svc.contents, used)
        else:
            await rounds.segments.bring_back(used)
    except PieceLost as error:
        log.error("not brought back from cold storage", kind=used.kind, number=used.number, reason=str(error))
        return 0
    return used.object.size
