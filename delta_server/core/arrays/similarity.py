"""Which elements are the same although no key says so: what is in them, or where they stand.

A member's value distinguishes an element from others if no other element has it: two records that share `"status":
"ok"` need not be the same, two that share an address are likely to be."""

from collections import Counter
from collections.abc import Hashable
from functools import lru_cache

import msgspec

from delta_server.core.arrays.array_keys import KeyColumn
from delta_server.core.arrays.key_names import ADDRESS, LIKE_IDENTIFIER, can_be_key, is_ignored, likeness
from delta_server.core.arrays.subsequences import Pair
from delta_server.core.diff.canonical_form import form
from delta_server.core.diff.diff_settings import Fields, Rules
from delta_server.core.json import columns, pointer, slices

MAX_UNMATCHED = 64  # leftovers of a side that are compared with those of the other
_MOST_BYTES = 1 << 20  # of them and the sample: a value is looked for in all of them
_MOST_ITEMS = 64  # values of an element
SAMPLE = 16  # other elements that are checked first: a value that is in one of them identifies nothing
_MOST_COLUMNS = 8  # fields that are then compared with all other elements
FEW_ELEMENTS = 8  # elements of which all are looked at without asking first whether that may be worth while
_LONG_BYTES = 6  # bytes of a text that is hardly there by chance
_MOST_IN_PLACE = 64

_Item = tuple[str, bytes]
"""A path in an element and the value there."""


def similar_pairs(
    olds: list[bytes], news: list[bytes], others: list[bytes], rules: Rules | None, key: Fields = ()
) -> list[Pair]:
    """Pairs of leftovers that share at least half of what distinguishes them from `others`; more than half where the
    key is an address, which seldom changes. Identifiers and `key` identify nothing here."""
    if not olds or not news or max(len(olds), len(news)) > MAX_UNMATCHED:
        return []
    sample = others[:: -(-len(others) // SAMPLE) or 1]
    if sum(map(len, (*olds, *news, *sample))) > _MOST_BYTES or not _are_objects([*olds, *news]):
        return []
    old_rows = [_items(raw, rules, key) for raw in olds]
    is_address = any(likeness(field) == ADDRESS for field in key)
    text = b"".join(news)
    if not any(item[1] in text and not _is_in(item, sample) for row in old_rows for item in row):
        return []
    counts = Counter(item for row in old_rows for item in row)
    places = _unique_places([_items(raw, rules, key) for raw in news])
    seen = {item for item, count in counts.items() if count == 1 and item in places and not _is_in(item, sample)}
    rows: list[tuple[int, list[_Item], int]] = []  # those that may be found, what of them, twice as much as is wanted
    for i, row in enumerate(old_rows):
        if own := [item for item in row if item in seen]:
            wanted = sum(counts[item] == 1 and not _is_in(item, sample) for item in row) + is_address
            rows += [(i, own, wanted)] if len(own) * 2 >= wanted else []
    telling = seen - _shared_items(seen, others) if rows else seen
    found: dict[int, int] = {}
    for i, own, wanted in rows:
        best = Counter(places[item] for item in own if item in telling).most_common(2)
        if not best or best[0][0] in found or (len(best) > 1 and best[0][1] == best[1][1]):
            continue
        if best[0][1] * 2 >= wanted:
            found[best[0][0]] = i
    return sorted((i, j) for j, i in found.items())


def _unique_places(rows: list[list[_Item]]) -> dict[_Item, int]:
    """Where each item is that only one row has."""
    places: dict[_Item, int] = {}
    for place, row in enumerate(rows):
        for item in row:
            places[item] = -1 if item in places else place
    return {item: place for item, place in places.items() if place >= 0}


def _is_in(item: _Item, elements: list[bytes]) -> bool:
    path, value = item
    return any(value in raw and pointer.field_of(raw, path) == value for raw in elements)


def _shared_items(items: set[_Item], elements: list[bytes]) -> set[_Item]:
    """Those of `items` that one of the elements has: a sample does not tell of what only one in twenty has."""
    paths = sorted({path for path, _ in items if can_be_key(path)})[:_MOST_COLUMNS]
    known = {path: set(columns.partial(elements, pointer.key_paths((path,)))) - {None} for path in paths}
    return {(path, value) for path, value in items if path in known and columns.key_value(value) in known[path]}


def _items(raw: bytes, rules: Rules | None, key: Fields) -> list[_Item]:
    """What may distinguish an element from others: its values, and those of objects in it one level down."""
    items: list[_Item] = []
    for name, member in slices.members(raw).items():
        value, path = bytes(member), pointer.escape(name)
        if value[0] == slices.OPEN_OBJECT:
            items += [
                (f"{path}/{pointer.escape(below)}", bytes(inner)) for below, inner in slices.members(value).items()
            ]
        else:
            items.append((path, value))
    telling = [item for item in items if item[1][0] not in b"tfn" and _is_distinctive(item[0]) and item[0] not in key]
    telling = telling[:_MOST_ITEMS]
    if rules is None or not rules.ignores_below:
        return telling
    return [item for item in telling if not is_ignored(item[0], rules)]


@lru_cache(maxsize=4096)
def _is_distinctive(path: str) -> bool:
    return likeness(path) > LIKE_IDENTIFIER and all(path.split("/"))


def pairs_with_new_ids(olds: list[bytes], news: list[bytes], rules: Rules | None) -> list[Pair]:
    """Pairs of elements that are equal but for their identifiers, or share most of what distinguishes them from others;
    none if those are less than half of the elements."""
    if not _may_be(olds, news):
        return []
    old_forms = [_without_identifiers(raw, rules) for raw in olds]
    new_forms = [_without_identifiers(raw, rules) for raw in news]
    places = {each: j for j, each in enumerate(new_forms)}
    if None in old_forms or None in places or len(set(old_forms)) < len(olds) or len(places) < len(news):
        return []
    found = [(i, places[each]) for i, each in enumerate(old_forms) if each in places]
    known_i, known_j = {i for i, _ in found}, {j for _, j in found}
    left_i = [i for i in range(len(olds)) if i not in known_i]
    left_j = [j for j in range(len(news)) if j not in known_j]
    others = [olds[i] for i in sorted(known_i)]
    more = similar_pairs([olds[i] for i in left_i], [news[j] for j in left_j], others, rules)
    found += [(left_i[i], left_j[j]) for i, j in more]
    return sorted(found) if len(found) * 2 >= min(len(olds), len(news)) else []


def _may_be(olds: list[bytes], news: list[bytes]) -> bool:
    """Whether the longest text of one of a few elements is on the other side too; true where there are no long ones."""
    fewer, others = sorted((olds, news), key=len)
    if len(fewer) <= FEW_ELEMENTS:
        return True
    text = b",".join(others)
    longest = [_longest_text(raw) for raw in fewer[:: -(-len(fewer) // SAMPLE)]]
    return any(len(longest_text) < _LONG_BYTES or longest_text in text for longest_text in longest)


def _longest_text(raw: bytes) -> bytes:
    own = [value for path, value in _items(raw, None, ()) if value[0] == slices.QUOTE]
    return max(own, key=len, default=b"")


def _without_identifiers(raw: bytes, rules: Rules | None) -> Hashable:
    """What an object is apart from its identifiers; None for one without anything else."""
    kept = {}
    for name, member in slices.members(raw).items():
        if likeness(name) > LIKE_IDENTIFIER and not is_ignored(pointer.escape(name), rules):
            kept[name] = _without_identifiers_inside(bytes(member))
    if not kept:
        return None
    if rules is None or not rules.alters:
        return tuple(sorted(kept.items()))
    return form(msgspec.json.encode({name: msgspec.Raw(value) for name, value in kept.items()}), rules)


def _without_identifiers_inside(raw: bytes) -> bytes:
    if raw[0] != slices.OPEN_OBJECT:
        return raw
    members = slices.members(raw)
    kept = {name: value for name, value in members.items() if likeness(name) > LIKE_IDENTIFIER}
    return raw if len(kept) == len(members) else msgspec.json.encode(kept)


def prefers_positions(key: KeyColumn, pairs: list[Pair], a: list[bytes], b: list[bytes], rules: Rules | None) -> bool:
    """Whether elements that `key` pairs crosswise are as like to those at their own places: then the key's values
    changed, and no element moved."""
    crossed = [(i, j) for i, j in pairs if i != j]
    if key.is_identifier or not crossed or len(crossed) > _MOST_IN_PLACE:
        return False
    if {i for i, _ in crossed} != {j for _, j in crossed}:
        return False
    by_key = sum(_equal_members(a[i], b[j], rules) for i, j in crossed)
    return sum(_equal_members(a[i], b[i], rules) for i, _ in crossed) >= by_key


def _equal_members(old: bytes, new: bytes, rules: Rules | None) -> int:
    before, after = slices.members(old), slices.members(new)
    return sum(after.get(name) == raw and not is_ignored(pointer.escape(name), rules) for name, raw in before.items())


def _are_objects(elements: list[bytes]) -> bool:
    return all(raw[0] == slices.OPEN_OBJECT for raw in elements)
