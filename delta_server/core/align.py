"""Which element of an array is which element of its next version.

Elements are aligned by identity, not by position: (1) equal elements at both ends are trimmed; (2) equal elements
between are matched, and objects that have a key (`array_keys`) by it; (3) without a key, by the longest common
subsequence of equal elements, and what lies between two of those is paired by position. Of the matched elements those
in a longest increasing subsequence stay, the others moved. (4) Plain values, and any that repeat, do not move: they are
aligned with the fewest edits (core/edit_distance.py).
"""

from collections.abc import Sequence
from itertools import compress, count
from operator import itemgetter, ne

import msgspec

from delta_server.core import array_keys, edit_distance, pointer, sequence, slices
from delta_server.core.diff_settings import Rules
from delta_server.core.ignored import without
from delta_server.core.sequence import Pair

MAX_TWINS = 64
_LEAST_WINDOW = 9  # elements; what is shorter is rather a place, a color or a row of seats
_NOT_PLAIN = frozenset((slices.QUOTE, slices.OPEN_OBJECT, slices.OPEN_ARRAY))


class Alignment(msgspec.Struct, frozen=True):
    """Places in the old array (i) and in the new one (j), each list in the order of the array."""

    removed: list[int]
    added: list[int]
    moved: list[Pair]
    differing: list[Pair]  # the same element in both, but not the same bytes; moved or not
    key: array_keys.Fields | None  # None where the alignment used none, not where there is none


class _Matched(msgspec.Struct):
    """Pairs of places in the trimmed middles, in the order of the old one; `differing` are those of unequal bytes."""

    pairs: list[Pair]
    differing: list[Pair]
    key: array_keys.Fields | None = None
    loose: bool = False  # what is unmatched may be paired by position


class Twins(msgspec.Struct, frozen=True):
    """Elements that stand at the same place in both versions and differ: place, new slice, old and new members."""

    pairs: list[tuple[int, bytes, dict[str, msgspec.Raw], dict[str, msgspec.Raw]]]
    key: array_keys.Fields | None


def in_place(before: Sequence[msgspec.Raw], after: Sequence[msgspec.Raw], rules: Rules | None) -> Twins | None:
    """A short way for the most frequent case: few objects differ, if any, and each has the identifiers of the old one.

    None if that is not so, or if a key is configured.
    """
    if len(before) != len(after) or (rules is not None and rules.keys):
        return None
    places = list(compress(count(), map(ne, before, after)))
    if len(places) > MAX_TWINS:
        return None
    pairs = []
    known: set[bytes] = set()
    name = None
    for place in places:
        old, new = bytes(before[place]), bytes(after[place])
        if old[0] != slices.OPEN_OBJECT or new[0] != slices.OPEN_OBJECT:
            return None
        members = slices.members(old), slices.members(new)
        name = array_keys.common_identifier(*members)
        if name is None:
            return None
        known.add(bytes(members[0][name]))
        pairs.append((place, new, *members))
    if len(known) < len(pairs):
        return None
    return Twins(pairs, None if name is None else (pointer.escape(name),))


def align(before: Sequence[msgspec.Raw], after: Sequence[msgspec.Raw], rules: Rules | None, depth: int) -> Alignment:
    """Align two lists of slices. `rules` are those at the array, whose elements are `depth` levels deep."""
    head, tail = _equal_ends(before, after)
    end_a, end_b = len(before) - tail, len(after) - tail
    length_a, length_b = end_a - head, end_b - head
    if not length_a or not length_b:
        return Alignment(list(range(head, end_a)), list(range(head, end_b)), [], [], None)
    matched = _by_identifier(before, after, head, (end_a, end_b), rules)
    if matched is None:
        a, b = list(map(bytes, before[head:end_a])), list(map(bytes, after[head:end_b]))
        matched = _matched(before, len(after), a, b, rules, depth)
    pairs, differing = matched.pairs, matched.differing
    kept = _kept(pairs)
    moved = [] if len(kept) == len(pairs) else sorted(set(pairs).difference(kept))
    if matched.loose:
        positional = _between(kept, pairs, length_a, length_b)
        if len(positional) + len(pairs) == length_a == length_b and (slid := _slid(before, after, len(positional))):
            return slid
        pairs, differing = pairs + positional, sorted(differing + positional, key=itemgetter(1))
    return Alignment(
        removed=_unmatched(length_a, pairs, 0, head),
        added=_unmatched(length_b, pairs, 1, head),
        moved=[(head + i, head + j) for i, j in moved],
        differing=[(head + i, head + j) for i, j in differing],
        key=matched.key,
    )


def _slid(before: Sequence[msgspec.Raw], after: Sequence[msgspec.Raw], edits: int) -> Alignment | None:
    """The alignment of a window that slid, if as many edits say that: then no value was replaced."""
    by, length = edits // 2, len(before)
    if edits % 2 or length != len(after) or length < _LEAST_WINDOW:
        return None
    begin, end = list(range(by)), list(range(length - by, length))
    if before[by:] == after[: length - by]:
        return Alignment(begin, end, [], [], None)
    return Alignment(end, begin, [], [], None) if before[: length - by] == after[by:] else None


def _unmatched(length: int, pairs: list[Pair], side: int, head: int) -> list[int]:
    """The places of a middle that are in no pair, as places in the array."""
    if len(pairs) == length:
        return []
    known = {pair[side] for pair in pairs}
    return [head + place for place in range(length) if place not in known]


def _equal_ends(before: Sequence[msgspec.Raw], after: Sequence[msgspec.Raw]) -> Pair:
    """How many elements are equal at the head, and how many of the others at the tail."""
    shorter = min(len(before), len(after))
    head = next(compress(count(), map(ne, before, after)), shorter)
    tail = next(compress(count(), map(ne, reversed(before), reversed(after))), shorter)
    return head, min(tail, shorter - head)


def _by_identifier(
    before: Sequence[msgspec.Raw], after: Sequence[msgspec.Raw], head: int, ends: Pair, rules: Rules | None
) -> _Matched | None:
    """Matches by the configured key, or by a field that is plainly an identifier; None if there is no such."""
    found = array_keys.plain(before, after, before[head], rules.keys if rules else None)
    if found is None:
        return None
    place_of = {key: j for j, key in enumerate(found.after[head : ends[1]])}
    keys = enumerate(found.before[head : ends[0]])
    pairs = [(i, place_of[key]) for i, key in keys if key in place_of]
    differing = [(i, j) for i, j in pairs if before[head + i] != after[head + j]]
    return _Matched(pairs, sorted(differing, key=itemgetter(1)), found.fields)


def _matched(
    before: Sequence[msgspec.Raw], length_after: int, a: list[bytes], b: list[bytes], rules: Rules | None, depth: int
) -> _Matched:
    places_a, places_b = dict(zip(a, range(len(a)), strict=True)), dict(zip(b, range(len(b)), strict=True))
    if len(places_a) < len(a) or len(places_b) < len(b) or _are_plain(a, b):
        return _by_sequence(before, a, b, rules, depth)
    left_a = [i for raw, i in places_a.items() if raw not in places_b]
    left_b = [j for raw, j in places_b.items() if raw not in places_a]
    equal = [(i, places_b[raw]) for raw, i in places_a.items() if raw in places_b] if len(left_a) < len(a) else []
    if len(_kept(equal)) < len(equal) and _are_few(before):
        return _by_sequence(before, a, b, rules, depth)
    if not left_a or not left_b:
        return _Matched(equal, [])
    sides = array_keys.Sides(before, length_after, [a[i] for i in left_a], [b[j] for j in left_b])
    key = array_keys.found(sides)
    if key is None:
        return _by_sequence(before, a, b, rules, depth)
    place_of = dict(zip(key.after, left_b, strict=True))
    by_key = [(i, place_of[k]) for i, k in zip(left_a, key.before, strict=True) if k in place_of]
    return _Matched(sorted(equal + by_key), sorted(by_key, key=itemgetter(1)), key.fields)


def _by_sequence(
    before: Sequence[msgspec.Raw], a: list[bytes], b: list[bytes], rules: Rules | None, depth: int
) -> _Matched:
    """Matches of equal elements: a longest common subsequence, and the equal ones left over (they moved).

    Where values repeat, equal elements are not the same one, and in plain values the place is the meaning: there none
    moves, and the alignment with the fewest edits counts.
    """
    inner = rules.element() if rules else None
    values_a, values_b = _values(a, b, inner, depth), _values(b, a, inner, depth)
    if not (rules and rules.is_set) and (_are_plain(a, b) or _are_few(before)):
        kept = edit_distance.kept(values_a, values_b)
        return _Matched(kept, [(i, j) for i, j in kept if a[i] is not b[j] and a[i] != b[j]], loose=True)
    together = sequence.common(values_a, values_b)
    rest_a, rest_b = _others(len(a), [i for i, _ in together]), _others(len(b), [j for _, j in together])
    moved = sequence.paired([values_a[i] for i in rest_a], [values_b[j] for j in rest_b])
    pairs = sorted(together + [(rest_a[i], rest_b[j]) for i, j in moved])
    return _Matched(pairs, [(i, j) for i, j in pairs if a[i] != b[j]], loose=True)


def _are_plain(a: list[bytes], b: list[bytes]) -> bool:
    """Whether all elements of two middles are numbers, booleans or null."""
    return a[0][0] not in _NOT_PLAIN and not any(raw[0] in _NOT_PLAIN for raw in a + b)


def _are_few(elements: Sequence[msgspec.Raw]) -> bool:
    """Whether an array's values repeat: each is there twice on average."""
    return len(set(map(bytes, elements))) * 2 <= len(elements)


def _values(own: list[bytes], other: list[bytes], inner: Rules | None, depth: int) -> list[bytes]:
    """What stands for the value of each element: its bytes where the other side has them, else its canonical form."""
    known = set(other)
    return [raw if raw in known else slices.canonical(without(raw, inner, depth)) for raw in own]


def _others(length: int, places: list[int]) -> list[int]:
    known = set(places)
    return [place for place in range(length) if place not in known]


def _kept(pairs: list[Pair]) -> list[Pair]:
    """The matches that stay in place relative to each other: as many as can."""
    return [pairs[place] for place in sequence.increasing([j for _, j in pairs])] if pairs else []


def _between(kept: list[Pair], matched: list[Pair], length_a: int, length_b: int) -> list[Pair]:
    """Unmatched elements between two neighbouring kept ones, paired by position."""
    known_a, known_b = {i for i, _ in matched}, {j for _, j in matched}
    pairs: list[Pair] = []
    last_i = last_j = -1
    for i, j in [*kept, (length_a, length_b)]:
        if i == last_i + 1 or j == last_j + 1:
            last_i, last_j = i, j
            continue
        olds = [x for x in range(last_i + 1, i) if x not in known_a]
        news = [y for y in range(last_j + 1, j) if y not in known_b]
        pairs += zip(olds, news, strict=False)
        last_i, last_j = i, j
    return pairs
