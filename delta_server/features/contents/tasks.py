"""What contents do in the background: loose frames become packs, old packs deep ones, and the dead are swept away.

All of it is derived from what is stored, so a crash or a lost race costs nothing but the next run's time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog

from delta_server.core.errors import Conflict, DeltaError, NotFound
from delta_server.core.packs import codec
from delta_server.core.packs.layout import Bounds
from delta_server.core.times import DAY_MS
from delta_server.features.contents import packing, reading, store
from delta_server.features.contents.packing import Stale, Troubles
from delta_server.features.contents.rows import Content
from delta_server.services import Services
from delta_server.storage.database import Tx, frees_space

DEAD_AT_ONCE = 1000
GATHERED_S = 1.0
"""New contents of so long are looked at together."""

LOOK_AGAIN_S = 60.0

VACUUM_PAGES = 1 << 16
LAST_ID = (1 << 63) - 1

log = structlog.get_logger()


async def keep_packed(svc: Services) -> None:
    """Pack what new contents have filled, then wait for more; for ever. What was there before is `pack`'s."""
    newest = await svc.db.read(store.newest_frame)
    changed = svc.topics.signal("contents")
    while True:
        seen = changed.count
        newest = await pack_since(svc, newest)
        await asyncio.sleep(GATHERED_S)
        await changed.wait(LOOK_AGAIN_S, since=seen)


async def pack_since(svc: Services, content: int) -> int:
    """Pack the frames of endpoints that got some after `content`, where there are enough; the newest looked at."""
    newest, endpoints = await svc.db.read(_filled_since, content, packing.pack_bounds(svc.config.packs))
    for endpoint in endpoints:
        await _guarded(packing.pack_loose(svc, endpoint), "pack", endpoint)
    return newest


def _filled_since(tx: Tx, content: int, bounds: Bounds) -> tuple[int, list[int]]:
    endpoints = store.with_frames_after(tx, content)
    return max(content, store.newest_frame(tx)), [each for each in endpoints if _is_filled(tx, each, bounds)]


def _is_filled(tx: Tx, endpoint: int, bounds: Bounds) -> bool:
    return store.fills_a_pack(
        tx, endpoint, size_limit=bounds.large_bytes, total_bytes=bounds.size_bytes, contents=bounds.contents
    )


async def pack(svc: Services) -> None:
    """Pack the frames of every endpoint where there are enough for a pack."""
    for endpoint in await svc.db.read(_filled, packing.pack_bounds(svc.config.packs)):
        await _guarded(packing.pack_loose(svc, endpoint), "pack", endpoint)


def _filled(tx: Tx, bounds: Bounds) -> list[int]:
    return [endpoint for endpoint in store.with_loose(tx) if _is_filled(tx, endpoint, bounds)]


async def merge(svc: Services) -> None:
    """Merge packs that have grown old into deep ones."""
    created_before = svc.clock.now_ms() - svc.config.packs.deep_after_days * DAY_MS
    for endpoint in await svc.db.read(store.with_packs, created_before=created_before):
        await _guarded(packing.merge_packs(svc, endpoint, created_before=created_before), "merge", endpoint)


async def sweep(svc: Services) -> None:
    """Delete contents that no snapshot has any more. Gives the space back, that of other deleted rows too."""
    for endpoint in await svc.db.read(store.with_dead):
        await _guarded(sweep_endpoint(svc, endpoint), "sweep", endpoint)
    while await svc.db.vacuum(VACUUM_PAGES) == VACUUM_PAGES:
        pass


async def pack_everything(
    svc: Services, endpoint: int | None = None, progress: Callable[[int, int], None] = lambda done, of: None
) -> None:
    """Sweep, pack all loose frames and merge all packs, of one endpoint or of all; `progress(done, of)` an endpoint.

    Raises DatabaseFailed or Conflict for what could not be done, when all else is.
    """
    await sweep(svc)
    endpoints = [endpoint] if endpoint is not None else await svc.db.read(store.endpoints)
    troubles = Troubles()
    for done, each in enumerate(endpoints):
        progress(done, len(endpoints))
        with troubles.collected():
            await _again_when_stale(partial(packing.pack_loose, svc, each, everything=True))
        with troubles.collected():
            await _again_when_stale(partial(packing.merge_packs, svc, each, created_before=svc.clock.now_ms() + 1))
    progress(len(endpoints), len(endpoints))
    while await svc.db.vacuum(VACUUM_PAGES) == VACUUM_PAGES:
        pass
    troubles.tell()


async def _again_when_stale(work: Callable[[], Awaitable[int]]) -> int:
    """Raises Conflict after three lost races."""
    for _ in range(3):
        with suppress(Stale):
            return await work()
    raise Conflict("the contents are being rewritten by somebody else: try again later")


async def _guarded(work: Awaitable[object], what: str, endpoint: int) -> None:
    """One endpoint's trouble is told and does not keep the others waiting; a lost race is for the next run."""
    try:
        await work
    except (Stale, NotFound):
        log.info("contents changed concurrently", task=what, endpoint=endpoint)
    except DeltaError as error:
        log.error("contents could not be rewritten", task=what, endpoint=endpoint, reason=error.message)


# Sweeping one endpoint


async def sweep_endpoint(svc: Services, endpoint: int) -> None:
    """Delete an endpoint's dead contents; what was encoded against them is encoded again.

    One that something damaged is based on stays. Raises Stale, and in the end DatabaseFailed when there is any.
    """
    troubles = Troubles()
    below = LAST_ID
    while frames := await svc.db.read(store.dead_frames, endpoint, below=below, limit=DEAD_AT_ONCE):
        needed = await svc.db.write(_delete_frames, endpoint, frames)
        for content in needed:
            await _move_dependents(svc, endpoint, content, troubles)
        await svc.db.write(_delete_frames, endpoint, needed)
        below = frames[-1]
    for pack in await svc.db.read(store.packs_with_dead, endpoint):
        with troubles.collected():
            await _sweep_pack(svc, endpoint, pack, troubles)
    troubles.tell()


@frees_space
def _delete_frames(tx: Tx, endpoint: int, contents: Sequence[int]) -> list[int]:
    """Delete contents from the newest to the oldest, so that a chain of them goes at once; those still needed stay."""
    needed = []
    for content in contents:
        if store.has_dependents(tx, endpoint, content):
            needed.append(content)
        else:
            store.delete_content(tx, endpoint, content)
    return needed


async def _sweep_pack(svc: Services, endpoint: int, pack_id: int, troubles: Troubles) -> None:
    """Rewrite a pack without its dead contents, or delete it when no other is left in it; not while something damaged
    is based on one of them. Raises Stale, DatabaseFailed."""
    pack = await svc.db.read(store.pack, endpoint, pack_id)
    if pack is None:
        return
    rows = await svc.db.read(store.many, endpoint, pack.members)
    living = [rows[member] for member in pack.members if member in rows and not rows[member].dead]
    dead = [member for member in pack.members if member in rows and rows[member].dead]
    moved = [await _move_dependents(svc, endpoint, content, troubles) for content in dead]
    if not all(moved):
        return
    if living:
        await packing.repack(svc, endpoint, [pack], living, deep=bool(pack.deep))
    else:
        await svc.db.write(packing.delete_packs, endpoint, [pack], kept=[])


async def _move_dependents(svc: Services, endpoint: int, content: int, troubles: Troubles) -> bool:
    """Encode all that is based on a dead content against a living one; False when something is damaged."""
    moved = 0
    frames = await svc.db.read(store.frames_based_on, endpoint, content)
    packs = await svc.db.read(store.packs_based_on, endpoint, content)
    for frame in frames:
        with troubles.collected():
            await _move_frame(svc, endpoint, frame, content)
            moved += 1
    for pack in packs:
        rows = await svc.db.read(store.many, endpoint, pack.members)
        if len(rows) < len(pack.members):
            raise Stale
        members = [rows[member] for member in pack.members]
        with troubles.collected():
            await packing.repack(svc, endpoint, [pack], members, deep=bool(pack.deep))
            moved += 1
    return moved == len(frames) + len(packs)


async def _move_frame(svc: Services, endpoint: int, content: int, old_base: int) -> None:
    base, level = await svc.db.read(_frame_base, endpoint, content), svc.config.packs.frame_level
    body = await reading.read(svc, endpoint, content)
    base_body = await reading.read_base(svc, endpoint, base.id) if base else None
    base = base if base_body is not None else None
    data = await svc.spare_cpu(codec.encode, base_body, body, level=level)
    await svc.db.write(_replace_frame, endpoint, content, old_base, base, data)


def _frame_base(tx: Tx, endpoint: int, content: int) -> Content | None:
    """What a frame may be based on instead: the content before it, if that cannot lead back to it or make the chains
    that go through it longer."""
    row = store.get(tx, endpoint, content)
    base = store.before(tx, endpoint, (row.captured_at, row.id)) if row else None
    if row is None or base is None or (base.pack is None and base.id > row.id):
        return None
    return base if store.frame_depth(tx, endpoint, base.id) < store.frame_depth(tx, endpoint, content) else None


def _replace_frame(tx: Tx, endpoint: int, content: int, old_base: int, base: Content | None, data: bytes) -> None:
    """Does nothing when the content has been packed meanwhile. Raises Stale when the new base is gone."""
    if base is not None and store.get(tx, endpoint, base.id) is None:
        raise Stale
    store.replace_frame(tx, endpoint, content, old_base, base.id if base else None, data)
