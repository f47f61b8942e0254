"""Which fields identify the elements of an array: configured, or found by looking at both versions.

A key is one scalar field (at most two objects deep, as in GeoJSON's `properties/code`) that every element has and no
two share, on both sides; where no single field does, a pair or triple of fields. Of several, the one by which most
elements are found again wins, with a head start for names such as `id` or `UniqueId`. Equal elements were matched
before this is asked, so only what is left over and the whole `before` are read, each by a msgspec struct that decodes
the fields in question and skips the rest.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import msgspec

from delta_server.core import columns, pointer, slices
from delta_server.core.columns import Column

Fields = tuple[str, ...]

SAMPLE = 32  # elements of a side that are looked at for field names
MAX_KEY_BYTES = 200
_MAX_SINGLES, _MAX_IN_PAIRS, _MAX_IN_TRIPLES = 24, 8, 6
_HEAD_START = 1.5
_ID_NAMES = ("id", "_id", "uid", "uuid", "guid", "uniqueid", "unique_id", "key", "code", "slug", "sku", "isbn", "ean")
_ID_ENDINGS = ("Id", "ID", "_id", "-id", "Uid", "UUID", "uuid", "Guid", "GUID", "_key", "Key", "_code", "Code")
_ADDRESS_NAMES = ("url", "uri", "href", "link", "permalink", "name", "email", "login", "username", "symbol", "path")
_RESERVED = frozenset('[]=,"\\')  # by the syntax of steps by key, see core/pointer.py


class Sides(msgspec.Struct, frozen=True):
    """An array's two versions: the old elements, how many new ones, and those of both no equal was found for."""

    before: Sequence[msgspec.Raw]
    length_after: int
    left_before: list[bytes]
    left_after: list[bytes]


class Key(msgspec.Struct, frozen=True):
    """The fields of a key and their values in elements of both sides: of all, or of the leftovers of `Sides`."""

    fields: Fields
    before: Column
    after: Column


class _Rows(msgspec.Struct, frozen=True):
    """Samples of the leftovers, flattened: path -> slice."""

    before: list[dict[str, bytes]]
    after: list[dict[str, bytes]]


def plain(
    before: Sequence[msgspec.Raw], after: Sequence[msgspec.Raw], example: msgspec.Raw, configured: Fields | None
) -> Key | None:
    """The key of all elements of both arrays if it is `configured` or plainly named, as seen in one element.

    A name that only ends like an identifier's must find so many elements again that no other field can be better.
    """
    first = bytes(example)
    if first[0] != slices.OPEN_OBJECT:
        return None
    smaller = min(len(before), len(after))
    for fields in ([configured] if configured else []) + [(name,) for name in _identifiers(first)]:
        old = _unique_column(before, fields)
        new = None if old is None else _unique_column(after, fields)
        if old is None or new is None:
            continue
        overlap = len(set(old).intersection(new))
        is_named = _likeness(fields[0]) == 0 and (overlap or smaller > 1)
        if fields == configured or is_named or overlap * _HEAD_START >= smaller:
            return Key(fields, old, new)
    return None


def _unique_column(elements: Sequence[msgspec.Raw], fields: Fields) -> Column | None:
    column = _column(elements, fields)
    return column if column is not None and len(set(column)) == len(column) else None


def _verified(sides: Sides, fields: Fields) -> Key | None:
    """The key of `fields`, None where an element lacks one of them or two elements share it."""
    key = _of_leftovers(sides, fields)
    return key if key and _is_unique(sides, key) else None


def _of_leftovers(sides: Sides, fields: Fields) -> Key | None:
    """The key of `fields` as far as the leftovers tell."""
    before, after = _column(sides.left_before, fields), _column(sides.left_after, fields)
    if before is None or after is None or len(set(before)) < len(before) or len(set(after)) < len(after):
        return None
    return Key(fields, before, after)


def _is_unique(sides: Sides, key: Key) -> bool:
    """Whether no two elements of either whole array share the key.

    The elements that are not left over are equal on both sides: reading them in `before` is enough.
    """
    if len(sides.before) == len(sides.left_before):
        return True
    known = set(_column(sides.before, key.fields) or ())
    return len(known) == len(sides.before) and known.difference(key.before).isdisjoint(key.after)


def found(sides: Sides) -> Key | None:
    """The best key of the leftovers, None where there is none, or where they are not objects."""
    if any(raw[0] != slices.OPEN_OBJECT for left in (sides.left_before, sides.left_after) for raw in left):
        return None
    if key := _surely(sides, _identifiers(sides.left_before[0])):
        return key
    return _best_single(sides) or _best_group(sides)


def shared(before: list[msgspec.Raw], after: list[msgspec.Raw], preferred: Fields | None) -> Fields | None:
    """The key by which elements of both versions of an array can be named; `preferred` if it serves."""
    fields = preferred or _of_elements(after) or _of_elements(before)
    serves = fields is not None and all(_unique_column(elements, fields) is not None for elements in (before, after))
    return fields if serves else None


def common_identifier(before: dict[str, msgspec.Raw], after: dict[str, msgspec.Raw]) -> str | None:
    """The name of the members' first identifier, if they have one and all their identifiers are equal."""
    first: str | None = None
    for name, raw in before.items():
        if _likeness(name) > 1 or not _is_key_value(bytes(raw)) or not _is_key_field(pointer.escape(name)):
            continue
        if raw != after.get(name):
            return None
        if first is None or _likeness(name) < _likeness(first):
            first = name
    return first


def of_array(array: bytes) -> Fields | None:
    """The key of one version of an array, seen alone."""
    return _of_elements(slices.elements(array))


def _of_elements(elements: list[msgspec.Raw]) -> Fields | None:
    left = list(map(bytes, elements))
    key = found(Sides(elements, len(left), left, left)) if left else None
    return key.fields if key else None


def _identifiers(raw: bytes) -> list[str]:
    """The members whose names are those of identifiers; only if there are none, those of the objects inside."""
    names = [pointer.escape(name) for name in slices.members(raw)]
    own = [name for name in names if _likeness(name) < 2 and _is_key_field(name)]
    paths = own or [path for path in _flat(raw) if _likeness(path) < 2]
    return sorted(paths, key=_likeness)


def _surely(sides: Sides, identifiers: list[str]) -> Key | None:
    """A key that needs no look at the whole array: every identifier finds all leftovers again."""
    count = len(sides.left_before)
    if count != len(sides.left_after):
        return None
    sure: Key | None = None
    for name in identifiers:
        before = _column(sides.left_before, (name,))
        known = set(before or ())
        if before is None or len(known) < count:
            continue
        after = _column(sides.left_after, (name,))
        if after is None or known != set(after):
            return None
        sure = sure or Key((name,), before, after)
    return sure


def _best_single(sides: Sides) -> Key | None:
    best: Key | None = None
    best_score = 0.0
    most = len(sides.before) - len(sides.left_before) + min(len(sides.left_before), len(sides.left_after))
    places = {path: place for place, path in enumerate(_flat(sides.left_before[0]))}
    for name in sorted(places, key=lambda path: _rank(path, places[path]))[:_MAX_SINGLES]:
        likeness = _likeness(name)
        if likeness > 1 and best_score >= most:
            break
        key = _of_leftovers(sides, (name,))
        if key is None:
            continue
        score = _overlap(sides, key) * (_HEAD_START if likeness < 2 else 1)
        is_better = score > best_score or (best is None and likeness == 0 and most > 1)
        if is_better and _is_unique(sides, key):
            best, best_score = key, score
    return best


def _best_group(sides: Sides) -> Key | None:
    """The best pair of fields, else the best triple. A group must find at least half of the elements again."""
    rows = _Rows(*([_flat(raw) for raw in _spread(left)] for left in (sides.left_before, sides.left_after)))
    distinct = {name: len({flat[name] for flat in rows.before + rows.after}) for name in _common(rows)}
    names = sorted(
        [name for name in distinct if distinct[name] > 1], key=lambda name: (_likeness(name), -distinct[name])
    )
    wanted = min(len(sides.before), sides.length_after) / 2
    for size, limit in ((2, _MAX_IN_PAIRS), (3, _MAX_IN_TRIPLES)):
        groups = [group for group in combinations(names[:limit], size) if _unique_in(rows, group)]
        keys = [key for group in groups if (key := _verified(sides, group)) and _overlap(sides, key) >= wanted]
        if keys:
            return max(keys, key=lambda key: _overlap(sides, key))
    return None


def _overlap(sides: Sides, key: Key) -> int:
    """How many elements of the whole array this key finds again."""
    return len(sides.before) - len(sides.left_before) + len(set(key.before) & set(key.after))


def _unique_in(rows: _Rows, names: Fields) -> bool:
    """Whether `names` tell the sampled elements of each side apart."""
    sides = (rows.before, rows.after)
    return all(len({tuple([flat[name] for name in names]) for flat in side}) == len(side) for side in sides)


def _spread(elements: list[bytes]) -> list[bytes]:
    return elements[:: -(-len(elements) // SAMPLE)]


def _flat(raw: bytes) -> dict[str, bytes]:
    """The scalars of an element that could be part of a key: path -> slice."""
    flat: dict[str, bytes] = {}
    for name, member in slices.members(raw).items():
        value = bytes(member)
        if value[0] == slices.OPEN_OBJECT:
            inner = slices.members(value).items()
            flat.update((f"{pointer.escape(name)}/{pointer.escape(n)}", bytes(v)) for n, v in inner)
        else:
            flat[pointer.escape(name)] = value
    return {path: value for path, value in flat.items() if _is_key_value(value) and _is_key_field(path)}


def _is_key_value(value: bytes) -> bool:
    if len(value) > MAX_KEY_BYTES:
        return False
    return value[0] == slices.QUOTE or value.isdigit() or (value[:1] == b"-" and value[1:].isdigit())


@lru_cache(maxsize=4096)
def _is_key_field(path: str) -> bool:
    return path.isprintable() and _RESERVED.isdisjoint(path) and all(path.split("/"))


def _common(rows: _Rows) -> list[str]:
    """The paths every sample has, in the order of the first."""
    first, *others = rows.before + rows.after
    return [path for path in first if all(path in flat for flat in others)]


def _rank(path: str, place: int) -> tuple[int, int, int]:
    return (_likeness(path), path.count("/"), place)


@lru_cache(maxsize=4096)
def _likeness(path: str) -> int:
    """0: the name of an identifier, 1: ends like one, 2: a name or an address, 3: any other."""
    name = path.rpartition("/")[2]
    if name.lower() in _ID_NAMES:
        return 0
    if name.endswith(_ID_ENDINGS):
        return 1
    return 2 if name.lower() in _ADDRESS_NAMES else 3


def _column(elements: Sequence[bytes | msgspec.Raw], fields: Fields) -> Column | None:
    """The key of each element, None if one of them is not an object with these fields as strings or integers."""
    return columns.of(b"[" + b",".join(elements) + b"]", pointer.key_paths(tuple(fields)))
