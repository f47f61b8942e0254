"""What is stored how: which contents make a pack, which packs become one, what a frame or a pack is based on.

All contents of an endpoint are frames first, each based on the one before. A *pack* is many of them together, its last
one, the *anchor*, beside the others (core/packs/pack_format.py has the format). The anchor is based on the anchor of
the pack before it, so that reading needs at most `MAX_CHAIN` short decodes and one or two longer ones. Two rules keep
the web of bases free of circles, whatever is added at any time, deleted and packed again:

- a frame is based on a content with a smaller id, or on one in a pack; rewriting a frame never raises its `depth`, the
  number of frames decoded to read it (or more: those below it may be in a pack by now);
- a pack is based on a content in a pack with a smaller `chain`, and rewriting a pack never raises its `chain`.
"""

from collections.abc import Sequence

import msgspec

MAX_CHAIN = 32
"""Anchors decoded at most to read a pack, some 0.1 ms each for a document of 130 kB: then one stands alone."""

STORED_WEIGHT = 3

KEYFRAME_EVERY = 8
"""Of contents too large for packs, every eighth frame stands alone."""

MAX_FRAMES = 256
"""Frames decoded at most to read one, until they are packed: 0.03 ms each for a document of 35 kB. For larger ones no
more than some packs' worth of bytes, but at least `KEYFRAME_EVERY`."""


class PackBounds(msgspec.Struct, frozen=True):
    """What one pack may hold: raw bytes in all, contents, and the bytes of the largest content that goes into packs."""

    size_bytes: int
    contents: int
    large_bytes: int


def weight(size: int, stored: int) -> int:
    """What a content or a pack counts for in a pack: its bytes, or STORED_WEIGHT times those it takes where it does not
    compress: a pack is written at once, 2 ms a MB, which all other writes wait for."""
    return max(size, STORED_WEIGHT * stored)


def is_large(size: int, bounds: PackBounds) -> bool:
    """Whether a content never goes into a pack."""
    return size > bounds.large_bytes


def groups(sizes: Sequence[int], bounds: PackBounds) -> list[range]:
    """`sizes` cut into runs that fit into one pack each, as many as fit in order. A large one is alone in its run."""
    runs: list[range] = []
    start, total, alone = 0, 0, False
    for index, size in enumerate(sizes):
        large = is_large(size, bounds)
        full = total + size > bounds.size_bytes or index - start >= bounds.contents
        if index > start and (full or large or alone):
            runs.append(range(start, index))
            start, total = index, 0
        total += size
        alone = large
    if start < len(sizes):
        runs.append(range(start, len(sizes)))
    return runs


def full_groups(sizes: Sequence[int], bounds: PackBounds) -> list[range]:
    """As `groups`, without the last run while it has room: later contents may still join it."""
    runs = groups(sizes, bounds)
    if runs and not is_full(sum(sizes[index] for index in runs[-1]), len(runs[-1]), bounds):
        runs.pop()
    return runs


def is_full(size_bytes: int, contents: int, bounds: PackBounds) -> bool:
    """Whether that many contents of so many bytes in all have no room for another."""
    return size_bytes >= bounds.size_bytes or contents >= bounds.contents


def fills_enough(sizes: Sequence[int], bounds: PackBounds) -> bool:
    """Whether contents that arrive together are packed at once: a quarter of a pack makes up for its anchor, which is
    encoded against a content much older than the one a frame would be."""
    if any(is_large(size, bounds) for size in sizes):
        return False
    return 4 * sum(sizes) >= bounds.size_bytes or 4 * len(sizes) >= bounds.contents


def merges(packs: Sequence[tuple[int, int]], bounds: PackBounds) -> list[range]:
    """Runs of two or more neighbouring packs, given as (raw bytes, contents) in order, that fit into one deep pack."""
    runs: list[range] = []
    start, size, contents = 0, 0, 0
    for index, (pack_size, pack_contents) in enumerate(packs):
        if size + pack_size > bounds.size_bytes or contents + pack_contents > bounds.contents:
            runs.append(range(start, index))
            start, size, contents = index, 0, 0
        size += pack_size
        contents += pack_contents
    runs.append(range(start, len(packs)))
    return [run for run in runs if len(run) > 1]


def next_chain(previous_chain: int | None, base_size: int, bounds: PackBounds) -> int:
    """The `chain` of a pack that follows one with `previous_chain`; 0 when it is to stand alone.

    Large anchors make short chains: walking one decodes no more than a pack's worth of anchors, but at least two.
    """
    longest = min(MAX_CHAIN, max(2, bounds.size_bytes // max(1, base_size)))
    return 0 if previous_chain is None or previous_chain + 1 >= longest else previous_chain + 1


def is_keyframe(size: int, depth: int, bounds: PackBounds) -> bool:
    """Whether a content's frame stands alone; `depth` counts the frames that would be decoded before its own."""
    return depth >= max(KEYFRAME_EVERY, min(MAX_FRAMES, 4 * bounds.size_bytes // max(1, size)))


STORED = -1
"""As a base: what is stored already, before the batch. The batch's own contents are 0 and up."""


class Predecessor(msgspec.Struct, frozen=True):
    """What a batch of contents continues: the pack before it by its `chain` and the size of its anchor (None without
    one), and the content before it by its depth in frames (None without one)."""

    pack_chain: int | None
    anchor_size: int
    frame_depth: int | None


class BatchPart(msgspec.Struct, frozen=True):
    """Contents `start` to `stop` of a batch in one pack, or one content in a frame, which has no `chain`."""

    start: int
    stop: int
    chain: int | None
    base: int | None


def plan_batch(sizes: Sequence[int], bounds: PackBounds, *, least: PackBounds, above: Predecessor) -> list[BatchPart]:
    """How contents that arrive together are stored: packs of up to `bounds` where there is enough for one of `least`,
    frames of the rest."""
    parts: list[BatchPart] = []
    pack_chain, anchor_size, anchor_at = above.pack_chain, above.anchor_size, STORED
    depth = above.frame_depth
    for group in groups(sizes, bounds):
        if fills_enough([sizes[index] for index in group], least):
            pack_chain = next_chain(pack_chain, anchor_size, bounds)
            parts.append(BatchPart(group.start, group.stop, pack_chain, anchor_at if pack_chain else None))
            anchor_size, anchor_at, depth = sizes[group[-1]], group[-1], 0
            continue
        for index in group:
            alone = depth is None or is_keyframe(sizes[index], depth, bounds)
            parts.append(BatchPart(index, index + 1, None, None if alone else index - 1))
            depth = 1 if alone or depth is None else depth + 1
    return parts


def to_runs(ids: Sequence[int]) -> list[int]:
    """Ids as `[first, count, first, count, ...]`: a pack's members nearly always were added one after another."""
    runs: list[int] = []
    for member in ids:
        if runs and runs[-2] + runs[-1] == member:
            runs[-1] += 1
        else:
            runs += [member, 1]
    return runs


def from_runs(runs: Sequence[int]) -> list[int]:
    """The ids `to_runs` was given."""
    pairs = zip(runs[::2], runs[1::2], strict=True)
    return [member for first, count in pairs for member in range(first, first + count)]
