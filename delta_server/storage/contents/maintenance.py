"""Contents in the background: loose frames become packs, old packs deep ones, and the dead are swept away.

All of it is derived from what is stored, so a crash or a lost race costs nothing but the next run's time.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog

from delta_server.core.errors import Conflict, DeltaError, NotFound
from delta_server.core.packs import codec
from delta_server.core.packs.pack_plan import PackBounds
from delta_server.core.times import DAY_MS
from delta_server.storage import large_files, slices
from delta_server.storage.contents import frame_rows, large_frames, packing, reading, row_sizes
from delta_server.storage.contents import store as sql
from delta_server.storage.contents.content_store import ContentStore
from delta_server.storage.contents.options import Packs
from delta_server.storage.contents.packing import ErrorCollector, Stale
from delta_server.storage.contents.rows import Content, FrameData
from delta_server.storage.database import Tx, frees_space

DEAD_AT_ONCE = 1000
PEEKED = 64
"""So few new contents are looked at on the event loop, in 1 ms at most: a reader's thread takes 0.3 for one."""

VACUUM_PAGES = 1 << 16
LAST_ID = (1 << 63) - 1

log = structlog.get_logger()


async def pack_since(store: ContentStore, content: int) -> int:
    """Pack the frames of endpoints that got some after `content`, where there are enough; the newest looked at."""
    newest, bounds = store.db.peek(sql.newest_frame), packing.pack_bounds(store.packs)
    if newest <= content:
        return content
    if newest - content <= PEEKED:
        newest, endpoints = store.db.peek(_filled_since, content, bounds)
    else:
        newest, endpoints = await store.db.read(_filled_since, content, bounds)
    for endpoint in endpoints:
        await _isolated(packing.pack_loose(store, endpoint), "pack", endpoint)
    return newest


def _filled_since(tx: Tx, content: int, bounds: PackBounds) -> tuple[int, list[int]]:
    endpoints = sql.with_frames_after(tx, content)
    return max(content, sql.newest_frame(tx)), [each for each in endpoints if _is_filled(tx, each, bounds)]


def _is_filled(tx: Tx, endpoint: int, bounds: PackBounds) -> bool:
    return sql.fills_a_pack(
        tx, endpoint, size_limit=bounds.large_bytes, total_bytes=bounds.size_bytes, contents=bounds.contents
    )


async def pack(store: ContentStore) -> None:
    """Pack the frames of every endpoint where there are enough for a pack."""
    for endpoint in await store.db.read(_filled, packing.pack_bounds(store.packs)):
        await _isolated(packing.pack_loose(store, endpoint), "pack", endpoint)


def _filled(tx: Tx, bounds: PackBounds) -> list[int]:
    return [endpoint for endpoint in sql.endpoints_with_loose_frames(tx) if _is_filled(tx, endpoint, bounds)]


def count_filled(tx: Tx, packs: Packs) -> int:
    """Endpoints with enough loose frames for a pack."""
    return len(_filled(tx, packing.pack_bounds(packs)))


async def merge(store: ContentStore) -> None:
    """Merge packs that have grown old into deep ones."""
    created_before = store.clock.now_ms() - store.packs.deep_after_days * DAY_MS
    for endpoint in await store.db.read(sql.with_packs, created_before=created_before):
        await _isolated(packing.merge_packs(store, endpoint, created_before=created_before), "merge", endpoint)


async def sweep(store: ContentStore) -> None:
    """Delete contents that no snapshot has any more. Gives the space back, that of other deleted rows too."""
    for endpoint in await store.db.read(sql.with_dead):
        await _isolated(sweep_endpoint(store, endpoint), "sweep", endpoint)
    await large_files.drop_given_up(store.db)
    while await store.db.vacuum(VACUUM_PAGES) == VACUUM_PAGES:
        pass


async def pack_everything(
    store: ContentStore, endpoint: int | None = None, progress: Callable[[int, int], None] = lambda done, of: None
) -> None:
    """Sweep, pack all loose frames and merge all packs, of one endpoint or of all; `progress(done, of)` an endpoint.

    Raises DatabaseFailed or Conflict for what could not be done, when all else is.
    """
    await sweep(store)
    endpoints = [endpoint] if endpoint is not None else await store.db.read(sql.endpoints)
    errors = ErrorCollector()
    for done, each in enumerate(endpoints):
        progress(done, len(endpoints))
        with errors.collecting():
            await _retry_when_stale(partial(packing.pack_loose, store, each, everything=True))
        with errors.collecting():
            await _retry_when_stale(partial(packing.merge_packs, store, each, created_before=store.clock.now_ms() + 1))
    progress(len(endpoints), len(endpoints))
    while await store.db.vacuum(VACUUM_PAGES) == VACUUM_PAGES:
        pass
    errors.raise_first()


async def _retry_when_stale(work: Callable[[], Awaitable[int]]) -> int:
    """Raises Conflict after three lost races."""
    for _ in range(3):
        with suppress(Stale):
            return await work()
    raise Conflict("the contents are being rewritten by somebody else: try again later")


async def _isolated(work: Awaitable[object], what: str, endpoint: int) -> None:
    """One endpoint's failure is logged and does not hold up the others; a lost race is for the next run."""
    try:
        await work
    except (Stale, NotFound):
        log.info("contents changed concurrently", task=what, endpoint=endpoint)
    except DeltaError as error:
        log.error("contents could not be rewritten", task=what, endpoint=endpoint, reason=error.message)


# Sweeping one endpoint


async def sweep_endpoint(store: ContentStore, endpoint: int) -> None:
    """Delete an endpoint's dead contents; what was encoded against them is encoded again.

    One that something damaged is based on stays. Raises Stale, and in the end DatabaseFailed when there is any.
    """
    errors = ErrorCollector()
    below = LAST_ID
    while frames := await store.db.read(_dead_frames, endpoint, below):
        needed = await store.db.write(_delete_frames, endpoint, frames)
        for content in needed:
            await _move_dependents(store, endpoint, content, errors)
        await store.db.write(_delete_frames, endpoint, needed)
        below = frames[-1]
    for pack in await store.db.read(sql.packs_with_dead, endpoint):
        with errors.collecting():
            await _sweep_pack(store, endpoint, pack, errors)
    errors.raise_first()


def _dead_frames(tx: Tx, endpoint: int, below: int) -> list[int]:
    """As many as one write may delete."""
    dead = sql.dead_frames(tx, endpoint, below=below, limit=DEAD_AT_ONCE)
    sizes = row_sizes.frame_sizes(tx, endpoint) if dead else {}
    return slices.first_within((content, sizes.get(content, 0)) for content in dead)


@frees_space
def _delete_frames(tx: Tx, endpoint: int, contents: Sequence[int]) -> list[int]:
    """Delete contents from the newest to the oldest, so that a chain of them goes at once; those still needed stay, and
    those that were packed since they were looked for: they go with their pack."""
    needed = []
    rows = sql.by_ids(tx, endpoint, contents)
    for content in contents:
        if content not in rows or rows[content].pack is not None:
            continue
        if sql.has_dependents(tx, endpoint, content):
            needed.append(content)
        else:
            sql.delete_content(tx, endpoint, content)
    return needed


async def _sweep_pack(store: ContentStore, endpoint: int, pack_id: int, errors: ErrorCollector) -> None:
    """Rewrite a pack without its dead contents, or delete it when no other is left in it; not while something damaged
    is based on one of them. Raises Stale, DatabaseFailed."""
    pack = await store.db.read(sql.pack, endpoint, pack_id)
    if pack is None:
        return
    rows = await store.db.read(sql.by_ids, endpoint, pack.members)
    living = [rows[member] for member in pack.members if member in rows and not rows[member].dead]
    dead = [member for member in pack.members if member in rows and rows[member].dead]
    moved = [await _move_dependents(store, endpoint, content, errors) for content in dead]
    if not all(moved):
        return
    if living:
        await packing.repack(store, endpoint, [pack], living, deep=bool(pack.deep))
    else:
        await store.db.write(packing.delete_packs, endpoint, [pack], kept=[])


async def _move_dependents(store: ContentStore, endpoint: int, content: int, errors: ErrorCollector) -> bool:
    """Encode all that is based on a dead content against a living one; False when something is damaged."""
    moved = 0
    frames = await store.db.read(sql.frames_based_on, endpoint, content)
    packs = await store.db.read(sql.packs_based_on, endpoint, content)
    for frame in frames:
        with errors.collecting():
            await _move_frame(store, endpoint, frame, content)
            moved += 1
    for pack in packs:
        rows = await store.db.read(sql.by_ids, endpoint, pack.members)
        if len(rows) < len(pack.members):
            raise Stale
        members = [rows[member] for member in pack.members]
        with errors.collecting():
            await packing.repack(store, endpoint, [pack], members, deep=bool(pack.deep))
            moved += 1
    return moved == len(frames) + len(packs)


async def _move_frame(store: ContentStore, endpoint: int, content: int, old_base: int) -> None:
    base, level = await store.db.read(_frame_base, endpoint, content), store.packs.frame_level
    body = await reading.read(store, endpoint, content)
    base_body = await reading.read_base(store, endpoint, base.id) if base else None
    base = base if base_body is not None else None
    data = await store.spare_cpu(codec.encode, base_body, body, level=level)
    async with large_frames.storing(store.db) as ahead:
        await store.db.write(_replace_frame, endpoint, content, old_base, base, await ahead(data))


def _frame_base(tx: Tx, endpoint: int, content: int) -> Content | None:
    """What a frame may be based on instead: the content before it, if that cannot lead back to it or make the chains
    that go through it longer."""
    row = sql.get(tx, endpoint, content)
    base = sql.before(tx, endpoint, (row.captured_at, row.id)) if row else None
    if row is None or base is None or (base.pack is None and base.id > row.id):
        return None
    return base if sql.frame_depth(tx, endpoint, base.id) < sql.frame_depth(tx, endpoint, content) else None


def _replace_frame(tx: Tx, endpoint: int, content: int, old_base: int, base: Content | None, data: FrameData) -> None:
    """Does nothing when the content has been packed meanwhile. Raises Stale when the new base is gone."""
    if base is not None and sql.get(tx, endpoint, base.id) is None:
        raise Stale
    frame_rows.replace_frame(tx, endpoint, content, old_base, base.id if base else None, data)
