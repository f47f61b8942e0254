"""Which element of an array is which element of its next version.

Elements are aligned by identity, not by position: (1) equal elements at both ends are trimmed; (2) objects are matched
by their key: the configured one, one that is plainly named, one that earlier comparisons found, or else (3) equal
elements are matched and of the others a key is sought (`array_keys`); where the key's own values changed, by what else
is in them (`resemblance`); (4) without a key, by the longest common subsequence of equal elements, and what lies
between two of those is paired by position. Of the matched elements those in a longest increasing subsequence stay, the
others moved. (5) Numbers, booleans and nulls, for there the place is the meaning, and any values that repeat do not
move: they are aligned with the fewest edits (`edit_distance`).

Equal is what the settings call so (`forms`).
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import compress, count, islice
from operator import itemgetter, lt, ne

import msgspec
from msgspec.structs import replace

from delta_server.core.arrays import array_keys, similarity, subsequences
from delta_server.core.arrays.key_names import is_ignored_key
from delta_server.core.arrays.middle import Matching, MiddlePair, is_positional, match_as_sequence, paired, sequence_of
from delta_server.core.arrays.subsequences import Pair
from delta_server.core.diff.diff_settings import Fields, Rules
from delta_server.core.json import columns, pointer, slices

MAX_IN_PLACE = 64
_LEAST_WINDOW = 9  # elements; what is shorter is rather a place, a color or a row of seats
_FEW_OF = 10  # at most one in so many elements is the same although its key changed
_MOSTLY = 0.9  # of the elements have a key that was found earlier, or it is not used


class Alignment(msgspec.Struct, frozen=True):
    """Places in the old array (i) and in the new one (j), each list in the order of the array."""

    removed: list[int]
    added: list[int]
    moved: list[Pair]
    differing: list[Pair]  # the same element in both, but not the same bytes; moved or not
    key: Fields | None  # None where the alignment used none, not where there is none
    note: str | None = None  # what the configured key could not do


class InPlaceElements(msgspec.Struct, frozen=True):
    """Elements that stand at the same place in both versions and differ: place, new slice, old and new members."""

    pairs: list[tuple[int, bytes, dict[str, msgspec.Raw], dict[str, msgspec.Raw]]]
    key: Fields | None


def in_place(
    before: Sequence[msgspec.Raw], after: Sequence[msgspec.Raw], rules: Rules | None
) -> InPlaceElements | None:
    """A short way for the most frequent case: few objects differ, if any, and each has the identifiers of the old one.

    None if that is not so, or if a key is configured.
    """
    if len(before) != len(after) or (rules is not None and rules.keys):
        return None
    places = list(compress(count(), map(ne, before, after)))
    if len(places) > MAX_IN_PLACE:
        return None
    inner, earlier = (rules.element(), rules.known) if rules else (None, None)
    pairs = []
    known: set[bytes] = set()
    name = None
    for place in places:
        old, new = bytes(before[place]), bytes(after[place])
        if old[0] != slices.OPEN_OBJECT or new[0] != slices.OPEN_OBJECT:
            return None
        members = slices.members(old), slices.members(new)
        name = array_keys.common_identifier(*members, inner)
        if name is None or (earlier and any(_differs(old, new, members, field) for field in earlier)):
            return None
        known.add(bytes(members[0][name]))
        pairs.append((place, new, *members))
    if len(known) < len(pairs):
        return None
    return InPlaceElements(pairs, None if name is None else (pointer.escape(name),))


def _differs(
    old: bytes, new: bytes, members: tuple[dict[str, msgspec.Raw], dict[str, msgspec.Raw]], field: str
) -> bool:
    if "/" not in field and "~" not in field:
        return members[0].get(field) != members[1].get(field)
    return pointer.field_of(old, field) != pointer.field_of(new, field)


def align(before: Sequence[msgspec.Raw], after: Sequence[msgspec.Raw], rules: Rules | None) -> Alignment:
    """Align two lists of slices. `rules` are those at the array."""
    head, tail = _equal_ends(before, after)
    end_a, end_b = len(before) - tail, len(after) - tail
    length_a, length_b = end_a - head, end_b - head
    if not length_a or not length_b:
        return Alignment(list(range(head, end_a)), list(range(head, end_b)), [], [], None)
    matched = _matched(MiddlePair(before, after, head, (end_a, end_b), rules))
    pairs, differing = matched.pairs, matched.differing
    kept = _kept(pairs)
    moved = [] if len(kept) == len(pairs) else sorted(set(pairs).difference(kept))
    if matched.unkeyed:
        positional = _between(kept, pairs, matched.keyed, (length_a, length_b))
        if len(positional) + len(pairs) == length_a == length_b and (
            slid := _slid_window(before, after, len(positional))
        ):
            return slid
        pairs, differing = pairs + positional, sorted(differing + positional, key=itemgetter(1))
    return Alignment(
        removed=_unmatched(length_a, pairs, 0, head),
        added=_unmatched(length_b, pairs, 1, head),
        moved=[(head + i, head + j) for i, j in moved],
        differing=[(head + i, head + j) for i, j in differing],
        key=matched.key,
        note=matched.note,
    )


def _slid_window(before: Sequence[msgspec.Raw], after: Sequence[msgspec.Raw], edits: int) -> Alignment | None:
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


def _matched(middle: MiddlePair) -> Matching:
    rules = middle.rules
    note = None
    if rules is not None and rules.keys:
        if not is_ignored_key(rules.keys, middle.inner):
            return _by_configured(middle, rules.keys)
        note = f"the configured key {_joined_fields(rules.keys)} is ignored, so it identifies nothing"
    matched = _by_identifier(middle) or _by_known_key(middle) or _by_unmatched(middle)
    matched.note = note
    return matched


# By keys of all elements


def _by_configured(middle: MiddlePair, fields: Fields) -> Matching:
    """Each element that alone has its key is matched by it, the others as a sequence, those that share one in turn."""
    keys = [columns.partial(elements, pointer.key_paths(fields)) for elements in (middle.before, middle.after)]
    own = [_unique_keys(column) for column in keys]
    lacking = sum(column.count(None) for column in own)
    old, new = own[0][middle.head : middle.ends[0]], own[1][middle.head : middle.ends[1]]
    pairs = array_keys.pairs(old, new)
    if not lacking:
        return Matching(pairs, middle.differing(pairs), fields)
    count = len(middle.before) + len(middle.after)
    note = (
        f"{lacking} of {count} elements of both versions have no {_joined_fields(fields)} of their own, the "
        "configured key: they are matched as a sequence"
    )
    if all(key is None for column in keys for key in column):
        return replace(match_as_sequence(middle), note=note)
    pairs = sorted(pairs + _without_key(middle, old, new))
    known_a, known_b = {i for i, _ in pairs}, {j for _, j in pairs}
    shared_a = _shared(keys[0][middle.head : middle.ends[0]], old, known_a)
    shared_b = _shared(keys[1][middle.head : middle.ends[1]], new, known_b)
    in_turn = subsequences.paired([key for _, key in shared_a], [key for _, key in shared_b])
    pairs = sorted(pairs + [(shared_a[i][0], shared_b[j][0]) for i, j in in_turn])
    pairs = sorted(pairs + _pairs_with_changed_key(middle, pairs, old, new, fields))
    keyed = ({i for i, key in enumerate(old) if key is not None}, {j for j, key in enumerate(new) if key is not None})
    key = fields if lacking < count else None
    return Matching(pairs, middle.differing(pairs), key, unkeyed=True, keyed=keyed, note=note)


def _pairs_with_changed_key(
    middle: MiddlePair, pairs: list[Pair], old: list[Hashable | None], new: list[Hashable | None], key: Fields
) -> list[Pair]:
    """Pairs of elements of which one alone has the key, and that resemble each other."""
    left_a = _others(len(old), [i for i, _ in pairs])
    left_b = _others(len(new), [j for _, j in pairs])
    others = [middle.a[i] for i, _ in pairs]
    olds, news = [middle.a[i] for i in left_a], [middle.b[j] for j in left_b]
    found = similarity.similar_pairs(olds, news, others, middle.inner, key)
    return [(left_a[i], left_b[j]) for i, j in found if (old[left_a[i]] is None) != (new[left_b[j]] is None)]


def _without_key(middle: MiddlePair, old: list[Hashable | None], new: list[Hashable | None]) -> list[Pair]:
    rest_a, rest_b = ([place for place, key in enumerate(column) if key is None] for column in (old, new))
    return sequence_of(middle, rest_a, rest_b) if rest_a and rest_b else []


def _shared(
    keys: list[Hashable | None], own: list[Hashable | None], matched: set[int]
) -> list[tuple[int, Hashable | None]]:
    """The elements that are not matched and share their key with others: place and key."""
    return [
        (place, key)
        for place, key in enumerate(keys)
        if key is not None and own[place] is None and place not in matched
    ]


def _unique_keys(column: list[Hashable | None]) -> list[Hashable | None]:
    """The keys that no other element has."""
    if len(set(column)) == len(column) and None not in column:
        return column
    counts = Counter(column)
    return [key if counts[key] == 1 else None for key in column]


def _joined_fields(fields: Fields) -> str:
    return " and ".join(fields)


def _by_identifier(middle: MiddlePair) -> Matching | None:
    """Matches by a field that is plainly an identifier; None if there is no such."""
    before, after = middle.before, middle.after
    found = array_keys.plain(before, after, before[middle.head], middle.inner)
    if found is None:
        return None
    old, new = found.before[middle.head : middle.ends[0]], found.after[middle.head : middle.ends[1]]
    pairs = array_keys.pairs(old, new)
    if not pairs and len(old) == len(before) and len(new) == len(after):
        known = _by_known_key(middle)
        return known if known and known.pairs else _by_values_without_ids(middle) or Matching([], [], found.fields)
    return Matching(pairs, middle.differing(pairs), found.fields)


def _by_values_without_ids(middle: MiddlePair) -> Matching | None:
    """Matches of elements none of whose identifiers is found again: perhaps they were made anew."""
    a, b, inner = middle.a, middle.b, middle.inner
    if len(a) == len(b) == 1:
        return match_as_sequence(middle)
    if any(raw[0] != slices.OPEN_OBJECT for raw in (*a, *b)):
        return None
    if middle.rules is None or not middle.rules.known:
        sides = array_keys.ArrayPair(middle.before, len(b), a, b, inner, (range(len(a)), range(len(b))))
        key = array_keys.best_single(sides, but_identifiers=True)
        if key is not None and len(set(key.before) & set(key.after)) * 10 >= min(len(a), len(b)) * 9:
            return _by_key(middle, key, list(range(len(a))), list(range(len(b))), [])
    pairs = similarity.pairs_with_new_ids(a, b, inner)
    return Matching(pairs, middle.differing(pairs), unkeyed=True) if pairs else None


def _by_known_key(middle: MiddlePair) -> Matching | None:
    """Matches by the key that earlier comparisons found, None if most elements are without it."""
    known = middle.rules.known if middle.rules else None
    if known is None or is_ignored_key(known, middle.inner):
        return None
    paths = pointer.key_paths(known)
    own = [_unique_keys(columns.partial(elements, paths)) for elements in (middle.before, middle.after)]
    if any(len(column) - column.count(None) < len(column) * _MOSTLY for column in own):
        return None
    old, new = own[0][middle.head : middle.ends[0]], own[1][middle.head : middle.ends[1]]
    pairs = array_keys.pairs(old, new)
    pairs += _without_key(middle, old, new)
    every = range(len(old)), range(len(new))
    more = (
        [] if array_keys.KeyColumn(known, [], []).is_identifier else _similar_pairs(middle, pairs, every, pairs, known)
    )
    pairs = sorted(pairs + more)
    return Matching(pairs, middle.differing(pairs), None if more else known)


# By keys of what is left over


def _by_unmatched(middle: MiddlePair) -> Matching:
    a, b = middle.a, middle.b
    if is_positional(middle):
        return match_as_sequence(middle)
    places_a, places_b = dict(zip(a, range(len(a)), strict=True)), dict(zip(b, range(len(b)), strict=True))
    if len(places_a) < len(a) or len(places_b) < len(b):
        return match_as_sequence(middle)
    left_a = [i for raw, i in places_a.items() if raw not in places_b]
    left_b = [j for raw, j in places_b.items() if raw not in places_a]
    equal = [(i, places_b[raw]) for raw, i in places_a.items() if raw in places_b] if len(left_a) < len(a) else []
    if not left_a or not left_b:
        return match_as_sequence(middle) if _moves(equal) and middle.repeats else Matching(equal, [])
    if middle.alters:
        equal = sorted(equal + paired(middle, left_a, left_b))
        left_a = _others(len(a), [i for i, _ in equal])
        left_b = _others(len(b), [j for _, j in equal])
    if _moves(equal) and middle.repeats:
        return match_as_sequence(middle)
    if not left_a or not left_b:
        return Matching(equal, middle.differing(equal))
    head = middle.head
    places = [head + i for i in left_a], [head + j for j in left_b]
    left = [a[i] for i in left_a], [b[j] for j in left_b]
    sides = array_keys.ArrayPair(middle.before, len(middle.after), *left, middle.inner, places)
    key = array_keys.find_key(sides)
    return match_as_sequence(middle) if key is None else _by_key(middle, key, left_a, left_b, equal)


def _by_key(
    middle: MiddlePair, key: array_keys.KeyColumn, left_a: list[int], left_b: list[int], equal: list[Pair]
) -> Matching:
    """Matches of the leftovers by a key that was found, besides those of the `equal` ones."""
    by_key = [(left_a[i], left_b[j]) for i, j in key.pairs]
    if not by_key and not equal:
        return _by_values_without_ids(middle) or Matching([], [], key.fields)
    if similarity.prefers_positions(key, by_key, middle.a, middle.b, middle.inner):
        return match_as_sequence(middle)
    more = [] if key.is_identifier else _similar_pairs(middle, by_key, (left_a, left_b), equal or by_key, key.fields)
    pairs = sorted(equal + by_key + more)
    differing = middle.differing(pairs if middle.alters else by_key + more)
    # Where the key's own value changed in an element that is the same, it is no key to name the others by.
    return Matching(pairs, differing, None if more else key.fields)


def _similar_pairs(
    middle: MiddlePair,
    matched: list[Pair],
    places: tuple[Sequence[int], Sequence[int]],
    others: list[Pair],
    key: Fields,
) -> list[Pair]:
    """Pairs of the elements at `places` that resemble each other and none of `others`, without those in `matched`.

    Only where few are left: between far moments many records are others, however much is said of them again.
    """
    left = min(len(places[0]), len(places[1])) - len(matched)
    smaller = min(len(middle.before), len(middle.after))
    if not 0 < left <= max(1, smaller // _FEW_OF):
        return []
    known_a, known_b = {i for i, _ in matched}, {j for _, j in matched}
    left_a, left_b = [i for i in places[0] if i not in known_a], [j for j in places[1] if j not in known_b]
    olds, news = [middle.a[i] for i in left_a], [middle.b[j] for j in left_b]
    rest = [middle.a[i] for i, _ in others]
    found = [(left_a[i], left_b[j]) for i, j in similarity.similar_pairs(olds, news, rest, middle.inner, key)]
    is_whole = not middle.head and middle.ends == (len(middle.before), len(middle.after))
    return [pair for pair in found if not (is_whole and _is_sliding(pair, [*matched, *others]))]


def _is_sliding(pair: Pair, matched: list[Pair]) -> bool:
    """Whether all that was found again lies between the two: one went and another came, as in a series."""
    i, j = pair
    return bool(matched) and (all(x > i and y < j for x, y in matched) or all(x < i and y > j for x, y in matched))


def _others(length: int, places: list[int]) -> list[int]:
    known = set(places)
    return [place for place in range(length) if place not in known]


def _moves(pairs: list[Pair]) -> bool:
    places = [j for _, j in pairs]
    return not all(map(lt, places, islice(places, 1, None)))


def _kept(pairs: list[Pair]) -> list[Pair]:
    """The matches that stay in place relative to each other: as many as can."""
    return [pairs[place] for place in subsequences.increasing([j for _, j in pairs])] if _moves(pairs) else pairs


def _between(kept: list[Pair], matched: list[Pair], keyed: tuple[set[int], set[int]], lengths: Pair) -> list[Pair]:
    """Unmatched elements between two neighbouring kept ones, paired by position; those in `keyed` are not."""
    known_a, known_b = keyed[0].union(i for i, _ in matched), keyed[1].union(j for _, j in matched)
    pairs: list[Pair] = []
    last_i = last_j = -1
    for i, j in [*kept, lengths]:
        if i == last_i + 1 or j == last_j + 1:
            last_i, last_j = i, j
            continue
        olds = [x for x in range(last_i + 1, i) if x not in known_a]
        news = [y for y in range(last_j + 1, j) if y not in known_b]
        pairs += zip(olds, news, strict=False)
        last_i, last_j = i, j
    return pairs
