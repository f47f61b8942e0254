"""Reading contents back: from the cache, else along the frames and packs that lead to them.

Every body is checked against its stored hash when it is decoded. One that does not match raises DatabaseFailed, which
names the frame or the pack; it is never handed out. The cache holds bodies by (endpoint, content) and decoded packs by
("pack", id): ids are never used twice, so nothing in it is ever out of date.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import msgspec

from delta_server.core import codec
from delta_server.core.errors import DatabaseFailed, NotFound
from delta_server.features.contents import store
from delta_server.features.contents.rows import Content, Pack, StoredFrame
from delta_server.services import Services
from delta_server.storage.cache import Cache
from delta_server.storage.database import Tx

B = TypeVar("B", bytes, memoryview)

STREAM_BELOW = 8
"""A content that ends in the first eighth of its pack is decoded by itself; beyond that the whole pack is faster."""

CACHED_SHARE = 4
"""A decoded pack is kept when it takes at most a quarter of the cache: it must not drive out the heads."""

STEP_BYTES = 8 << 20
STEP_CONTENTS = 512
PACKS_HELD = 2
"""`read_run` decodes this much at a time and holds this many decoded packs, whatever the run's length."""

_LONGEST_TRAIL = 100_000


class Link(msgspec.Struct, frozen=True):
    """One decode on the way to a content: its own frame (`pack` is None), or the pack it is in."""

    content: Content
    pack: Pack | None
    data: bytes


# Reading one


async def read(svc: Services, endpoint: int, content: int) -> bytes:
    """A content's bytes. Raises NotFound when it is gone, DatabaseFailed when what is stored is damaged."""
    body = svc.cache.get((endpoint, content)) or _from_cached_pack(svc, endpoint, content)
    if body is None:
        base, links = await svc.db.read(trail, svc.cache, endpoint, content)
        body = await svc.cpu(decode_trail, svc.cache, base, links)
        assert body is not None
        svc.cache.put((endpoint, content), body)
    return body


def _from_cached_pack(svc: Services, endpoint: int, content: int) -> bytes | None:
    row = svc.db.peek(store.get, endpoint, content)
    raw = svc.cache.get(("pack", row.pack)) if row and row.pack is not None else None
    return None if row is None or raw is None else cut(row, raw)


def trail(tx: Tx, cache: Cache, endpoint: int, content: int | None) -> tuple[bytes | None, list[Link]]:
    """The decodes that lead to a content, first to last, and the cached bytes the first one is based on, if any."""
    links: list[Link] = []
    while content is not None and len(links) < _LONGEST_TRAIL:
        body = cache.get((endpoint, content))
        if body is not None:
            return body, links[::-1]
        link, content = _link(tx, endpoint, content)
        links.append(link)
    if content is not None:
        raise DatabaseFailed(f"the bases of content {links[0].content.id} (endpoint {endpoint}) lead nowhere")
    return None, links[::-1]


def _link(tx: Tx, endpoint: int, content: int) -> tuple[Link, int | None]:
    """How a content is decoded, and the content that takes."""
    row = store.get(tx, endpoint, content)
    if row is None:
        raise NotFound(f"content {content} is not there (any more)")
    if row.pack is None:
        frame = store.frame(tx, endpoint, content)
        if frame is None:
            raise DatabaseFailed(f"content {content} (endpoint {endpoint}) has lost its frame; run delta-server verify")
        return Link(row, None, frame.data), frame.base
    pack = store.pack(tx, endpoint, row.pack)
    data = store.pack_data(tx, endpoint, row.pack)
    if pack is None or data is None:
        raise DatabaseFailed(f"pack {row.pack} (endpoint {endpoint}) is gone; run delta-server verify")
    return Link(row, pack, data), pack.base


def decode_trail(cache: Cache, base: bytes | None, links: Sequence[Link]) -> bytes | None:
    """The bytes the last link stands for. What the links before it stand for is checked too, and cached for packs."""
    body = base
    for link in links:
        body = _decode_link(cache, body, link)
        if link.pack is not None and link is not links[-1]:
            cache.put((link.content.endpoint, link.content.id), body)
    return body


def _decode_link(cache: Cache, base: bytes | None, link: Link) -> bytes:
    content = link.content
    try:
        if link.pack is None:
            return check(content, codec.decode(base, link.data, size=content.size))
        end = (content.position or 0) + content.size
        if end * STREAM_BELOW <= link.pack.size:
            return cut(content, codec.decode_start(base, link.data, size=link.pack.size, wanted=end))
        return cut(content, decode_pack(cache, base, link.pack, link.data))
    except codec.Corrupt as error:
        raise damaged(content, str(error)) from None


def decode_pack(cache: Cache, base: bytes | None, pack: Pack, data: bytes) -> bytes:
    """All of a pack's bytes, kept in the cache when they are not too many. Raises codec.Corrupt."""
    raw = codec.decode(base, data, size=pack.size)
    if len(raw) * CACHED_SHARE <= cache.limit_bytes:
        cache.put(("pack", pack.id), raw)
    return raw


def cut(content: Content, raw: B) -> B:
    """A content's bytes out of its decoded pack. Raises DatabaseFailed."""
    start = content.position or 0
    return check(content, raw[start : start + content.size])


def check(content: Content, body: B) -> B:
    """`body` if it is what was stored. Raises DatabaseFailed."""
    if codec.digest(body) != content.hash:
        raise damaged(content, "the bytes do not match their hash")
    return body


def damaged(content: Content, reason: str) -> DatabaseFailed:
    where = "frame" if content.pack is None else f"pack {content.pack}"
    return DatabaseFailed(
        f"{where} of content {content.id} (endpoint {content.endpoint}) is damaged: {reason}; run delta-server verify"
    )


# Reading many


async def read_run(svc: Services, endpoint: int, contents: Sequence[int]) -> AsyncIterator[tuple[int, bytes]]:
    """Each content's id and bytes, in the given order; fast when that is the order of the contents.

    Raises as `read`. Contents may be packed meanwhile.
    """
    held: OrderedDict[int, bytes] = OrderedDict()
    last: tuple[int, bytes] | None = None
    for start in range(0, len(contents), STEP_CONTENTS):
        wanted = contents[start : start + STEP_CONTENTS]
        rows = await svc.db.read(store.many, endpoint, wanted)
        for step in steps([rows[content] for content in wanted if content in rows]):
            for content, body in await _read_step(svc, held, last, step):
                yield content, body
                last = content, body
        if len(rows) < len(set(wanted)):
            raise NotFound("some of the contents are not there (any more)")


def steps(contents: Sequence[Content]) -> list[list[Content]]:
    """Neighbours in one pack, or neighbouring frames, as many as are decoded at a time."""
    cut_up: list[list[Content]] = []
    size = 0
    for content in contents:
        if cut_up and content.pack == cut_up[-1][-1].pack and size + content.size <= STEP_BYTES:
            cut_up[-1].append(content)
            size += content.size
        else:
            cut_up.append([content])
            size = content.size
    return cut_up


async def _read_step(
    svc: Services, held: OrderedDict[int, bytes], last: tuple[int, bytes] | None, step: list[Content]
) -> list[tuple[int, bytes]]:
    endpoint, pack = step[0].endpoint, step[0].pack
    cached = [(content.id, svc.cache.get((endpoint, content.id))) for content in step]
    known = [(content, body) for content, body in cached if body is not None]
    if len(known) == len(step):
        return known
    if pack is None:
        return await _read_frames(svc, last, step)
    raw = await _hold(svc, held, endpoint, pack)
    if raw is None:  # packed into another one since the rows were read
        return [(content.id, await read(svc, endpoint, content.id)) for content in step]
    return await svc.cpu(lambda: [(content.id, cut(content, raw)) for content in step])


async def _hold(svc: Services, held: OrderedDict[int, bytes], endpoint: int, pack: int) -> bytes | None:
    """A decoded pack, None when it is gone; the longest unused of those held makes room for it."""
    raw = held.get(pack)
    if raw is None:
        raw = await read_pack(svc, endpoint, pack)
        if raw is None:
            return None
        held[pack] = raw
        while len(held) > PACKS_HELD:
            held.popitem(last=False)
    held.move_to_end(pack)
    return raw


async def read_pack(svc: Services, endpoint: int, pack: int) -> bytes | None:
    """All of a pack's bytes, None when it is gone. Raises DatabaseFailed."""
    raw = svc.cache.get(("pack", pack))
    if raw is not None:
        return raw
    found = await svc.db.read(_pack_trail, svc.cache, endpoint, pack)
    if found is None:
        return None
    row, data, base, links = found
    try:
        return await svc.cpu(lambda: decode_pack(svc.cache, decode_trail(svc.cache, base, links), row, data))
    except codec.Corrupt as error:
        raise DatabaseFailed(f"pack {pack} (endpoint {endpoint}) is damaged: {error}") from None


def _pack_trail(tx: Tx, cache: Cache, endpoint: int, pack: int) -> tuple[Pack, bytes, bytes | None, list[Link]] | None:
    row, data = store.pack(tx, endpoint, pack), store.pack_data(tx, endpoint, pack)
    if row is None or data is None:
        return None
    return row, data, *trail(tx, cache, endpoint, row.base)


async def _read_frames(svc: Services, last: tuple[int, bytes] | None, step: list[Content]) -> list[tuple[int, bytes]]:
    endpoint = step[0].endpoint
    frames = await svc.db.read(_frames, endpoint, [content.id for content in step])
    if len(frames) < len(step):  # packed since the rows were read
        return [(content.id, await read(svc, endpoint, content.id)) for content in step]
    bases = dict([last] if last else [])
    inside: set[int] = set()
    for frame in frames:
        if frame.base is not None and frame.base not in inside and frame.base not in bases:
            bases[frame.base] = await read(svc, endpoint, frame.base)
        inside.add(frame.content)
    return await svc.cpu(decode_frames, bases, step, frames)


def _frames(tx: Tx, endpoint: int, contents: list[int]) -> list[StoredFrame]:
    return [frame for content in contents if (frame := store.frame(tx, endpoint, content))]


def decode_frames(
    bases: dict[int, bytes], contents: Sequence[Content], frames: Sequence[StoredFrame]
) -> list[tuple[int, bytes]]:
    """The bytes of contents that are frames, each based on one of `bases` or on one before it."""
    bodies = dict(bases)
    for content, frame in zip(contents, frames, strict=True):
        try:
            base = bodies[frame.base] if frame.base is not None else None
            bodies[content.id] = check(content, codec.decode(base, frame.data, size=content.size))
        except codec.Corrupt as error:
            raise damaged(content, str(error)) from None
    return [(content.id, bodies[content.id]) for content in contents]
