"""Reading contents back: from the cache, else along the frames and packs that lead to them.

Every body is checked against its stored hash when it is decoded. One that does not match raises DatabaseFailed, which
names the frame or the pack; it is never handed out. The cache holds bodies by (endpoint, content): ids are never used
twice, so nothing in it is ever out of date.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import ParamSpec, TypeAlias, TypeVar

import msgspec
import structlog

from delta_server.core.errors import DatabaseFailed, NotFound, Unavailable
from delta_server.core.packs import codec, handed_pack, pack_format
from delta_server.core.packs.handed_pack import HeldPacks
from delta_server.core.packs.pack_format import Reader
from delta_server.storage.cache import Cache, ScratchBuffer
from delta_server.storage.cold import store as cold
from delta_server.storage.cold.pieces import ColdStorageAway, PieceLost
from delta_server.storage.contents import cold_steps, frame_rows
from delta_server.storage.contents import store as sql
from delta_server.storage.contents.content_store import ContentStore
from delta_server.storage.contents.rows import Content, DecodeStep, Pack, PackData, PackTrail, StoredFrame
from delta_server.storage.database import Tx

STEP_BYTES = 8 << 20
STEP_CONTENTS = 512
"""`read_run` decodes this much at a time."""

B = TypeVar("B", bytes, memoryview)
P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger()


Anchors: TypeAlias = list[tuple[tuple[int, int], bytes]]
"""(endpoint, content) and bytes."""


class DecodedPack(msgspec.Struct, frozen=True):
    """A decoded pack: each of its frames, or why it is damaged."""

    pack: Pack
    anchor: bytes
    reader: Reader
    frames: list[memoryview | str]


# Reading one


async def read(store: ContentStore, endpoint: int, content: int) -> bytes:
    """A content's bytes. Raises NotFound when it is gone, DatabaseFailed when what is stored is damaged,
    Unavailable when memory is short."""
    body = store.cache.get((endpoint, content))
    if body is None:
        links = await _steps_to(store, endpoint, content)
        decoded, anchors = await decode_off_loop(store, run_decode_steps, store.cache.scratch, links)
        remember(store.cache, [*anchors, ((endpoint, content), decoded)])
        return decoded
    return body


async def _steps_to(store: ContentStore, endpoint: int, content: int) -> list[DecodeStep]:
    """With what is in cold storage; a pack may be written anew meanwhile. Raises as `read`, ColdStorageAway."""
    for again in (True, False):
        links = await store.db.read(decode_steps, store.cache, endpoint, content)
        try:
            return await cold_steps.fill(store.cold, links)
        except PieceLost as error:
            if not again:
                raise damaged(next(link.content for link in links if link.cold), str(error)) from None
    raise AssertionError


async def read_base(store: ContentStore, endpoint: int, content: int) -> bytes | None:
    """A content's bytes to encode another against, None when they cannot be read now. Raises NotFound."""
    try:
        return await read(store, endpoint, content)
    except ColdStorageAway:
        return None
    except DatabaseFailed as error:
        log.error("nothing is based on a damaged content", endpoint=endpoint, content=content, reason=error.message)
        return None


async def decode_off_loop(store: ContentStore, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Off the event loop. Raises Unavailable where memory is short: that is no damage."""
    try:
        return await store.cpu(fn, *args, **kwargs)
    except MemoryError:
        raise Unavailable("the server is out of memory; try again later", retry_after_s=30) from None


def decode_steps(tx: Tx, cache: Cache, endpoint: int, content: int) -> list[DecodeStep]:
    """The decodes that lead to a content, first to last. Raises NotFound, DatabaseFailed."""
    try:
        return _decode_steps(tx, cache, endpoint, content)
    except DatabaseFailed:
        if sql.is_living(tx, endpoint):
            raise
        raise NotFound(f"endpoint {endpoint} is being deleted") from None


def _decode_steps(tx: Tx, cache: Cache, endpoint: int, content: int) -> list[DecodeStep]:
    links: list[DecodeStep] = []
    step: int | None = content
    seen: set[int] = set()
    while step is not None:
        row = sql.get(tx, endpoint, step)
        if row is None and links:
            raise damaged(links[-1].content, "what it is based on is not there")
        if row is None:
            raise NotFound(f"content {step} is not there (any more)")
        if step in seen:
            raise damaged(row, "it is based on itself")
        seen.add(step)
        link, step = _link(tx, row, cache.get((endpoint, step)), as_anchor=_is_other(links))
        links.append(link)
    return links[::-1]


def _is_other(links: list[DecodeStep]) -> bool:
    """Whether the last link needs the anchor of its pack, and what that is based on too."""
    return bool(links) and links[-1].body is None and links[-1].content.position not in (None, pack_format.ANCHOR)


def _link(tx: Tx, content: Content, body: bytes | None, *, as_anchor: bool) -> tuple[DecodeStep, int | None]:
    """How a content is decoded, and the content that takes."""
    endpoint = content.endpoint
    if body is not None and not as_anchor:
        return DecodeStep(content, None, b"", body), None
    if content.pack is None:
        frame = frame_rows.frame(tx, endpoint, content.id)
        if frame is None:
            raise damaged(content, "it is not there")
        return DecodeStep(content, None, frame.data), frame.base
    pack = sql.pack(tx, endpoint, content.pack)
    if pack is None:
        raise damaged(content, "it is not there")
    if content.position == pack_format.ANCHOR:
        data = sql.pack_anchor(tx, endpoint, pack.id) if body is None else b""
        return DecodeStep(content, pack, data, body), pack.base
    found = pack_data(tx, endpoint, pack.id)
    return DecodeStep(content, pack, found.data, table=found.table, cold=found.cold), pack.members[-1]


def pack_data(tx: Tx, endpoint: int, pack: int) -> PackData:
    data, table = sql.pack_data(tx, endpoint, pack)
    return PackData(data, table, None if data else cold.of_pack(tx, endpoint, pack))


def run_decode_steps(scratch: ScratchBuffer, links: Sequence[DecodeStep]) -> tuple[bytes, Anchors]:
    """The bytes the last link stands for, and the anchors on the way, for the cache: this runs where it may be
    interrupted. What the links before the last stand for is checked too."""
    below, body = None, b""
    anchors: Anchors = []
    for link in links:
        base, below = below, body or None
        body = link.body or _decode_link(scratch, base, below, link)
        if link.content.position == pack_format.ANCHOR:
            anchors.append(((link.content.endpoint, link.content.id), body))
    return body, anchors


def remember(cache: Cache, anchors: Anchors) -> None:
    for key, body in anchors:
        cache.put(key, body)


def _decode_link(scratch: ScratchBuffer, base: bytes | None, below: bytes | None, link: DecodeStep) -> bytes:
    """`below` is what the link before this one stands for, `base` what the one before that does."""
    content, pack = link.content, link.pack
    try:
        if pack is None or content.position == pack_format.ANCHOR:
            return check(content, codec.decode(below, link.data, size=content.size))
        reader = Reader(link.table, link.data, pack.size - len(below or b""))
        return _decode_other(scratch, reader, base, below or b"", content)
    except codec.Corrupt as error:
        raise damaged(content, str(error)) from None


def _decode_other(scratch: ScratchBuffer, reader: Reader, base: bytes | None, anchor: bytes, content: Content) -> bytes:
    """A content that is not its pack's anchor: out of the marks and one gap, or of one of the two. Raises Corrupt."""
    number, start = reader.place(content.position or 0)
    wanted = sorted({0, number}) if reader.has_marks else [number]
    for each in wanted:
        reader.check(each)
    with scratch.borrow((content.pack, number), sum(reader.sizes[each] for each in wanted)) as lent:
        views, begin = [], 0
        for each in wanted:
            views.append(lent.view[begin : begin + reader.sizes[each]])
            begin += reader.sizes[each]
            if not lent.filled:
                reader.decode(each, base, anchor, views[0] if each else None, views[-1])
        lent.filled = True
        return bytes(check(content, views[-1][start : start + content.size]))


def check(content: Content, body: B) -> B:
    """`body` if it is what was stored. Raises DatabaseFailed."""
    if codec.digest(body) != content.hash:
        raise damaged(content, "the bytes do not match their hash")
    return body


def damaged(content: Content, reason: str) -> DatabaseFailed:
    where = "frame" if content.pack is None else f"pack {content.pack}"
    return DatabaseFailed(
        f"the {where} of content {content.id} (endpoint {content.endpoint}) is damaged: {reason};"
        " run delta-server verify"
    )


# Reading many


async def read_run(store: ContentStore, endpoint: int, contents: Sequence[int]) -> AsyncIterator[tuple[int, bytes]]:
    """Each content's id and bytes, in the given order; fast when that is the order of the contents.

    Raises as `read`. Contents may be packed meanwhile.
    """
    held = HeldPacks[DecodedPack]()
    last: tuple[int, bytes] | None = None
    for start in range(0, len(contents), STEP_CONTENTS):
        wanted = contents[start : start + STEP_CONTENTS]
        if (known := store.cache.get_all((endpoint, content) for content in wanted)) is not None:
            for last in zip(wanted, known, strict=True):
                yield last
            continue
        rows = await store.db.read(sql.by_ids, endpoint, wanted)
        for step in group_for_decoding([rows[content] for content in wanted if content in rows]):
            for content, body in await _read_step(store, held, last, step):
                yield content, body
                last = content, body
        if len(rows) < len(set(wanted)):
            raise NotFound("some of the contents are not there (any more)")


def group_for_decoding(contents: Sequence[Content]) -> list[list[Content]]:
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
    store: ContentStore, held: HeldPacks[DecodedPack], last: tuple[int, bytes] | None, step: list[Content]
) -> list[tuple[int, bytes]]:
    endpoint, pack = step[0].endpoint, step[0].pack
    cached = [(content.id, store.cache.get((endpoint, content.id))) for content in step]
    known = [(content, body) for content, body in cached if body is not None]
    if len(known) == len(step):
        return known
    if pack is None:
        return await _read_frames(store, last, step)
    raw = await _hold_pack(store, held, endpoint, pack)
    if raw is None:  # packed into another one since the rows were read
        return [(content.id, await read(store, endpoint, content.id)) for content in step]
    return await decode_off_loop(store, lambda: [(content.id, bytes(view_in(raw, content))) for content in step])


def view_in(raw: DecodedPack, content: Content) -> memoryview:
    """A content of a decoded pack. Raises DatabaseFailed."""
    if content.position == pack_format.ANCHOR:
        return memoryview(check(content, raw.anchor))
    number, start = raw.reader.place(content.position or 0)
    frame = raw.frames[number]
    if isinstance(frame, str):
        raise damaged_pack(raw.pack, frame)
    return check(content, frame[start : start + content.size])


async def _hold_pack(store: ContentStore, held: HeldPacks[DecodedPack], endpoint: int, pack: int) -> DecodedPack | None:
    """A decoded pack, None when it is gone."""
    raw = held.get(pack) or await read_pack(store, endpoint, pack)
    return None if raw is None else held.hold(pack, raw)


async def read_pack(store: ContentStore, endpoint: int, pack: int) -> DecodedPack | None:
    """All of a pack's contents, None when it is gone. Raises DatabaseFailed."""
    found = await trail_of(store, endpoint, pack)
    if found is None:
        return None
    raw, anchors = await decode_off_loop(store, decode_pack, store.cache.scratch, *found)
    remember(store.cache, anchors)
    return raw


async def trail_of(store: ContentStore, endpoint: int, pack: int) -> PackTrail | None:
    """As `_steps_to`."""
    for again in (True, False):
        found = await store.db.read(pack_trail, store.cache, endpoint, pack)
        try:
            return found and await cold_steps.fill_trail(store.cold, found)
        except PieceLost as error:
            if found and not again:
                raise damaged_pack(found[0], str(error)) from None
    raise AssertionError


def pack_trail(tx: Tx, cache: Cache, endpoint: int, pack_id: int) -> PackTrail | None:
    """A pack, its frames, and the trails to its base and to its anchor."""
    pack = sql.pack(tx, endpoint, pack_id)
    if pack is None:
        return None
    try:
        base = decode_steps(tx, cache, endpoint, pack.base) if pack.base is not None else []
        return pack, pack_data(tx, endpoint, pack_id), base, decode_steps(tx, cache, endpoint, pack.members[-1])
    except NotFound as error:
        if not sql.is_living(tx, endpoint):
            raise
        raise damaged_pack(pack, error.message) from None


def damaged_pack(pack: Pack, reason: str) -> DatabaseFailed:
    return handed_pack.damaged(name_of(pack), reason)


def name_of(pack: Pack) -> str:
    """In errors."""
    return f"pack {pack.id} (endpoint {pack.endpoint})"


def decode_pack(
    scratch: ScratchBuffer,
    pack: Pack,
    found: PackData,
    to_base: list[DecodeStep],
    to_anchor: list[DecodeStep],
) -> tuple[DecodedPack, Anchors]:
    """Raises DatabaseFailed, but not for a gap: its damage is in what comes back."""
    base, below = run_decode_steps(scratch, to_base) if to_base else (None, [])
    anchor, anchors = run_decode_steps(scratch, to_anchor)
    try:
        reader = Reader(found.table, found.data, pack.size - len(anchor))
        frames = reader.decode_all(base, anchor)
    except codec.Corrupt as error:
        raise damaged_pack(pack, str(error)) from None
    return DecodedPack(pack, anchor, reader, frames), below + anchors


async def _read_frames(
    store: ContentStore, last: tuple[int, bytes] | None, step: list[Content]
) -> list[tuple[int, bytes]]:
    endpoint = step[0].endpoint
    found = await store.db.read(frames, endpoint, [content.id for content in step])
    try:
        if len(found) == len(step):
            bases = await _bases(store, endpoint, found, dict([last] if last else []))
            return await decode_off_loop(store, decode_frames, bases, step, found)
    except NotFound:
        pass  # based on something else by now, as below
    # packed since the rows were read
    return [(content.id, await read(store, endpoint, content.id)) for content in step]


async def _bases(
    store: ContentStore, endpoint: int, frames: Sequence[StoredFrame], bases: dict[int, bytes]
) -> dict[int, bytes]:
    """`bases` and all else the frames are based on that is not one of those before it."""
    before: set[int] = set()
    for frame in frames:
        if frame.base is not None and frame.base not in before and frame.base not in bases:
            bases[frame.base] = await read(store, endpoint, frame.base)
        before.add(frame.content)
    return bases


def frames(tx: Tx, endpoint: int, contents: list[int]) -> list[StoredFrame]:
    return [frame for content in contents if (frame := frame_rows.frame(tx, endpoint, content))]


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
