"""What contents do in the background: loose frames become packs, old packs deep ones, and the dead are swept away.

All of it is derived from what is stored, so a crash or a lost race costs nothing but the next run's time.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog

from delta_server.core import chain, codec
from delta_server.core.errors import Conflict, DeltaError
from delta_server.features.contents import packing, reading, store
from delta_server.features.contents.packing import Stale
from delta_server.features.contents.rows import Content
from delta_server.services import Services
from delta_server.storage.database import Tx

DAY_MS = 86_400_000
DEAD_AT_ONCE = 1000
ROWS_AT_ONCE = 2000
"""One write deletes this many rows at most: some milliseconds during which other writes wait."""

VACUUM_PAGES = 1 << 16

log = structlog.get_logger()


async def pack(svc: Services) -> None:
    """Pack the frames of every endpoint where there are enough for a pack."""
    bounds = packing.pack_bounds(svc)
    endpoints = await svc.db.read(
        store.with_loose,
        size_limit=bounds.large_bytes,
        total_bytes=bounds.size_bytes,
        contents=bounds.contents,
    )
    for endpoint in endpoints:
        await _guarded(packing.pack_loose(svc, endpoint), "pack", endpoint)


async def merge(svc: Services) -> None:
    """Merge packs that have grown old into deep ones."""
    created_before = svc.clock.now_ms() - svc.config.packs.deep_after_days * DAY_MS
    for endpoint in await svc.db.read(store.with_packs, created_before=created_before):
        await _guarded(packing.merge_packs(svc, endpoint, created_before=created_before), "merge", endpoint)


async def sweep(svc: Services) -> None:
    """Delete what is dead: all of deleted endpoints, and contents no snapshot has any more. Gives the space back."""
    for endpoint in await svc.db.read(store.deleted_endpoints):
        while await svc.db.write(store.delete_some, endpoint, ROWS_AT_ONCE):
            pass
    for endpoint in await svc.db.read(store.with_dead):
        await _guarded(sweep_endpoint(svc, endpoint), "sweep", endpoint)
    while await svc.db.vacuum(VACUUM_PAGES) == VACUUM_PAGES:
        pass


async def pack_everything(
    svc: Services, endpoint: int | None = None, progress: Callable[[int, int], None] = lambda done, of: None
) -> None:
    """Sweep, pack all loose frames and merge all packs, of one endpoint or of all; `progress(done, of)` an endpoint.

    Raises DatabaseFailed, Conflict.
    """
    await sweep(svc)
    endpoints = [endpoint] if endpoint is not None else await svc.db.read(store.endpoints)
    for done, each in enumerate(endpoints):
        progress(done, len(endpoints))
        await _again_when_stale(partial(packing.pack_loose, svc, each, everything=True))
        await _again_when_stale(partial(packing.merge_packs, svc, each, created_before=svc.clock.now_ms() + 1))
    progress(len(endpoints), len(endpoints))
    while await svc.db.vacuum(VACUUM_PAGES) == VACUUM_PAGES:
        pass


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
    except Stale:
        log.info("contents changed meanwhile", task=what, endpoint=endpoint)
    except DeltaError as error:
        log.error("contents could not be rewritten", task=what, endpoint=endpoint, reason=error.message)


# Sweeping one endpoint


async def sweep_endpoint(svc: Services, endpoint: int) -> None:
    """Delete an endpoint's dead contents; what was encoded against them is encoded again.

    Raises Stale, DatabaseFailed.
    """
    while frames := await svc.db.read(store.dead_frames, endpoint, limit=DEAD_AT_ONCE):
        needed = await svc.db.write(_delete_frames, endpoint, frames)
        moved = [await _move_dependents(svc, endpoint, content) for content in needed]
        if len(needed) == len(frames) and not any(moved):
            raise Stale
    for pack in await svc.db.read(store.packs_with_dead, endpoint):
        await _sweep_pack(svc, endpoint, pack)


def _delete_frames(tx: Tx, endpoint: int, contents: Sequence[int]) -> list[int]:
    """Delete contents from the newest to the oldest, so that a chain of them goes at once; those still needed stay."""
    needed = []
    for content in contents:
        if store.has_dependents(tx, endpoint, content):
            needed.append(content)
        else:
            store.delete_content(tx, endpoint, content)
    return needed


async def _sweep_pack(svc: Services, endpoint: int, pack_id: int) -> None:
    """Rewrite a pack without its dead contents, or delete it when no other is left in it."""
    pack = await svc.db.read(store.pack, endpoint, pack_id)
    if pack is None:
        return
    rows = await svc.db.read(store.many, endpoint, pack.members)
    living = [rows[member] for member in pack.members if member in rows and not rows[member].dead]
    dead = [member for member in pack.members if member in rows and rows[member].dead]
    for content in dead:
        await _move_dependents(svc, endpoint, content)
    if living:
        await packing.repack(svc, endpoint, [pack], living, deep=bool(pack.deep))
    else:
        await svc.db.write(packing.delete_packs, endpoint, [pack], kept=[])


async def _move_dependents(svc: Services, endpoint: int, content: int) -> bool:
    """Encode all that is based on a dead content against a living one; False when nothing was."""
    frames = await svc.db.read(store.frames_based_on, endpoint, content)
    packs = await svc.db.read(store.packs_based_on, endpoint, content)
    for frame in frames:
        await _move_frame(svc, endpoint, frame, content)
    for pack in packs:
        rows = await svc.db.read(store.many, endpoint, pack.members)
        members = [rows[member] for member in pack.members]
        await packing.repack(svc, endpoint, [pack], members, deep=bool(pack.deep))
    return bool(frames or packs)


async def _move_frame(svc: Services, endpoint: int, content: int, old_base: int) -> None:
    base, level = await svc.db.read(_frame_base, svc, endpoint, content), svc.config.packs.frame_level
    body = await reading.read(svc, endpoint, content)
    base_body = await reading.read(svc, endpoint, base.id) if base else None
    data = await svc.cpu(codec.encode, base_body, body, level=level)
    await svc.db.write(_replace_frame, endpoint, content, old_base, base, data)


def _frame_base(tx: Tx, svc: Services, endpoint: int, content: int) -> Content | None:
    """What a frame may be based on instead: the content before it, if that cannot lead back to it."""
    row = store.get(tx, endpoint, content)
    base = store.before(tx, endpoint, row) if row else None
    if row is None or base is None or (base.pack is None and base.id > row.id):
        return None
    depth = packing.frame_depth(tx, endpoint, base.id)
    return None if chain.is_keyframe(row.size, depth, packing.pack_bounds(svc)) else base


def _replace_frame(tx: Tx, endpoint: int, content: int, old_base: int, base: Content | None, data: bytes) -> None:
    """Does nothing when the content has been packed meanwhile. Raises Stale when the new base is gone."""
    if base is not None and store.get(tx, endpoint, base.id) is None:
        raise Stale
    store.replace_frame(tx, endpoint, content, old_base, base.id if base else None, data)
