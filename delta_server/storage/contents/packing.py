"""Many contents in one pack: those of an import at once, loose frames, packs that merge into deep ones.

Each step computes outside of a transaction; one transaction then replaces, and raises Stale, which undoes it, when
something it replaces or stands on has changed since. Nothing is lost: the next run starts from what is there.

What is damaged is left as it is and reported at the end.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby

import msgspec

from delta_server.core.errors import Conflict, DatabaseFailed
from delta_server.core.packs import codec, pack_format, pack_plan
from delta_server.core.packs.pack_format import Packed
from delta_server.core.packs.pack_plan import STORED, BatchPart, PackBounds, Predecessor
from delta_server.storage import large_files
from delta_server.storage.cold import store as cold
from delta_server.storage.contents import frame_rows, reading, row_sizes
from delta_server.storage.contents import store as sql
from delta_server.storage.contents.content_store import ContentStore
from delta_server.storage.contents.options import Packs
from delta_server.storage.contents.reading import DecodedPack
from delta_server.storage.contents.rows import Content, FrameData, NewPack, Pack
from delta_server.storage.database import Tx, frees_space


class Stale(Exception):
    """Something changed while the work was computed."""


class Anchor(msgspec.Struct, frozen=True):
    """The last content of a pack, what other packs are based on, with the pack's `chain`."""

    content: Content
    chain: int


class ErrorCollector:
    """Collects damage and lost races while the work on all else goes on."""

    def __init__(self) -> None:
        self._found: list[DatabaseFailed | Conflict] = []

    @contextmanager
    def collecting(self) -> Iterator[None]:
        try:
            yield
        except (DatabaseFailed, Conflict) as error:
            self.add(error)

    def add(self, error: DatabaseFailed | Conflict) -> None:
        self._found.append(error)

    def raise_first(self) -> None:
        """Raise the first, with the number of the others, if there is any."""
        if self._found:
            first, more = self._found[0], len(self._found) - 1
            raise type(first)(first.message + (f" (and {more} more of this kind)" if more else ""))


class Batch(msgspec.Struct, frozen=True):
    """Encoded contents on their way into the store, in order. `parts` tell what each of `data` holds; `frame_base` and
    `pack_base` are the stored contents behind `pack_plan.STORED`."""

    captured_at: list[int]
    sizes: list[int]
    hashes: list[bytes]
    parts: list[BatchPart]
    data: list[FrameData | Packed]
    frame_base: int | None
    pack_base: int | None


def pack_bounds(packs: Packs) -> PackBounds:
    return PackBounds(packs.pack_bytes, packs.pack_contents, large_bytes=packs.pack_bytes)


def deep_bounds(packs: Packs) -> PackBounds:
    return PackBounds(packs.deep_bytes, packs.deep_contents, large_bytes=packs.pack_bytes)


# A batch of new contents


async def encode_batch(
    store: ContentStore, endpoint: int, previous: Content | None, items: Sequence[tuple[int, bytes]]
) -> Batch:
    """Encode (captured_at, body) in order: in packs at once where there is enough for one, else in frames.

    `previous` is the content before the first. Give as many as `batch_is_full` says for the best packs.
    """
    bodies = [body for _, body in items]
    sizes = [len(body) for body in bodies]
    anchor, depth = await store.db.read(_above, endpoint, items[0][0], previous)
    anchor_body = await reading.read_base(store, endpoint, anchor.content.id) if anchor else None
    anchor = anchor if anchor_body is not None else None
    previous_body = await reading.read_base(store, endpoint, previous.id) if previous else None
    above = Predecessor(
        pack_chain=anchor.chain if anchor else None,
        anchor_size=anchor.content.size if anchor else 0,
        frame_depth=depth if previous_body is not None else None,
    )
    packs = store.packs
    parts = pack_plan.plan_batch(sizes, deep_bounds(packs), least=pack_bounds(packs), above=above)
    data: list[FrameData | Packed] = []
    for part in parts:
        stored = previous_body if part.chain is None else anchor_body
        base = None if part.base is None else stored if part.base == STORED else bodies[part.base]
        data.append(await store.spare_cpu(_encode_part, part, base, bodies, packs))
    hashes = await store.cpu(lambda: [codec.digest(body) for body in bodies])
    times = [captured_at for captured_at, _ in items]
    return Batch(times, sizes, hashes, parts, data, _id(previous), _id(_content(anchor)))


def _encode_part(part: BatchPart, base: bytes | None, bodies: list[bytes], levels: Packs) -> bytes | Packed:
    if part.chain is None:
        return codec.encode(base, bodies[part.start], level=levels.frame_level)
    return pack_format.encode(base, bodies[part.start : part.stop], level=levels.pack_level)


def batch_is_full(store: ContentStore, size_bytes: int, contents: int) -> bool:
    """Whether that many contents of so many bytes in all make the largest pack there is: time to `encode_batch` them.

    Another one of their average size would not fit.
    """
    return pack_plan.is_full(size_bytes + size_bytes // max(1, contents), contents + 1, deep_bounds(store.packs))


def add_batch(tx: Tx, endpoint: int, batch: Batch) -> list[int] | None:
    """The ids of the new contents, in order; None when a content they are based on is gone or has moved.

    They and the contents after them become pending, as with `add`.
    """
    if not all(_is_base_valid(tx, endpoint, batch, part) for part in batch.parts):
        return None
    ids = sql.insert_contents(tx, endpoint, batch.captured_at, batch.sizes, batch.hashes)
    for part, data in zip(batch.parts, batch.data, strict=True):
        _insert_part(tx, endpoint, batch, part, data, ids)
    return ids


def _above(tx: Tx, endpoint: int, captured_at: int, previous: Content | None) -> tuple[Anchor | None, int | None]:
    """What a pack and a frame at a time are based on: the pack before it, and the depth of the frame before it."""
    pack = sql.pack_before(tx, endpoint, captured_at)
    depth = sql.frame_depth(tx, endpoint, previous.id) if previous else None
    return anchor_of(tx, endpoint, pack), depth


def anchor_of(tx: Tx, endpoint: int, pack: Pack | None) -> Anchor | None:
    content = sql.get(tx, endpoint, pack.members[-1]) if pack else None
    return Anchor(content, pack.chain) if pack and content else None


def _content(anchor: Anchor | None) -> Content | None:
    return anchor.content if anchor else None


def _id(content: Content | None) -> int | None:
    return content.id if content else None


def _is_base_valid(tx: Tx, endpoint: int, batch: Batch, part: BatchPart) -> bool:
    """Whether the stored content a part is based on is where it has to be."""
    if part.base != STORED:
        return True
    if part.chain is None:
        return batch.frame_base is not None and sql.get(tx, endpoint, batch.frame_base) is not None
    return _is_below(tx, endpoint, batch.pack_base, part.chain)


def _is_below(tx: Tx, endpoint: int, base: int | None, pack_chain: int) -> bool:
    """Whether a pack with this `chain` may be based on a content: see core/packs/pack_plan.py."""
    below = None if base is None else sql.chain_of(tx, endpoint, base)
    return below is not None and below < pack_chain


def _insert_part(
    tx: Tx, endpoint: int, batch: Batch, part: BatchPart, data: FrameData | Packed, ids: list[int]
) -> None:
    stored = batch.frame_base if part.chain is None else batch.pack_base
    base = stored if part.base == STORED else None if part.base is None else ids[part.base]
    sizes = batch.sizes[part.start : part.stop]
    if isinstance(data, Packed) and part.chain is not None:
        new = NewPack(batch.captured_at[part.start], False, base, part.chain, sizes, tx.now_ms, data)
        sql.insert_pack(tx, endpoint, new, ids[part.start : part.stop])
    elif not isinstance(data, Packed):
        frame_rows.insert_frame(tx, endpoint, ids[part.start], sizes[0], base, data)


# Loose frames


async def pack_loose(store: ContentStore, endpoint: int, *, everything: bool = False) -> int:
    """Pack an endpoint's frames; those that do not fill a pack only with `everything`. The number of packs made.

    Raises Stale, and in the end DatabaseFailed when there are damaged ones among them.
    """
    bounds = pack_bounds(store.packs)
    loose = await store.db.read(sql.loose_frames, endpoint, size_limit=bounds.large_bytes)
    frames = await store.db.read(row_sizes.frame_sizes, endpoint)
    weights = {content.id: pack_plan.weight(content.size, frames.get(content.id, 0)) for content in loose}
    made, errors = 0, ErrorCollector()
    groups = pack_plan.groups if everything else pack_plan.full_groups
    while runs := groups([weights[content.id] for content in loose], bounds):
        group = loose[: runs[0].stop]
        bodies = await _readable(store, endpoint, group, errors)
        if len(bodies) == len(group):
            weight = sum(weights[content.id] for content in group)
            is_whole = len(group) < len(loose) or pack_plan.is_full(weight, len(group), bounds)
            made += await _pack_frames(store, endpoint, group, list(bodies.values()), always=is_whole)
            loose = loose[len(group) :]
        else:
            loose = [content for content in group if content.id in bodies] + loose[len(group) :]
    errors.raise_first()
    return made


async def _readable(
    store: ContentStore, endpoint: int, group: Sequence[Content], errors: ErrorCollector
) -> dict[int, bytes]:
    """The bodies of a group of frames, without those that are damaged or based on one in the group that is."""
    ids = [content.id for content in group]
    try:
        return {content: body async for content, body in reading.read_run(store, endpoint, ids)}
    except DatabaseFailed as error:
        errors.add(error)
    bases = {frame.content: frame.base for frame in await store.db.read(reading.frames, endpoint, ids)}
    bodies: dict[int, bytes] = {}
    damaged: set[int | None] = set()
    for content in ids:
        if bases.get(content) not in damaged:
            with suppress(DatabaseFailed):
                bodies[content] = await reading.read(store, endpoint, content)
        if content not in bodies:
            damaged.add(content)
    return bodies


async def _pack_frames(
    store: ContentStore, endpoint: int, contents: list[Content], bodies: list[bytes], *, always: bool
) -> bool:
    """False when they would take more room in one than they do as frames; `always`: they are not the last, or fill
    one."""
    bounds = pack_bounds(store.packs)
    ids = [content.id for content in contents]
    sizes = [content.size for content in contents]
    anchor, _ = await store.db.read(_above, endpoint, contents[0].captured_at, None)
    pack_chain = pack_plan.next_chain(anchor.chain if anchor else None, anchor.content.size if anchor else 0, bounds)
    base = anchor.content if anchor and pack_chain else None
    base_body = await reading.read_base(store, endpoint, base.id) if base else None
    if base_body is None:
        base, pack_chain = None, 0
    packed = await store.spare_cpu(pack_format.encode, base_body, bodies, level=store.packs.pack_level)
    if not always and len(packed.anchor + packed.data) >= await store.db.read(sql.frame_bytes, endpoint, ids):
        return False
    now_ms = store.clock.now_ms()
    new = NewPack(contents[0].captured_at, False, _id(base), pack_chain, sizes, now_ms, packed)
    await store.db.write(_frames_to_pack, endpoint, new, ids)
    await large_files.drop_given_up(store.db)
    return True


def _frames_to_pack(tx: Tx, endpoint: int, new: NewPack, contents: Sequence[int]) -> None:
    if new.base is not None and not _is_below(tx, endpoint, new.base, new.chain):
        raise Stale
    if frame_rows.delete_frames(tx, endpoint, contents) < len(contents):
        raise Stale
    sql.insert_pack(tx, endpoint, new, contents)


# Packs into other packs


async def merge_packs(store: ContentStore, endpoint: int, *, created_before: int) -> int:
    """Merge an endpoint's neighbouring packs older than that into deep ones. The number of deep packs made.

    Raises Stale, and in the end DatabaseFailed when there are damaged ones among them.
    """
    runs = await store.db.read(_merges, endpoint, created_before, deep_bounds(store.packs))
    errors = ErrorCollector()
    for merged in runs:
        members = await store.db.read(sql.by_ids, endpoint, [member for pack in merged for member in pack.members])
        with errors.collecting():
            await repack(store, endpoint, merged, sorted(members.values(), key=_order), deep=True)
    with errors.collecting():
        await rebase_onto_anchors(store, endpoint)
    errors.raise_first()
    return len(runs)


def _merges(tx: Tx, endpoint: int, created_before: int, bounds: PackBounds) -> list[list[Pack]]:
    """Neighbouring packs that are to be one. Those in cold storage stay as they are, and so what is on either side of
    them."""
    stored, moved = row_sizes.pack_sizes(tx, endpoint), cold.packs_of(tx, endpoint)
    found = []
    for is_moved, neighbours in groupby(
        sql.packs(tx, endpoint, created_before=created_before), key=lambda pack: pack.id in moved
    ):
        packs = [] if is_moved else list(neighbours)
        weights = [(pack_plan.weight(pack.size, stored.get(pack.id, 0)), pack.contents) for pack in packs]
        found += [packs[run.start : run.stop] for run in pack_plan.merges(weights, bounds)]
    return found


def _order(content: Content) -> tuple[int, int]:
    return content.captured_at, content.id


async def rebase_onto_anchors(store: ContentStore, endpoint: int) -> None:
    """Base every pack on an anchor again. Raises Stale, and in the end DatabaseFailed."""
    errors = ErrorCollector()
    for pack_id in await store.db.read(sql.packs_off_anchors, endpoint):
        pack = await store.db.read(sql.pack, endpoint, pack_id)
        if pack is None:
            raise Stale
        members = await store.db.read(sql.by_ids, endpoint, pack.members)
        with errors.collecting():
            await repack(store, endpoint, [pack], [members[member] for member in pack.members], deep=bool(pack.deep))
    errors.raise_first()


async def repack(
    store: ContentStore,
    endpoint: int,
    packs: Sequence[Pack],
    members: Sequence[Content],
    *,
    deep: bool,
) -> None:
    """Replace packs by one of `members`; contents of theirs that are not among these are deleted for good.

    The new pack stands on what the least of the packs stood on, so that its `chain` is not above any of theirs: a pack
    based on one of them is still based on something below it. Raises Stale, DatabaseFailed.
    """
    lowest = min(packs, key=lambda pack: pack.chain)
    base = await store.db.read(_base_for, endpoint, lowest)
    base_body = await reading.read(store, endpoint, base.content.id) if base else None
    raws = {pack.id: raw for pack in packs if (raw := await reading.read_pack(store, endpoint, pack.id))}
    packed = await store.spare_cpu(_reencode, base_body, raws, members, store.packs.pack_level)
    moved = await store.db.read(cold.packs_of, endpoint)
    was_moved = any(pack.id in moved for pack in packs)
    new = NewPack(
        captured_at=members[0].captured_at,
        deep=deep,
        base=_id(_content(base)),
        chain=base.chain + 1 if base else 0,
        sizes=[content.size for content in members],
        # what comes back from cold storage stays for as long as what is new: more of it may be about to expire
        created_at=store.clock.now_ms() if was_moved else max(pack.created_at for pack in packs),
        packed=packed,
    )
    await store.db.write(_replace_packs, endpoint, packs, new, members)


def _base_for(tx: Tx, endpoint: int, pack: Pack) -> Anchor | None:
    """The last living content of the pack this one is based on: the dead are about to be swept away."""
    base = sql.get(tx, endpoint, pack.base) if pack.base is not None else None
    below = sql.pack(tx, endpoint, base.pack) if base and base.pack is not None else None
    if below is None:
        return None
    rows = sql.by_ids(tx, endpoint, below.members)
    found = (rows.get(member) for member in reversed(below.members))
    living = (content for content in found if content and not content.dead)
    last = next(living, None)
    return Anchor(last, below.chain) if last else None


def _reencode(base: bytes | None, raws: dict[int, DecodedPack], members: Sequence[Content], level: int) -> Packed:
    """A pack of contents of decoded packs, each checked. Raises Stale, DatabaseFailed."""
    if not all(content.pack in raws for content in members):
        raise Stale
    bodies = [reading.view_in(raws[content.pack or 0], content) for content in members]
    return pack_format.encode(base, bodies, level=level)


@frees_space
def _replace_packs(tx: Tx, endpoint: int, packs: Sequence[Pack], new: NewPack, members: Sequence[Content]) -> None:
    if new.base is not None and not _is_below(tx, endpoint, new.base, new.chain):
        raise Stale
    kept = [content.id for content in members]
    sql.insert_pack(tx, endpoint, new, kept)
    delete_packs(tx, endpoint, packs, kept=kept)


@frees_space
def delete_packs(tx: Tx, endpoint: int, packs: Sequence[Pack], *, kept: Sequence[int]) -> None:
    """Delete packs and those of their contents that are not kept elsewhere. Raises Stale when one is still needed."""
    if not all(sql.delete_pack(tx, endpoint, pack.id) for pack in packs):
        raise Stale
    for dropped in {member for pack in packs for member in pack.members} - set(kept):
        if sql.has_dependents(tx, endpoint, dropped):
            raise Stale
        sql.delete_content(tx, endpoint, dropped)
