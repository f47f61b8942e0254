"""The content store as other features see it: encode a body, add it, read it back byte for byte.

    frame = await encode_next(svc, endpoint, head, body)      # outside of the transaction
    content = add(tx, endpoint, captured_at, frame)           # inside; None: the base is gone, encode again
    remember(svc, endpoint, content, body)                    # after the commit
    body = await read(svc, endpoint, content)

Many at once, in order: `encode_run` and `add_run` in place of the first two, as often as `run_is_full` says.
"""

from delta_server.core import chain, codec
from delta_server.core.codec import digest
from delta_server.features.contents.packing import Run, add_run, encode_run, frame_depth, pack_bounds, run_is_full
from delta_server.features.contents.reading import read, read_run
from delta_server.features.contents.store import (
    Content,
    Frame,
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
]


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
