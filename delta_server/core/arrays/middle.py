"""The parts of two versions of an array that lie between their equal ends, and which of their elements are the same
when they are taken as sequences: equal ones, where equal is what the settings call so (`forms`).
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from operator import itemgetter

import msgspec

from delta_server.core.arrays import edit_distance, subsequences
from delta_server.core.arrays.subsequences import Pair
from delta_server.core.diff import canonical_form
from delta_server.core.diff.canonical_form import form
from delta_server.core.diff.diff_settings import Fields, Rules
from delta_server.core.json import slices

_MAX_DECODED = 1 << 17  # bytes
_NAMED = (slices.QUOTE, slices.OPEN_OBJECT)


class MiddlePair:
    """`rules` are those at the array; places count from the `head`."""

    def __init__(
        self,
        before: Sequence[msgspec.Raw],
        after: Sequence[msgspec.Raw],
        head: int,
        ends: Pair,
        rules: Rules | None,
    ) -> None:
        self.before, self.after = before, after
        self.head, self.ends = head, ends
        self.rules = rules
        self.inner = rules.element() if rules else None
        self.is_set = rules is not None and rules.is_set
        self.alters = rules is not None and rules.alters

    @cached_property
    def a(self) -> list[bytes]:
        return list(map(bytes, self.before[self.head : self.ends[0]]))

    @cached_property
    def b(self) -> list[bytes]:
        return list(map(bytes, self.after[self.head : self.ends[1]]))

    @cached_property
    def repeats(self) -> bool:
        """Whether the array's values repeat, each twice on average, in an order that counts."""
        if self.is_set:
            return False
        if self.alters:
            distinct = len({canonical_form.rounded(form(bytes(raw), self.inner)) for raw in self.before})
        else:
            distinct = len(set(map(bytes, self.before)))
        return distinct * 2 <= len(self.before)

    def differing(self, pairs: list[Pair]) -> list[Pair]:
        """Those of elements whose bytes differ, in the order of the new ones."""
        before, after, head = self.before, self.after, self.head
        found = [(i, j) for i, j in pairs if before[head + i] != after[head + j]]
        return sorted(found, key=itemgetter(1))


class Matching(msgspec.Struct):
    """Pairs of places in the middles, in the order of the old one; `differing` are those of unequal bytes.

    `unkeyed`: what is in no pair may be paired by position, but for the places in `keyed`.
    """

    pairs: list[Pair]
    differing: list[Pair]
    key: Fields | None = None
    unkeyed: bool = False
    keyed: tuple[set[int], set[int]] = (set(), set())
    note: str | None = None


def match_as_sequence(middle: MiddlePair) -> Matching:
    """Matches of equal elements: a longest common subsequence, and the equal ones left over (they moved).

    Where values repeat, equal elements are not the same one, and in plain values the place is the meaning: there none
    moves, and the alignment with the fewest edits counts.
    """
    a, b = middle.a, middle.b
    if is_positional(middle) or middle.repeats:
        pairs = _match_by_position(middle)
    else:
        pairs = sequence_of(middle, range(len(a)), range(len(b)))
    return Matching(pairs, middle.differing(pairs), unkeyed=True)


def is_positional(middle: MiddlePair) -> bool:
    """Whether there are only numbers, booleans and nulls, in lists of their own or not, and their order counts."""
    if middle.is_set or middle.a[0][0] in _NAMED or middle.b[0][0] in _NAMED:
        return False
    joined = b"".join(middle.a), b"".join(middle.b)
    return not any(b'"' in text or b"{" in text for text in joined)


def _match_by_position(middle: MiddlePair) -> list[Pair]:
    """Matches of values that do not move."""
    every = range(len(middle.a)), range(len(middle.b))
    if not middle.alters:
        return edit_distance.kept_pairs(*_values(middle, *every))
    old, new = _forms(middle, *every)
    if not any(each.numbers for each in old):
        return edit_distance.kept_pairs([each.text for each in old], [each.text for each in new])
    together = canonical_form.common(old, new)
    if len(old) == len(new):
        gaps = [(-1, -1), *together, (len(old), len(new))]
        edits = sum(max(x - i, y - j) - 1 for (i, j), (x, y) in pairwise(gaps))
        if sum(not one.is_close(other) for one, other in zip(old, new, strict=True)) <= edits:
            return list(zip(every[0], every[1], strict=True))
    return together


def sequence_of(middle: MiddlePair, places_a: Sequence[int], places_b: Sequence[int]) -> list[Pair]:
    """Matches of the equal elements among some, in order as many as can be, and then the others."""
    if middle.is_set:
        return paired(middle, places_a, places_b)
    together = _common(middle, places_a, places_b)
    if not together and not middle.alters:
        return []  # nothing is on both sides
    known_a, known_b = {i for i, _ in together}, {j for _, j in together}
    rest_a = [i for i in places_a if i not in known_a]
    rest_b = [j for j in places_b if j not in known_b]
    return sorted(together + paired(middle, rest_a, rest_b)) if rest_a and rest_b else together


def _common(middle: MiddlePair, places_a: Sequence[int], places_b: Sequence[int]) -> list[Pair]:
    if middle.alters:
        found = canonical_form.common(*_forms(middle, places_a, places_b))
    else:
        found = subsequences.common(*_values(middle, places_a, places_b))
    return _to_array_positions(found, places_a, places_b)


def paired(middle: MiddlePair, places_a: Sequence[int], places_b: Sequence[int]) -> list[Pair]:
    """Matches of equal elements among some, whatever their order."""
    if middle.alters:
        found = canonical_form.paired(*_forms(middle, places_a, places_b))
    else:
        found = subsequences.paired(*_values(middle, places_a, places_b))
    return _to_array_positions(found, places_a, places_b)


def _to_array_positions(found: list[Pair], places_a: Sequence[int], places_b: Sequence[int]) -> list[Pair]:
    """`found` counts places among `places_a` and `places_b`; a range is all of them."""
    if isinstance(places_a, range) and isinstance(places_b, range):
        return found
    return [(places_a[i], places_b[j]) for i, j in found]


def _at_positions(elements: list[bytes], places: Sequence[int]) -> list[bytes]:
    return elements if isinstance(places, range) else [elements[place] for place in places]


def _forms(
    middle: MiddlePair, places_a: Sequence[int], places_b: Sequence[int]
) -> tuple[list[canonical_form.Form], list[canonical_form.Form]]:
    old, new = _at_positions(middle.a, places_a), _at_positions(middle.b, places_b)
    return [form(raw, middle.inner) for raw in old], [form(raw, middle.inner) for raw in new]


def _values(middle: MiddlePair, places_a: Sequence[int], places_b: Sequence[int]) -> tuple[list[bytes], list[bytes]]:
    """What stands for the value of each element: its bytes where the other side has them, else its canonical form."""
    a, b = _at_positions(middle.a, places_a), _at_positions(middle.b, places_b)
    known_a, known_b = set(a), set(b)
    if _has_two_notations(known_a | known_b):
        canonical = {raw: _value(raw) for raw in known_a | known_b}
        return [canonical[raw] for raw in a], [canonical[raw] for raw in b]
    return (
        [raw if raw in known_b else _value(raw) for raw in a],
        [raw if raw in known_a else _value(raw) for raw in b],
    )


def _value(raw: bytes) -> bytes:
    """Of a large element its bytes: it would be decoded as a whole, and what is paired by place is entered anyway."""
    return raw if len(raw) > _MAX_DECODED else slices.canonical(raw)


def _has_two_notations(values: set[bytes]) -> bool:
    """Whether one number may be there as 7 and as 7.0: then equal bytes are not all that is equal."""
    numbers = [raw for raw in values if raw[0] in b"-0123456789"]
    return len(set(map(float, numbers))) < len(numbers)
