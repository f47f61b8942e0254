"""The content store as other features see it: encode a body, add it, read it back byte for byte.

    depth = frame_depth(tx, endpoint, head.id)                # in a transaction that reads
    base = await base_of(svc, endpoint, head, depth, len(body))
    frame = encode_frame(base, body, svc.config.packs)        # on a thread
    content = add(tx, endpoint, captured_at, frame)           # in one that writes; None: the base is gone, encode again
    remember(svc, endpoint, content, body)                    # after the commit
    body = await read(svc, endpoint, content)

Many at once, in order: `encode_batch` and `add_batch` in place of the first two, as often as `batch_is_full` says.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from delta_server.config import Packs
from delta_server.core.errors import DatabaseFailed, DeltaError, NotFound
from delta_server.core.packs import codec, layout
from delta_server.core.packs.codec import digest
from delta_server.features.contents import reading, store
from delta_server.features.contents.packing import Batch, add_batch, batch_is_full, encode_batch, pack_bounds
from delta_server.features.contents.reading import Raw, read, read_run
from delta_server.features.contents.rows import Base, Content, Frame
from delta_server.features.contents.store import (
    add,
    after,
    at,
    before,
    delete_some,
    follow,
    frame_depth,
    get,
    head,
    mark_dead,
    touch,
)
from delta_server.features.contents.tasks import sweep
from delta_server.services import Services
from delta_server.storage.cache import Cache
from delta_server.storage.database import Tx

__all__ = [
    "Base",
    "Batch",
    "Content",
    "Frame",
    "add",
    "add_batch",
    "add_last",
    "after",
    "at",
    "base_of",
    "batch_is_full",
    "before",
    "delete_some",
    "digest",
    "encode_batch",
    "encode_frame",
    "follow",
    "frame_depth",
    "get",
    "head",
    "mark_dead",
    "read",
    "read_run",
    "remember",
    "sweep",
    "touch",
    "verify",
]

VERIFIED_AT_ONCE = 1000
NAMED = 5
"""How much of what one cause makes unreadable is named."""


class Verified(msgspec.Struct):
    """What `verify` read, and what it found broken, one sentence a cause."""

    contents: int = 0
    packs: int = 0
    frames: int = 0
    raw_bytes: int = 0
    broken: list[str] = []


class Damage(msgspec.Struct):
    """What is broken of an endpoint. `unreadable` tells by cause what cannot be read because of it: all that is based
    on one damaged frame, say."""

    broken: list[str]
    unreadable: dict[str, list[str]] = {}

    def lost(self, what: str, error: DatabaseFailed) -> None:
        self.unreadable.setdefault(error.message.removesuffix("; run delta-server verify"), []).append(what)


async def base_of(svc: Services, endpoint: int, previous: Content, depth: int, size: int) -> Base | None:
    """What a content of `size` bytes that follows `previous` is encoded against; `depth` is `frame_depth` of that.

    None when it is to stand alone: the chain of frames is long enough, or `previous` is damaged.
    """
    if layout.is_keyframe(size, depth, pack_bounds(svc.config.packs)):
        return None
    body = await reading.read_base(svc, endpoint, previous.id)
    return None if body is None else Base(previous.id, body, depth)


def encode_frame(base: Base | None, body: bytes, packs: Packs) -> Frame:
    """`body` encoded against `base`, or alone where a chain of frames would become too long."""
    if base is None or layout.is_keyframe(len(body), base.depth, pack_bounds(packs)):
        return Frame(digest(body), len(body), None, True, 1, codec.encode(None, body, level=packs.frame_level))
    data = codec.encode(base.body, body, level=packs.frame_level)
    return Frame(digest(body), len(body), base.content, False, base.depth + 1, data)


def add_last(tx: Tx, endpoint: int, captured_at: int, frame: Frame, head: Content | None) -> Content:
    """Add a content after all the endpoint has; `head` is the last of these, which `frame` is based on unless it stands
    alone."""
    assert frame.alone or head is not None, "a frame that does not stand alone follows another content"
    base = None if frame.alone or head is None else head.id
    [content] = store.insert_contents(tx, endpoint, [captured_at], [frame.size], [frame.hash], is_last=True)
    store.insert_frame(tx, endpoint, content, frame.size, base, frame.data)
    return Content(content, endpoint, captured_at, frame.size, frame.hash, None, None, dead=0)


def remember(svc: Services, endpoint: int, content: int, body: bytes) -> None:
    """Keep a body just stored at hand: the next one is encoded against it, and its delta is computed from it."""
    svc.cache.put((endpoint, content), body)


# Verification


async def verify(svc: Services, progress: Callable[[int, int], None] = lambda done, of: None) -> Verified:
    """Read every pack and frame from disk, check every hash, and that nothing is missing or left over.

    `progress(done, of)` counts contents. Damage is reported, not raised. What a server that runs meanwhile packs or
    deletes is passed over: it was checked when it was read for that.
    """
    svc = msgspec.structs.replace(svc, cache=Cache(svc.cache.limit_bytes))
    verified = Verified()
    total = await svc.db.read(store.count)
    for endpoint in await svc.db.read(store.endpoints):
        broken = await _verify_endpoint(svc, endpoint, verified, lambda: progress(verified.contents, total))
        living = not broken or await svc.db.read(store.is_living, endpoint)
        verified.broken += broken if living else ()
    return verified


async def _verify_endpoint(
    svc: Services, endpoint: int, verified: Verified, progress: Callable[[], None]
) -> Sequence[str]:
    """What is broken of it; `verified` counts."""
    damage = Damage(await svc.db.read(store.misplaced, endpoint))
    for pack in await svc.db.read(store.pack_ids, endpoint):
        await _told(_verify_pack(svc, endpoint, pack, verified, damage), f"pack {pack} (endpoint {endpoint})", damage)
        progress()
    frames = await svc.db.read(store.frame_ids, endpoint)
    for start in range(0, len(frames), VERIFIED_AT_ONCE):
        some = frames[start : start + VERIFIED_AT_ONCE]
        named = f"contents {some[0]} to {some[-1]} (endpoint {endpoint})"
        await _told(_verify_frames(svc, endpoint, some, verified, damage), named, damage)
        progress()
    return [
        *damage.broken,
        *(f"{cause}: {_enumerated(whats)} cannot be read" for cause, whats in damage.unreadable.items()),
    ]


async def _told(work: Awaitable[None], what: str, damage: Damage) -> None:
    try:
        await work
    except DeltaError:
        raise
    except Exception as error:  # a value of a damaged row is of any type
        damage.broken.append(f"the rows of {what} are not what was stored: {error}")


def _enumerated(whats: Sequence[str]) -> str:
    more = f" and {len(whats) - NAMED} more" if len(whats) > NAMED else ""
    return ", ".join(whats[:NAMED]) + more


async def _verify_pack(svc: Services, endpoint: int, pack_id: int, verified: Verified, damage: Damage) -> None:
    pack = await svc.db.read(store.pack, endpoint, pack_id)
    if pack is None:  # merged meanwhile
        return
    rows = await svc.db.read(store.many, endpoint, pack.members)
    members = [row for member in pack.members if (row := rows.get(member)) and row.pack == pack_id]
    verified.packs += 1
    verified.contents += len(members)
    verified.raw_bytes += pack.size
    if len(members) != pack.contents and pack_id in await svc.db.read(store.pack_ids, endpoint):
        damage.broken.append(f"pack {pack_id} (endpoint {endpoint}) holds contents that are not there")
    try:
        raw = await reading.read_pack(svc, endpoint, pack_id)
    except DatabaseFailed as error:
        damage.lost(f"pack {pack_id}", error)
        return
    except NotFound:  # deleted meanwhile
        return
    if raw is not None:
        await svc.spare_cpu(_check_members, members, raw, damage)


def _check_members(members: Sequence[Content], raw: Raw, damage: Damage) -> None:
    for content in members:
        try:
            reading.view_in(raw, content)
        except DatabaseFailed as error:
            if reading.is_in_damaged_frame(raw, content):
                damage.lost(f"content {content.id}", error)
                continue
            damage.broken.append(
                f"pack {content.pack} (endpoint {content.endpoint}) does not hold content {content.id} as it was stored"
            )


async def _verify_frames(svc: Services, endpoint: int, contents: list[int], verified: Verified, damage: Damage) -> None:
    """Frames in the order of their ids, which is that of their bases; one by one where something is wrong."""
    rows = await svc.db.read(store.many, endpoint, contents)
    frames = [row for content in contents if (row := rows.get(content)) and row.pack is None]
    verified.frames += len(frames)
    verified.contents += len(frames)
    verified.raw_bytes += sum(frame.size for frame in frames)
    for step in reading.steps(frames):
        try:
            async for _ in read_run(svc, endpoint, [content.id for content in step]):
                pass
        except (DatabaseFailed, NotFound):
            for content in step:
                await _verify_frame(svc, content, damage)


async def _verify_frame(svc: Services, content: Content, damage: Damage) -> None:
    try:
        await read(svc, content.endpoint, content.id)
    except DatabaseFailed as error:
        damage.lost(f"content {content.id}", error)
    except NotFound:  # deleted meanwhile
        pass
