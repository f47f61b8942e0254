"""What of a pack is in cold storage, fetched before it is decoded: for one content, the frames that it takes."""

from collections.abc import Sequence

from msgspec.structs import replace

from delta_server.core.packs import pack_format
from delta_server.core.packs.codec import Corrupt
from delta_server.storage.cold.pieces import ColdPieces, PieceLost
from delta_server.storage.contents.rows import DecodeStep, PackData, PackTrail


async def fill(pieces: ColdPieces, steps: Sequence[DecodeStep]) -> list[DecodeStep]:
    """Raises ColdStorageAway, PieceLost."""
    return [step if step.cold is None else await _filled(pieces, step) for step in steps]


def takes_any(trail: PackTrail) -> bool:
    """Whether anything of it is in cold storage."""
    _, found, to_base, to_anchor = trail
    return found.cold is not None or any(step.cold is not None for step in (*to_base, *to_anchor))


async def fill_trail(pieces: ColdPieces, trail: PackTrail) -> PackTrail:
    """All of a pack. Raises as `fill`."""
    pack, found, to_base, to_anchor = trail
    if found.cold is not None:
        found = PackData(await pieces.read(found.cold, 0, found.cold.size), found.table)
    return pack, found, await fill(pieces, to_base), await fill(pieces, to_anchor)


async def _filled(pieces: ColdPieces, step: DecodeStep) -> DecodeStep:
    """With zeros where nothing is read of the pack's data."""
    assert step.cold is not None
    data = bytearray(step.cold.size)
    try:
        ranges = pack_format.stored_ranges(step.table, step.content.position or 0, step.cold.size)
    except Corrupt as error:
        raise PieceLost(str(error)) from None
    for start, end in ranges:
        data[start:end] = await pieces.read(step.cold, start, end)
    return replace(step, data=data, cold=None)
