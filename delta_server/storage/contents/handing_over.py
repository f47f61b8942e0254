"""Reading many contents for another process: packs go there as they are stored (core/packs/handed_pack.py)."""

from collections.abc import AsyncIterator, Sequence
from itertools import groupby

import msgspec

from delta_server.core.errors import NotFound
from delta_server.core.packs.handed_pack import HandedPack, HeldPacks
from delta_server.storage.cache import ScratchBuffer
from delta_server.storage.contents import reading
from delta_server.storage.contents import store as sql
from delta_server.storage.contents.content_store import ContentStore
from delta_server.storage.contents.rows import Content, DecodeStep, Pack, PackData


class PackedRun(msgspec.Struct, frozen=True):
    """Neighbours in one pack. `handed` None: it was handed over, and is one of those that are held (HeldPacks)."""

    pack: int
    handed: HandedPack | None
    contents: list[Content]


async def hand_over_run(
    store: ContentStore, endpoint: int, contents: Sequence[int], held: HeldPacks[bool]
) -> AsyncIterator[PackedRun | tuple[int, bytes]]:
    """All contents in the given order, those that are in no pack as `reading.read_run` has them; `held` is the same for
    all runs that one process is handed. Raises as that one."""
    rows = await store.db.read(sql.by_ids, endpoint, contents)
    if len(rows) < len(set(contents)):
        raise NotFound("some of the contents are not there (any more)")
    for pack, run in groupby([rows[content] for content in contents], key=lambda content: content.pack):
        some = list(run)
        if pack is not None:
            is_held = held.get(pack) is not None
            handed = None if is_held else await _handed(store, endpoint, pack)
            if is_held or handed is not None:
                held.hold(pack, True)
                yield PackedRun(pack, handed, some)
                continue
        async for each in reading.read_run(store, endpoint, [content.id for content in some]):
            yield each


async def _handed(store: ContentStore, endpoint: int, pack: int) -> HandedPack | None:
    """None when it is gone. Raises as `reading.read_pack`."""
    found = await reading.trail_of(store, endpoint, pack)
    if found is None:
        return None
    handed, anchors = await reading.decode_off_loop(store, _opened, store.cache.scratch, *found)
    reading.remember(store.cache, anchors)
    return handed


def _opened(
    scratch: ScratchBuffer, pack: Pack, found: PackData, to_base: list[DecodeStep], to_anchor: list[DecodeStep]
) -> tuple[HandedPack, reading.Anchors]:
    """With what its frames are encoded against."""
    base, below = reading.run_decode_steps(scratch, to_base) if to_base else (b"", [])
    anchor, anchors = reading.run_decode_steps(scratch, to_anchor)
    name, others = reading.name_of(pack), pack.size - len(anchor)
    return HandedPack(name, base, anchor, bytes(found.data), found.table, others), below + anchors
