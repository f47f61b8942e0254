"""The store of contents as its users see it: encode a body, add it, read it back byte for byte.

    depth = frame_depth(tx, endpoint, head.id)                # in a transaction that reads
    base = await base_of(store, endpoint, head, depth, len(body))
    frame = encode_frame(base, body, store.packs)             # on a thread
    content = add(tx, endpoint, captured_at, frame)           # in one that writes; None: its base is gone
    remember(store, endpoint, content, body)                  # after the commit
    body = await read(store, endpoint, content)

What is large is stored ahead (large_frames.py), which no write waits for as long:

    async with storing(store.db) as ahead:
        content = add(tx, endpoint, captured_at, replace(frame, data=await ahead(frame.data)))

Many at once, in order: `encode_batch` and `add_batch` in place of the first two, as often as `batch_is_full` says.
"""

from delta_server.core.packs import codec, pack_plan
from delta_server.core.packs.codec import digest
from delta_server.storage.contents import frame_rows, reading
from delta_server.storage.contents import store as sql
from delta_server.storage.contents.content_store import ContentStore
from delta_server.storage.contents.handing_over import PackedRun, hand_over_run
from delta_server.storage.contents.large_frames import batch_ahead, storing
from delta_server.storage.contents.maintenance import sweep
from delta_server.storage.contents.options import Packs
from delta_server.storage.contents.packing import Batch, add_batch, batch_is_full, encode_batch, pack_bounds
from delta_server.storage.contents.reading import read, read_run
from delta_server.storage.contents.row_sizes import delete_some
from delta_server.storage.contents.rows import Base, Content, Frame
from delta_server.storage.contents.store import (
    add,
    after,
    before,
    content_at,
    follow,
    frame_depth,
    get,
    head,
    mark_dead,
    newest_frame,
    touch,
)
from delta_server.storage.database import Tx

__all__ = [
    "Base",
    "Batch",
    "Content",
    "ContentStore",
    "Frame",
    "PackedRun",
    "add",
    "add_batch",
    "add_last",
    "after",
    "base_of",
    "batch_ahead",
    "batch_is_full",
    "before",
    "cached",
    "content_at",
    "delete_some",
    "digest",
    "encode_batch",
    "encode_frame",
    "follow",
    "frame_depth",
    "get",
    "hand_over_run",
    "head",
    "mark_dead",
    "newest_frame",
    "read",
    "read_run",
    "remember",
    "storing",
    "sweep",
    "touch",
]


async def base_of(store: ContentStore, endpoint: int, previous: Content, depth: int, size: int) -> Base | None:
    """What a content of `size` bytes that follows `previous` is encoded against; `depth` is `frame_depth` of that.

    None when it is to stand alone: the chain of frames is long enough, or `previous` is damaged.
    """
    if pack_plan.is_keyframe(size, depth, pack_bounds(store.packs)):
        return None
    body = await reading.read_base(store, endpoint, previous.id)
    return None if body is None else Base(previous.id, body, depth)


def encode_frame(base: Base | None, body: bytes, packs: Packs) -> Frame:
    """`body` encoded against `base`, or alone where a chain of frames would become too long."""
    if base is None or pack_plan.is_keyframe(len(body), base.depth, pack_bounds(packs)):
        return Frame(digest(body), len(body), None, True, 1, codec.encode(None, body, level=packs.frame_level))
    data = codec.encode(base.body, body, level=packs.frame_level, loose=True)
    return Frame(digest(body), len(body), base.content, False, base.depth + 1, data)


def add_last(tx: Tx, endpoint: int, captured_at: int, frame: Frame, head: Content | None) -> Content:
    """Add a content after all the endpoint has; `head` is the last of these, which `frame` is based on unless it stands
    alone."""
    assert frame.alone or head is not None, "a frame that does not stand alone follows another content"
    base = None if frame.alone or head is None else head.id
    [content] = sql.insert_contents(tx, endpoint, [captured_at], [frame.size], [frame.hash], is_last=True)
    frame_rows.insert_frame(tx, endpoint, content, frame.size, base, frame.data)
    return Content(content, endpoint, captured_at, frame.size, frame.hash, None, None, dead=0)


def cached(store: ContentStore, endpoint: int, content: int) -> bytes | None:
    """A content's bytes if they are at hand."""
    return store.cache.get((endpoint, content))


def remember(store: ContentStore, endpoint: int, content: int, body: bytes) -> None:
    """Keep a body just stored at hand: the next one is encoded against it, and its delta is computed from it."""
    store.cache.put((endpoint, content), body)
