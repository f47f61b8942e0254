"""Joins the rows of two sides by their digests, part by part.

A row is an entry of 45 bytes: 16 of its key's digest, 16 of its own, where its text is, and whether its key is that of
several rows of a side. Those have no one counterpart: they are matched as a multiset, equal ones first come first.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import compress, count
from operator import ne
from struct import Struct

import msgspec

from delta_server.core.rowdelta.partitions import COUNT, Partitions
from delta_server.core.rowdelta.ports import Assistant, Side, Spill

ENTRY = Struct(">16s16sQI?")
"""Digest of the key, digest of the row, offset and size of its text, whether it is one of several."""

KEY_BYTES = 16
OFFSET = slice(32, 40)
Location = tuple[int, int]
"""Offset and size of a row's text."""

_ROW = 32
_TIMES = 9
"""What dictionaries of entries take in memory, in sizes of these: 4 where few differ, 9 where all do."""

_WORTH_BYTES = 16 << 10
"""Of a part that an assistant is given: smaller ones are joined sooner than sent."""

_FEW = 16
_COUNTS = Struct(">IIII")
_offset = Struct(">32xQ5x").iter_unpack
_key_and_digest = Struct(">16s16s13x").iter_unpack
_several = b"\x01"
LONE = b"\x02"
"""In the place of whether it is one of several: no row of the other side has its key."""


class Joined(msgspec.Struct, frozen=True):
    """A part: the entries that have no equal on the other side, how many had one, and how many rows of each side have
    the key of a row before them."""

    before: list[bytes]
    after: list[bytes]
    unchanged: int
    duplicates_before: int = 0
    duplicates_after: int = 0

    def by_side(self) -> dict[Side, list[bytes]]:
        return {"before": self.before, "after": self.after}


class Room(msgspec.Struct, frozen=True):
    spill: Spill
    memory_bytes: int

    def fits(self, size_bytes: int) -> bool:
        return size_bytes * _TIMES <= self.memory_bytes


def joined(
    before: Partitions, after: Partitions, spill: Spill, memory_bytes: int, assistant: Assistant | None = None
) -> Iterator[Joined]:
    """Both sides in partitions by the first byte of their entries, which are taken out of them. An assistant, if there
    is one, joins every other part; each of us has half of the memory then."""
    room = Room(spill, memory_bytes if assistant is None else memory_bytes // 2)
    yield from _parts([before, after], room, assistant, COUNT)


def _parts(
    sides: list[Partitions], room: Room, assistant: Assistant | None, count: int, *, one_key: bool = False
) -> Iterator[Joined]:
    """The first `count` parts, an even number. Those of few are parted as finely as can be, where they do not fit."""
    few = 0 if count < COUNT else _FEW
    for part in range(0, count, 2):
        given = None if one_key else _given(assistant, sides, part, room)
        yield from _part(sides, part + 1, room, assistant if given is None else None, few, one_key=one_key)
        if given is None:
            yield from _part(sides, part, room, assistant, few, one_key=one_key)
        else:
            assert assistant is not None
            answer = assistant.take()
            yield unpacked(answer) if answer else join(*given)


def _given(assistant: Assistant | None, sides: list[Partitions], part: int, room: Room) -> tuple[bytes, bytes] | None:
    """Both sides of the part, where the assistant joins it now."""
    size = sum([side.size(part) for side in sides])
    if assistant is None or size < _WORTH_BYTES or not room.fits(size) or not assistant.is_ready():
        return None
    before, after = [b"".join(side.take(part)) for side in sides]
    assistant.give_part(before, after)
    return before, after


def packed(found: Joined) -> bytes:
    counts = len(found.before), found.unchanged, found.duplicates_before, found.duplicates_after
    return b"".join([_COUNTS.pack(*counts), *found.before, *found.after])


def unpacked(answer: bytes) -> Joined:
    count_before, *counts = _COUNTS.unpack_from(answer)
    left = entries_of(answer[_COUNTS.size :])
    return Joined(left[:count_before], left[count_before:], *counts)


def _part(
    sides: list[Partitions], part: int, room: Room, assistant: Assistant | None, few: int, *, one_key: bool = False
) -> Iterator[Joined]:
    """What does not fit in memory is parted again, by the first byte in which entries differ: in `few` parts where that
    may do, for each has its price."""
    size = sum([side.size(part) for side in sides])
    if not size:
        return
    if room.fits(size):
        found = join(*[b"".join(side.take(part)) for side in sides])
        yield msgspec.structs.replace(found, duplicates_before=0, duplicates_after=0) if one_key else found
        return
    byte = _first_difference(piece for side in sides for piece in side.pieces(part))
    if byte >= KEY_BYTES and not one_key:
        yield Joined([], [], 0, *[max(0, side.size(part) // ENTRY.size - 1) for side in sides])
        one_key = True
    if byte == _ROW:
        yield from _one_row(sides, part)
        return
    below = [Partitions(room.spill, room.memory_bytes // 8) for _ in sides]
    count = few if few and room.fits(2 * size // few) else COUNT
    for side, parts in zip(sides, below, strict=True):
        for piece in side.take(part):
            entries = entries_of(_as_several(piece) if one_key else piece)
            parts.add_all([value * count // COUNT for value in piece[byte :: ENTRY.size]], entries)
    yield from _parts(below, room, assistant, count, one_key=one_key)


def _first_difference(pieces: Iterable[bytes]) -> int:
    """The first byte of their digests in which entries differ, `_ROW` where these are all the same."""
    first, byte = b"", _ROW
    for piece in pieces:
        first = first or piece[:_ROW]
        same = (place for place in range(byte) if piece[place :: ENTRY.size].strip(first[place : place + 1]))
        byte = next(same, byte)
    return byte


def _one_row(sides: list[Partitions], part: int) -> Iterator[Joined]:
    """The same row so often that its entries do not fit: those are left over that one side has more."""
    pairs = min([side.size(part) // ENTRY.size for side in sides])
    yield Joined([], [], pairs)
    for place, side in enumerate(sides):
        done = 0
        for piece in side.take(part):
            entries = entries_of(_as_several(piece))
            left = entries[max(0, pairs - done) :]
            done += len(entries)
            yield Joined([] if place else left, left if place else [], 0)


def entries_of(piece: bytes) -> list[bytes]:
    return [piece[at : at + ENTRY.size] for at in range(0, len(piece), ENTRY.size)]


def offsets_of(entries: list[bytes]) -> list[int]:
    return [offset for (offset,) in _offset(b"".join(entries))]


def location(entry: bytes) -> Location:
    _, _, offset, size, _ = ENTRY.unpack(entry)
    return offset, size


def _as_several(piece: bytes) -> bytes:
    marked = bytearray(piece)
    marked[ENTRY.size - 1 :: ENTRY.size] = _several * (len(piece) // ENTRY.size)
    return bytes(marked)


def join(before: bytes, after: bytes) -> Joined:
    old, new = dict(_key_and_digest(before)), dict(_key_and_digest(after))
    count_before, count_after = len(before) // ENTRY.size, len(after) // ENTRY.size
    if len(old) < count_before or len(new) < count_after or _has_several(before) or _has_several(after):
        return _join_several(before, after, count_before - len(old), count_after - len(new))
    left_before, left_after = _left(before, old, new), _left(after, new, old)
    return Joined(left_before, left_after, count_before - len(left_before))


def _has_several(entries: bytes) -> bool:
    return _several in entries[ENTRY.size - 1 :: ENTRY.size]


def _left(entries: bytes, own: dict[bytes, bytes], other: dict[bytes, bytes]) -> list[bytes]:
    """`own` are the digests by key, in the order of the entries."""
    size = ENTRY.size
    differs = map(ne, own.values(), map(other.get, own))
    return [entries[place * size : (place + 1) * size] for place in compress(count(), differs)]


def _join_several(before: bytes, after: bytes, duplicates_before: int, duplicates_after: int) -> Joined:
    sides = [entries_of(before), entries_of(after)]
    several = {key for side in sides for key, count in Counter([e[:KEY_BYTES] for e in side]).items() if count > 1}
    several |= {entry[:KEY_BYTES] for side in sides for entry in side if entry[-1]}
    rows = [Counter([entry[:_ROW] for entry in side]) for side in sides]
    equal = rows[0] & rows[1]
    left: list[list[bytes]] = []
    for side in sides:
        room = equal.copy()
        kept = []
        for entry in side:
            if room[entry[:_ROW]]:
                room[entry[:_ROW]] -= 1
            else:
                kept.append(entry[:-1] + _several if entry[:KEY_BYTES] in several else entry)
        left.append(kept)
    return Joined(left[0], left[1], equal.total(), duplicates_before, duplicates_after)
