"""What a delta says of the places in a document, record by record: the entries of the record index.

An entry is a place and what happened there:

    =   it was replaced or removed; what is under it may be the same
    +   it was added: neither it nor anything under it was there before
    [id the elements of the array there changed, each of which has an entry of its own by the key `id`
    *   so did those of an array without a key: anything under it may have changed
    ?   it, or anything under it, may have changed
"""

from collections.abc import Hashable, Iterator, Sequence

import msgspec

from delta_server.core.arrays import array_keys
from delta_server.core.arrays.key_names import is_ignored_key
from delta_server.core.diff.compare import DiffSummary
from delta_server.core.diff.diff_settings import DiffSettings, Fields, KnownKeys, Rules, rules
from delta_server.core.diff.tree import ArrayDiff, Edit, Node, ObjectDiff
from delta_server.core.history import records
from delta_server.core.json import columns, pointer, slices, surrogates
from delta_server.core.packs import small
from delta_server.core.packs.codec import digest

REPLACED, ADDED, ELEMENTS, KEYLESS, ANYTHING = "=", "+", "[", "*", "?"

ABSENT = b"-"
"""As the value of an entry: the place is not there any more. No value (b"") is one that is not kept."""

MOST_WITH_VALUES = 16
"""A delta with more entries keeps no values: they would take more than the index may."""
MOST_VALUE_BYTES = 48
MOST_PLACE_BYTES = 512
MOST_ENTRIES = 2048
"""Of one delta; where there are more, those of a record are one, and then those of all."""

_MOST_KEYS, _MOST_HELD = 20_000, 200_000
_LEVEL = 6
_MOST_RAW = 64 << 20
_PLAIN, _SMALLER = b"\x00", b"\x01"


class RecordEntry(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    record: bytes
    place: str
    what: str
    value: bytes = b""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[RecordEntry]).decode


def encoded(entries: Sequence[RecordEntry]) -> bytes:
    """Empty for none."""
    if not entries:
        return b""
    raw = _encode(list(entries))
    smaller = small.packed(raw, level=_LEVEL) if len(raw) > 100 else raw
    return _SMALLER + smaller if len(smaller) < len(raw) else _PLAIN + raw


def decoded(blob: bytes) -> list[RecordEntry]:
    if not blob:
        return []
    data = blob[1:]
    if blob[:1] == _SMALLER:
        data = small.unpacked(data, most_bytes=_MOST_RAW)
    return _decode(data)


def entries_of(difference: DiffSummary, settings: DiffSettings, known: KnownKeys) -> list[RecordEntry]:
    """The entries of a difference that was made with these settings and keys."""
    if difference.root is None:
        return []
    return _deduplicated(_EntryBuilder(difference).entries(difference.root, rules(settings, known)))


def _deduplicated(entries: list[RecordEntry]) -> list[RecordEntry]:
    """Without doubles, and not more than may be."""
    found = sorted({(entry.record, entry.place, entry.what): entry for entry in entries}.values())
    if len(found) > MOST_ENTRIES:
        found = [RecordEntry(record, "", ANYTHING) for record in sorted({entry.record for entry in found})]
    if len(found) > MOST_ENTRIES:
        return [RecordEntry(records.ROOT, "", ANYTHING)]
    if len(found) > MOST_WITH_VALUES:
        return [RecordEntry(entry.record, entry.place, entry.what) for entry in found]
    return found


_OneSided = tuple[Hashable, Edit]
_Pair = tuple[Hashable, Hashable, Node]
_Keyed = tuple[list[_OneSided], list[_Pair]]
"""Removed and added elements, then pairs of the same element, with their keys."""


class _Location(msgspec.Struct, frozen=True):
    record: bytes
    place: str
    rules: Rules | None

    def member(self, name: str) -> "_Location":
        at = self.rules.member(name) if self.rules else None
        return _Location(self.record, f"{self.place}/{pointer.escape(name)}", at)


class _EntryBuilder:
    def __init__(self, difference: DiffSummary) -> None:
        self._before, self._after = digest(difference.before), digest(difference.after)
        self._found: list[RecordEntry] = []

    def entries(self, root: Node, at: Rules | None) -> list[RecordEntry]:
        self._node(root, _Location(records.ROOT, "", at))
        return self._found

    def _add(self, at: _Location, what: str, value: bytes = b"") -> None:
        if len(at.place) > MOST_PLACE_BYTES or len(what) > MOST_PLACE_BYTES:
            self._found.append(RecordEntry(at.record, "", ANYTHING))
        else:
            self._found.append(RecordEntry(at.record, at.place, what, value))

    def _node(self, node: Node, at: _Location) -> None:
        if isinstance(node, Edit):
            self._add(at, ADDED if node.old is None else REPLACED, _kept_value(node.new))
        elif isinstance(node, ObjectDiff):
            for name, below in node.changed:
                self._node(below, at.member(name))
        else:
            self._array(node, at)

    def _array(self, node: ArrayDiff, at: _Location) -> None:
        keyed = next((by for fields in _fields(node, at.rules) if (by := self._keyed(node, at, fields))), None)
        if keyed is None:
            self._add(at, KEYLESS)
            return
        fields, (lone, pairs) = keyed
        self._add(at, ELEMENTS + "\0".join(records.in_order(fields)))
        inner = at.rules.element() if at.rules else None

        def element(key: Hashable) -> _Location:
            return _Location(records.element(at.record, at.place, fields, records.texts_of(key)), "", inner)

        twice = _reused_keys(lone, pairs)
        for key, edit in lone:
            if records.texts_of(key) in twice:
                self._add(element(key), ANYTHING)
            else:
                self._node(edit, element(key))
        for old, new, below in pairs:
            if old == new:
                self._node(below, element(old))
            else:
                self._add(element(old), ANYTHING)
                self._add(element(new), ANYTHING)

    def _keyed(self, node: ArrayDiff, at: _Location, fields: Fields) -> tuple[Fields, _Keyed] | None:
        """The changed elements by their keys, if no two elements of either version have one that reads the same."""
        paths = pointer.key_paths(fields)
        olds = [*(i for i, _ in node.removed), *(i for i, _, _ in node.changed)]
        news = [*(j for j, _ in node.added), *(j for _, j, _ in node.changed)]
        before = columns.partial([node.before[i] for i in olds], paths)
        after = columns.partial([node.after[j] for j in news], paths)
        if None in before or None in after:
            return None
        place = at.record, at.place, fields
        old = _columns.keys((self._before, *place), node.before, paths)
        if old is None:
            return None
        new = old if before == after else old.difference(map(_number, before)).union(map(_number, after))
        if len(new) != len(node.after) or len(old) != len(node.before):
            return None
        if at.rules is None or not at.rules.alters:
            _columns.put((self._after, *place), new)
        removed, added = len(node.removed), len(node.added)
        lone = [(key, edit) for key, (_, edit) in zip(before, node.removed, strict=False)]
        lone += [(key, edit) for key, (_, edit) in zip(after, node.added, strict=False)]
        nodes = [below for _, _, below in node.changed]
        return fields, (lone, list(zip(before[removed:], after[added:], nodes, strict=True)))


def _reused_keys(
    lone: Sequence[tuple[Hashable, Edit]], pairs: Sequence[tuple[Hashable, Hashable, Node]]
) -> set[tuple[str, ...]]:
    """The keys that one element bore before and another one bears now, as other keys matched them."""
    olds = [key for key, edit in lone if edit.new is None] + [old for old, new, _ in pairs if old != new]
    news = [key for key, edit in lone if edit.old is None] + [new for old, new, _ in pairs if old != new]
    return set(map(records.texts_of, olds)).intersection(map(records.texts_of, news))


def _fields(node: ArrayDiff, at: Rules | None) -> Iterator[Fields]:
    """The keys the array may be read by: the configured one, that of earlier deltas, the one just found; before any is
    known, those that are plainly named."""
    given = [fields for fields in (at.keys, at.known) if fields] if at else []
    if node.key:
        given.append(node.key)
    example = next(iter(node.before or node.after), None)
    if not given and example is not None and bytes(example)[0] == slices.OPEN_OBJECT:
        given = [(name,) for name in array_keys.identifiers(bytes(example), node.rules)]
    for fields in dict.fromkeys(given):
        if not is_ignored_key(fields, node.rules):
            yield fields


def _number(key: Hashable) -> int:
    """The same for keys that read the same. Two that only happen to share one make an array one without a key."""
    return hash((key,)) if key.__class__ is str else hash(records.texts_of(key))


def _kept_value(raw: bytes | None) -> bytes:
    """What is kept of a new value."""
    if raw is None:
        return ABSENT
    is_container = raw[0] in (slices.OPEN_OBJECT, slices.OPEN_ARRAY)
    return b"" if is_container or len(raw) > MOST_VALUE_BYTES or b"\\" in raw or surrogates.MARK in raw else raw


class _Columns:
    """The keys of arrays lately met: the array that was the new one is the old one of the next delta, and to read its
    keys once more takes longer than to compare the two. Not thread-bound: what is lost to another thread costs time."""

    def __init__(self) -> None:
        self._held: dict[Hashable, frozenset[int]] = {}
        self._count = 0

    def keys(self, name: Hashable, elements: Sequence[msgspec.Raw], paths: columns.Paths) -> frozenset[int] | None:
        """Fewer than there are elements where some share one; None where an element has none."""
        if (held := self._held.pop(name, None)) is not None:  # the next delta begins with another one
            self._count -= len(held)
            return held
        column = columns.partial(elements, paths)
        return None if None in column else frozenset(map(_number, column))

    def put(self, name: Hashable, keys: frozenset[int]) -> None:
        if len(keys) > _MOST_KEYS:
            return
        if self._count + len(keys) > _MOST_HELD:
            self._held.clear()
            self._count = 0
        self._held[name] = keys
        self._count += len(keys)


_columns = _Columns()
