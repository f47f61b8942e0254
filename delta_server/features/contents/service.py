"""The content store as other features see it: encode a body, add it, read it back byte for byte.

    frame = await encode_next(svc, endpoint, head, body)      # outside of the transaction
    content = add(tx, endpoint, captured_at, frame)           # inside; None: the base is gone, encode again
    remember(svc, endpoint, content, body)                    # after the commit
    body = await read(svc, endpoint, content)

Many at once, in order: `encode_run` and `add_run` in place of the first two, as often as `run_is_full` says.
"""

from collections.abc import Callable, Sequence

import msgspec

from delta_server.core import chain, codec
from delta_server.core.codec import digest
from delta_server.core.errors import DatabaseFailed
from delta_server.features.contents import reading, store
from delta_server.features.contents.packing import Run, add_run, encode_run, frame_depth, pack_bounds, run_is_full
from delta_server.features.contents.reading import Raw, read, read_run
from delta_server.features.contents.rows import Content, Frame
from delta_server.features.contents.store import (
    add,
    after,
    at,
    before,
    follow,
    get,
    head,
    mark_dead,
    touch,
)
from delta_server.services import Services
from delta_server.storage.cache import Cache

__all__ = [
    "Content",
    "Frame",
    "Run",
    "add",
    "add_run",
    "after",
    "at",
    "before",
    "digest",
    "encode_frame",
    "encode_next",
    "encode_run",
    "follow",
    "get",
    "head",
    "mark_dead",
    "read",
    "read_run",
    "remember",
    "run_is_full",
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
    unreadable: dict[str, list[str]] = {}
    """By cause, what cannot be read because of it: all that is based on one damaged frame, say."""

    def lost(self, what: str, error: DatabaseFailed) -> None:
        self.unreadable.setdefault(error.message.removesuffix("; run delta-server verify"), []).append(what)


async def encode_next(svc: Services, endpoint: int, previous: Content | None, body: bytes) -> Frame:
    """`body` encoded against `previous`, the content it will follow."""
    if previous is not None and chain.is_large(len(body), pack_bounds(svc)):
        depth = await svc.db.read(frame_depth, endpoint, previous.id)
        previous = None if chain.is_keyframe(len(body), depth, pack_bounds(svc)) else previous
    base = await read(svc, endpoint, previous.id) if previous else None
    return await svc.cpu(encode_frame, previous.id if previous else None, base, body, svc.config.packs.frame_level)


def encode_frame(base: int | None, base_body: bytes | None, body: bytes, level: int) -> Frame:
    return Frame(digest(body), len(body), base, codec.encode(base_body, body, level=level))


def remember(svc: Services, endpoint: int, content: int, body: bytes) -> None:
    """Keep a body just stored at hand: the next one is encoded against it, and its delta is computed from it."""
    svc.cache.put((endpoint, content), body)


# Verification


async def verify(svc: Services, progress: Callable[[int, int], None] = lambda done, of: None) -> Verified:
    """Read every pack and frame from disk, check every hash, and that nothing is missing or left over.

    `progress(done, of)` counts contents. Damage is reported, not raised.
    """
    svc = msgspec.structs.replace(svc, cache=Cache(svc.cache.limit_bytes))
    verified = Verified()
    total = await svc.db.read(store.count)
    for endpoint in await svc.db.read(store.endpoints):
        verified.broken += await svc.db.read(store.misplaced, endpoint)
        for pack in await svc.db.read(store.pack_ids, endpoint):
            await _verify_pack(svc, endpoint, pack, verified)
            progress(verified.contents, total)
        frames = await svc.db.read(store.frame_ids, endpoint)
        for start in range(0, len(frames), VERIFIED_AT_ONCE):
            await _verify_frames(svc, endpoint, frames[start : start + VERIFIED_AT_ONCE], verified)
            progress(verified.contents, total)
    verified.broken += [f"{cause}: {_enumerated(whats)} cannot be read" for cause, whats in verified.unreadable.items()]
    return verified


def _enumerated(whats: Sequence[str]) -> str:
    more = f" and {len(whats) - NAMED} more" if len(whats) > NAMED else ""
    return ", ".join(whats[:NAMED]) + more


async def _verify_pack(svc: Services, endpoint: int, pack_id: int, verified: Verified) -> None:
    pack = await svc.db.read(store.pack, endpoint, pack_id)
    if pack is None:  # merged meanwhile
        return
    rows = await svc.db.read(store.many, endpoint, pack.members)
    members = [row for member in pack.members if (row := rows.get(member)) and row.pack == pack_id]
    verified.packs += 1
    verified.contents += len(members)
    verified.raw_bytes += pack.size
    if len(members) != pack.contents and pack_id in await svc.db.read(store.pack_ids, endpoint):
        verified.broken.append(f"pack {pack_id} (endpoint {endpoint}) holds contents that are not there")
    try:
        raw = await reading.read_pack(svc, endpoint, pack_id)
    except DatabaseFailed as error:
        verified.lost(f"pack {pack_id}", error)
        return
    if raw is not None:
        verified.broken += await svc.spare_cpu(_wrong, members, raw)


def _wrong(members: Sequence[Content], raw: Raw) -> list[str]:
    wrong = []
    for content in members:
        try:
            reading.view_in(raw, content)
        except DatabaseFailed:
            wrong.append(
                f"pack {content.pack} (endpoint {content.endpoint}) does not hold content {content.id} as it was stored"
            )
    return wrong


async def _verify_frames(svc: Services, endpoint: int, contents: list[int], verified: Verified) -> None:
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
        except DatabaseFailed:
            for content in step:
                await _verify_frame(svc, content, verified)


async def _verify_frame(svc: Services, content: Content, verified: Verified) -> None:
    try:
        await read(svc, content.endpoint, content.id)
    except DatabaseFailed as error:
        verified.lost(f"content {content.id}", error)
