"""How two long arrays differ, found without their elements in memory.

Each element becomes a character of a string, so that both versions take one to four bytes an element: a character of
its own for each value while these are few, else 19 bits of its checksum, and then what seems equal is compared again.
The strings are aligned with the fewest edits as those of short arrays are (core/arrays/edit_distance.py); what lies
between two equal runs is compared place by place. Nothing moves.
"""

import re
import zlib
from array import array
from collections.abc import Iterator
from itertools import compress, count
from operator import ne

from xxhash import xxh3_128_intdigest

from delta_server.core.arrays import edit_distance
from delta_server.core.arrays.edit_distance import Block
from delta_server.core.diff.canonical_form import form
from delta_server.core.diff.diff_settings import Rules
from delta_server.core.json import slices
from delta_server.core.json.pieces import LazyElements, equal_ends

MAX_VALUES = 20_000  # that have a character of their own
_FIRST_CODE = 2  # those below stand for what is on one side alone
_CHECKSUM = 0x7FFFF, 0x80000  # the bits taken of each checksum, and what they are added to: no half of a surrogate pair
# What may be written in another way: numbers, and strings with escapes.
_TWO_NOTATIONS = re.compile(rb"\.[0-9]*0(?![0-9])|[0-9][eE]|-0(?![0-9.])|\\")

ElementRun = tuple[int, int, int, int]
"""A stretch of the old array, and the one of the new array that stands in its place: begin and end of both."""

Part = tuple[LazyElements, int, int]
"""Elements of an array: where they begin and end."""


def differing(before: LazyElements, after: LazyElements) -> Iterator[ElementRun]:
    """The runs that are not surely equal, in order: their places are compared one by one, what a side has more is
    removed or added.

    The same bytes behind a comma, to the end, are the same elements: behind another comma a string or a nested value
    would not end where the array does.
    """
    head, tail = before.within(*equal_ends(before.text, after.text))
    a, b, is_sure = _coded((before, head, len(before) - tail), (after, head, len(after) - tail))
    i = j = head
    for x, y, length in [*edit_distance.runs(a, b), (len(a), len(b), 0)]:
        x, y = head + x, head + y
        if i < x or j < y:
            yield i, x, j, y
        if not is_sure:
            yield from _hash_collisions(before, after, (x, y, length))
        i, j = x + length, y + length


def _hash_collisions(before: LazyElements, after: LazyElements, block: Block) -> Iterator[ElementRun]:
    i, j, length = block
    for place in unequal(before, after, (i, i + length, j, j + length)):
        yield i + place, i + place + 1, j + place, j + place + 1


def unequal(before: LazyElements, after: LazyElements, run: ElementRun) -> Iterator[int]:
    """How far from the begin of a run those elements are whose bytes differ, of as many as both sides have."""
    i, end_i, j, end_j = run
    length, at = min(end_i - i, end_j - j), 0
    olds, news = before.between(i, i + length), after.between(j, j + length)
    old: list[bytes] = []
    new: list[bytes] = []
    while at < length:
        old, new = old or next(olds), new or next(news)
        size = min(len(old), len(new))
        yield from compress(count(at), map(ne, old, new))
        old, new, at = old[size:], new[size:], at + size


def are_equal_sets(old: bytes, new: bytes, rules: Rules | None) -> bool:
    """Whether both arrays have the same elements in any order, by the sum of their forms' hashes."""
    return _sum(old, rules) == _sum(new, rules)


def _sum(text: bytes, rules: Rules | None) -> tuple[int, int]:
    side, total = LazyElements(text), 0
    for values in side.between(0, len(side)):
        for value in values:
            each = form(value, rules)
            total += xxh3_128_intdigest(each.text + repr(each.numbers).encode())
    return len(side), total


def _values(part: Part) -> Iterator[list[bytes]]:
    side, begin, end = part
    return side.between(begin, end)


def _coded(before: Part, after: Part) -> tuple[str, str, bool]:
    """Both as strings, and whether equal characters are equal values."""
    codes: dict[bytes, str] = {}
    by_value = [_by_value(side, codes) for side in (before, after)]
    if by_value[0] is not None and by_value[1] is not None:
        return by_value[0], by_value[1], True
    return _by_checksum(before), _by_checksum(after), False


def _by_value(side: Part, codes: dict[bytes, str]) -> str | None:
    """A character for each value, those of equal values the same; None where they are too many."""
    found: list[str] = []
    for values in _values(side):
        for value in set(values).difference(codes):
            known = codes.setdefault(slices.canonical(value), chr(_FIRST_CODE + len(codes)))
            codes[value] = known
        if len(codes) > MAX_VALUES:
            return None
        found.append("".join(map(codes.__getitem__, values)))
    return "".join(found)


def _by_checksum(side: Part) -> str:
    found: list[str] = []
    for values in _values(side):
        if any(map(_TWO_NOTATIONS.search, values)):
            values = [slices.canonical(value) if _TWO_NOTATIONS.search(value) else value for value in values]
        sums = array("I", map(zlib.crc32, values))
        mask, base = (int.from_bytes(word.to_bytes(4, "little") * len(sums), "little") for word in _CHECKSUM)
        bits = int.from_bytes(sums.tobytes(), "little") & mask | base
        found.append(bits.to_bytes(4 * len(sums), "little").decode("utf-32-le"))
    return "".join(found)
