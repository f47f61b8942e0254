"""Which fields identify the elements of an array, found by looking at both versions.

A key is one scalar field (at most two objects deep, as in GeoJSON's `properties/code`) that every element has and no
two share, on both sides; where no single field does, a pair or triple of fields. Of several, the one by which most
elements are found again wins, with a head start for names such as `id`, `UniqueId` or `url`.
A field that is no identifier by its name must find nearly all elements again: or a value that changes now and then
would be taken for a key. Places that are ignored are no fields here.

Equal elements were matched before this runs, so only what is left over and the whole `before` are read, each by a
msgspec struct that decodes the fields in question and skips the rest.
"""

from collections.abc import Hashable, Sequence
from functools import cached_property, lru_cache
from itertools import combinations

import msgspec

from delta_server.core.arrays import subsequences
from delta_server.core.arrays.key_names import (
    ADDRESS,
    CODE,
    IDENTIFIER,
    LIKE_IDENTIFIER,
    can_be_key,
    is_ignored,
    likeness,
)
from delta_server.core.arrays.subsequences import Pair
from delta_server.core.diff.diff_settings import Fields, Rules
from delta_server.core.json import columns, pointer, slices
from delta_server.core.json.columns import Column
from delta_server.core.json.pieces import LazyElements

SAMPLE = 32  # elements of a side that are looked at for field names
MAX_KEY_BYTES = 200
_MAX_SINGLES, _MAX_IN_PAIRS, _MAX_IN_TRIPLES = 24, 8, 6
_HEAD_START = 1.5
_HEAD_STARTS = dict.fromkeys((IDENTIFIER, LIKE_IDENTIFIER, ADDRESS), _HEAD_START)
_NEARLY_ALL = 0.9
_SEVERAL = 4
_REMEMBERED_BYTES = 1 << 14
_ZERO = ord("0")


class ArrayPair(msgspec.Struct, frozen=True):
    """An array's two versions: the old elements, how many new ones, and those of both no equal was found for, with
    their places where these are known. `rules` are those at the elements."""

    before: Sequence[msgspec.Raw]
    length_after: int
    left_before: list[bytes]
    left_after: list[bytes]
    rules: Rules | None
    places: tuple[Sequence[int], Sequence[int]] = ((), ())

    @property
    def smaller(self) -> int:
        return min(len(self.before), self.length_after)


class KeyColumn(msgspec.Struct, frozen=True, dict=True):
    """The fields of a key and their values in elements of both sides: of all, or of the leftovers of `ArrayPair`."""

    fields: Fields
    before: Column
    after: Column

    @cached_property
    def pairs(self) -> list[Pair]:
        return pairs(self.before, self.after)

    @property
    def is_identifier(self) -> bool:
        return any(likeness(field) <= LIKE_IDENTIFIER for field in self.fields)


class _FlatSamples(msgspec.Struct, frozen=True):
    """Samples of the leftovers, flattened: path -> slice."""

    before: list[dict[str, bytes]]
    after: list[dict[str, bytes]]


def pairs(before: Sequence[Hashable | None], after: Sequence[Hashable | None]) -> list[Pair]:
    """The places of equal keys, in the order of the old ones; keys left over are equal if they read alike (1 and "1").

    No key comes twice on a side; None is none.
    """
    place_of = dict(zip(after, range(len(after)), strict=True))
    place_of.pop(None, None)
    found = [(i, j) for i, j in enumerate(map(place_of.get, before)) if j is not None]
    if len(found) == min(len(before), len(after)) or {*map(type, before), *map(type, after)} in ({str}, {int}):
        return found
    known_i, known_j = {i for i, _ in found}, {j for _, j in found}
    left = _by_text([(i, key) for i, key in enumerate(before) if i not in known_i])
    texts = _by_text([(j, key) for j, key in enumerate(after) if j not in known_j])
    alike = [(i, texts[text]) for text, i in left.items() if text in texts]
    return sorted(found + alike) if alike else found


def _by_text(keys: list[tuple[int, Hashable | None]]) -> dict[Hashable, int]:
    """The places of keys by how they read; of keys that read alike none."""
    found: dict[Hashable, int] = {}
    twice = set()
    for place, key in keys:
        text = tuple(map(str, key)) if isinstance(key, tuple) else str(key)
        if key is not None and text in found:
            twice.add(text)
        elif key is not None:
            found[text] = place
    return {text: place for text, place in found.items() if text not in twice}


def plain(
    before: Sequence[msgspec.Raw], after: Sequence[msgspec.Raw], example: msgspec.Raw, rules: Rules | None
) -> KeyColumn | None:
    """The key of all elements of both arrays if it is plainly named, as seen in one element.

    A name that only ends like an identifier's must find so many elements again that no other field can be better. An
    identifier that finds none again is the answer if there is no other.
    """
    first = bytes(example)
    if first[0] != slices.OPEN_OBJECT:
        return None
    smaller = min(len(before), len(after))
    stale: KeyColumn | None = None
    for name in identifiers(first, rules):
        old = unique_column(before, (name,))
        new = None if old is None else unique_column(after, (name,))
        if old is None or new is None:
            continue
        overlap = len(set(old).intersection(new)) or len(pairs(old, new))
        if (likeness(name) == IDENTIFIER and overlap) or overlap * _HEAD_START >= smaller:
            return KeyColumn((name,), old, new)
        if likeness(name) == IDENTIFIER:
            stale = stale or KeyColumn((name,), old, new)
    return stale


def unique_column(elements: Sequence[msgspec.Raw], fields: Fields) -> Column | None:
    """The keys of all elements, None where one has none or two share one."""
    column = _column(elements, fields)
    return column if column is not None and len(set(column)) == len(column) else None


def _verified(sides: ArrayPair, fields: Fields) -> KeyColumn | None:
    """The key of `fields`, None where an element lacks one of them or two elements share it."""
    key = _of_unmatched(sides, fields)
    return key if key and _is_unique(sides, key) else None


def _of_unmatched(sides: ArrayPair, fields: Fields) -> KeyColumn | None:
    """The key of `fields` as far as the leftovers tell."""
    before, after = _column(sides.left_before, fields), _column(sides.left_after, fields)
    if before is None or after is None or len(set(before)) < len(before) or len(set(after)) < len(after):
        return None
    return KeyColumn(fields, before, after)


def _is_unique(sides: ArrayPair, key: KeyColumn) -> bool:
    """Whether no two elements of either whole array share the key.

    The elements that are not left over are equal on both sides: reading them in `before` is enough.
    """
    if len(sides.before) == len(sides.left_before):
        return True
    known = set(_column(sides.before, key.fields) or ())
    return len(known) == len(sides.before) and known.difference(key.before).isdisjoint(key.after)


def find_key(sides: ArrayPair) -> KeyColumn | None:
    """The best key of the leftovers, None where there is none, or where they are not objects."""
    if any(raw[0] != slices.OPEN_OBJECT for left in (sides.left_before, sides.left_after) for raw in left):
        return None
    if key := _certain_key(sides, identifiers(sides.left_before[0], sides.rules)):
        return key
    return best_single(sides) or _best_group(sides)


def shared(
    before: list[msgspec.Raw] | LazyElements,
    after: list[msgspec.Raw] | LazyElements,
    preferred: Fields | None,
    rules: Rules | None,
    same: Sequence[Pair],
) -> Fields | None:
    """The key by which elements of both versions of an array can be named: `preferred`, or one that serves: the places
    in `same` are of elements that are the same, so they have one name."""
    if preferred is not None or isinstance(before, LazyElements) or isinstance(after, LazyElements):
        return preferred
    fields = _of_elements(after, rules) or _of_elements(before, rules)
    old = None if fields is None else unique_column(before, fields)
    new = None if fields is None else unique_column(after, fields)
    if old is None or new is None or any(old[i] != new[j] for i, j in same):
        return None
    return fields


def common_identifier(before: dict[str, msgspec.Raw], after: dict[str, msgspec.Raw], rules: Rules | None) -> str | None:
    """The name of the members' first identifier, if they have one and all their identifiers are equal."""
    first: str | None = None
    for name, raw in before.items():
        if likeness(name) > CODE or not _is_key_value(bytes(raw)):
            continue
        path = pointer.escape(name)
        if not can_be_key(path) or is_ignored(path, rules):
            continue
        if raw != after.get(name):
            return None
        if first is None or likeness(name) < likeness(first):
            first = name
    return first


def of_array(array: bytes, rules: Rules | None = None) -> Fields | None:
    """The key of one version of an array, seen alone. `rules` are those at its elements."""
    return _of_elements(slices.elements(array), rules)


def _of_elements(elements: list[msgspec.Raw], rules: Rules | None) -> Fields | None:
    left = list(map(bytes, elements))
    key = find_key(ArrayPair(elements, len(left), left, left, rules)) if left else None
    return key.fields if key else None


def identifiers(raw: bytes, rules: Rules | None) -> list[str]:
    """The members whose names are those of identifiers; only if there are none, those of the objects inside."""
    if len(raw) <= _REMEMBERED_BYTES and (rules is None or not rules.ignores_below):
        return _plain_identifiers(raw)
    return _read_identifiers(raw, rules)


@lru_cache(maxsize=64)
def _plain_identifiers(raw: bytes) -> list[str]:
    return _read_identifiers(raw, None)


def _read_identifiers(raw: bytes, rules: Rules | None) -> list[str]:
    names = [pointer.escape(name) for name in slices.members(raw)]
    own = [name for name in names if likeness(name) < CODE and can_be_key(name) and not is_ignored(name, rules)]
    paths = own or [path for path in _flat(raw, rules) if likeness(path) < CODE]
    return sorted(paths, key=likeness)


def _certain_key(sides: ArrayPair, identifiers: list[str]) -> KeyColumn | None:
    """A key that needs no look at the whole array: every identifier finds all leftovers again."""
    count = len(sides.left_before)
    if count != len(sides.left_after):
        return None
    sure: KeyColumn | None = None
    for name in identifiers:
        before = _column(sides.left_before, (name,))
        known = set(before or ())
        if before is None or len(known) < count:
            continue
        after = _column(sides.left_after, (name,))
        if after is None or known != set(after):
            return None
        sure = sure or KeyColumn((name,), before, after)
    return sure


def best_single(sides: ArrayPair, *, but_identifiers: bool = False) -> KeyColumn | None:
    """The field that finds most leftovers again; of equally good ones, that by which fewest have moved."""
    best: KeyColumn | None = None
    best_score, fewest = 0.0, 0
    stale: KeyColumn | None = None
    most = len(sides.before) - len(sides.left_before) + min(len(sides.left_before), len(sides.left_after))
    places = {path: place for place, path in enumerate(_flat(sides.left_before[0], sides.rules))}
    for name in sorted(places, key=lambda path: _rank(path, places[path]))[:_MAX_SINGLES]:
        kind = likeness(name)
        if kind <= LIKE_IDENTIFIER and but_identifiers:
            continue
        if kind > LIKE_IDENTIFIER and (best_score > most or (best_score == most and not fewest)):
            break
        key = _of_unmatched(sides, (name,))
        if key is None or (kind > ADDRESS and _is_ordinal(sides, key)):
            continue
        overlap = _overlap(sides, key)
        if not _finds_enough(kind, overlap, sides.smaller, len(key.pairs)):
            if kind == IDENTIFIER and most > 1 and _is_unique(sides, key):
                stale = stale or key
            continue
        score = overlap * _HEAD_STARTS.get(kind, 1)
        if score < best_score or (score == best_score and not fewest):
            continue
        moves = _moves(key)
        if (score > best_score or moves < fewest) and _is_unique(sides, key):
            best, best_score, fewest = key, score, moves
    return best or stale


def _finds_enough(kind: int, overlap: int, smaller: int, edited: int) -> bool:
    """`edited`: of the elements found again, how many are not equal."""
    if kind in (IDENTIFIER, LIKE_IDENTIFIER, ADDRESS):
        return overlap > 0
    if edited >= _SEVERAL and overlap >= smaller - 1:
        return True  # a forecast for seven days slides by one, and all its values change but the dates
    return overlap > 0 and overlap >= smaller * (0.5 if kind == CODE else _NEARLY_ALL)


def _is_ordinal(sides: ArrayPair, key: KeyColumn) -> bool:
    """Whether the key only counts the places of the leftovers, so that it is found again whatever stands there."""
    (first, *rest), (olds, news) = key.before, sides.places
    if not rest or not olds or not isinstance(first, int):
        return False
    base = first - olds[0]
    columns_ = ((key.before, olds), (key.after, news))
    return all(value == base + place for column, at in columns_ for value, place in zip(column, at, strict=True))


def _moves(key: KeyColumn) -> int:
    found = key.pairs
    return len(found) - len(subsequences.increasing([j for _, j in found])) if found else 0


def _best_group(sides: ArrayPair) -> KeyColumn | None:
    """The best pair of fields, else the best triple. A group must find nearly all elements again."""
    rows = _FlatSamples(
        *([_flat(raw, sides.rules) for raw in _spread(left)] for left in (sides.left_before, sides.left_after))
    )
    distinct = {name: len({flat[name] for flat in rows.before + rows.after}) for name in _common(rows)}
    names = sorted(
        [name for name in distinct if distinct[name] > 1], key=lambda name: (likeness(name), -distinct[name])
    )
    wanted = sides.smaller * _NEARLY_ALL
    for size, limit in ((2, _MAX_IN_PAIRS), (3, _MAX_IN_TRIPLES)):
        groups = [group for group in combinations(names[:limit], size) if _unique_in(rows, group)]
        keys = [key for group in groups if (key := _verified(sides, group)) and _overlap(sides, key) >= wanted]
        if keys:
            return max(keys, key=lambda key: _overlap(sides, key))
    return None


def _overlap(sides: ArrayPair, key: KeyColumn) -> int:
    """How many elements of the whole array this key finds again."""
    return len(sides.before) - len(sides.left_before) + len(set(key.before) & set(key.after))


def _unique_in(rows: _FlatSamples, names: Fields) -> bool:
    """Whether `names` identify the sampled elements of each side."""
    sides = (rows.before, rows.after)
    return all(len({tuple([flat[name] for name in names]) for flat in side}) == len(side) for side in sides)


def _spread(elements: list[bytes]) -> list[bytes]:
    return elements[:: -(-len(elements) // SAMPLE)]


def _flat(raw: bytes, rules: Rules | None) -> dict[str, bytes]:
    """The scalars of an element that could be part of a key: path -> slice."""
    flat = _scalars(raw) if len(raw) <= _REMEMBERED_BYTES else _read_scalars(raw)
    if rules is None or not rules.ignores_below:
        return flat
    return {path: value for path, value in flat.items() if not is_ignored(path, rules)}


@lru_cache(maxsize=64)
def _scalars(raw: bytes) -> dict[str, bytes]:
    """As each search for a key looks at one element several times."""
    return _read_scalars(raw)


def _read_scalars(raw: bytes) -> dict[str, bytes]:
    flat: dict[str, bytes] = {}
    for name, member in slices.members(raw).items():
        value = bytes(member)
        if value[0] == slices.OPEN_OBJECT:
            inner = slices.members(value).items()
            flat.update((f"{pointer.escape(name)}/{pointer.escape(n)}", bytes(v)) for n, v in inner)
        else:
            flat[pointer.escape(name)] = value
    return {path: value for path, value in flat.items() if _is_key_value(value) and can_be_key(path)}


def _is_key_value(value: bytes) -> bool:
    """Whether it is a short string or a whole number, as 7 and 7.0 are."""
    if len(value) > MAX_KEY_BYTES:
        return False
    if value[0] == slices.QUOTE or value.isdigit():
        return True
    may_be_whole = value[-1] == _ZERO or b"." not in value or b"e" in value or b"E" in value
    return may_be_whole and isinstance(columns.key_value(value), int)


def _common(rows: _FlatSamples) -> list[str]:
    """The paths every sample has, in the order of the first."""
    first, *others = rows.before + rows.after
    return [path for path in first if all(path in flat for flat in others)]


def _rank(path: str, place: int) -> tuple[int, int, int]:
    return (likeness(path), path.count("/"), place)


def _column(elements: Sequence[bytes | msgspec.Raw], fields: Fields) -> Column | None:
    """The key of each element, None if one of them is not an object with these fields as strings or integers."""
    return columns.of(b"[" + b",".join(elements) + b"]", pointer.key_paths(tuple(fields)))
