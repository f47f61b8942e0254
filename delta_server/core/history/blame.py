"""How far back each leaf of a document has had its value, found by looking at ever older versions.

A leaf is a scalar, an empty object, an empty array, or an array whose elements have no key. Elements with a key are
followed by it wherever they stand. A document may have millions of leaves and a page shows a thousand, so leaves are
made one by one, beginning anywhere; above them each level is split once, and keys are read as columns.

The leaves looked for form a tree of slices; an older version is laid beside it and entered only where its slices differ
from those seen last, so an unchanged part costs one comparison of bytes. A leaf whose value differs leaves the tree,
and branches without leaves go with it.
"""

import re
from collections.abc import Hashable, Iterator, Sequence
from itertools import islice

import msgspec

from delta_server.core.arrays import array_keys
from delta_server.core.arrays.key_names import is_ignored_key
from delta_server.core.diff.diff_settings import DiffSettings, Fields, KnownKeys, Rules, rules
from delta_server.core.errors import Invalid
from delta_server.core.json import columns, pointer, slices
from delta_server.core.json.columns import Column
from delta_server.core.json.pointer import Step

PlaceKey = Hashable
"""A member's name, or the value of an element's key as columns.py reads it: a tuple for a key of several fields."""

Spot = tuple[int, ...]
"""Where a leaf is: at each level under the root of the search, how many siblings come before."""

MAX_READ_BYTES = 1 << 30
"""The values opened on the way to one page of leaves, together: 16 levels of the largest document there may be."""

_HAS_OBJECTS = re.compile(rb"\[\s*\{")
_string_or_integer = msgspec.json.Decoder(str | int).decode


class LeafPlace(msgspec.Struct, frozen=True, eq=False):
    """A value in the document, reached from the one `above` it by `key`; before it stand `number` siblings.

    `fields` are the key of the array `above` is, None when it is an object.
    """

    above: "LeafPlace | None"
    number: int
    key: PlaceKey
    fields: Fields | None
    raw: bytes
    rules: Rules | None

    def path(self, above: dict["LeafPlace", str]) -> str:
        """From the root of the search, `` for the root itself. `above` keeps the paths of the places above leaves, of
        which many have the same."""
        if self.above is None:
            return ""
        known = above.get(self.above)
        if known is None:
            known = above[self.above] = self.above.path(above)
        return f"{known}/{self.step()}"

    def spot(self) -> Spot:
        """Of the places from under the root down to this one."""
        line = []
        place = self
        while place.above is not None:
            line.append(place.number)
            place = place.above
        return tuple(line[::-1])

    def step(self) -> str:
        if self.fields is None:
            return pointer.escape(str(self.key))
        step = pointer.key_step(self.fields, self.raw)
        assert step is not None, "columns have strings and integers only"
        return step


def same_value(a: bytes | None, b: bytes | None) -> bool:
    """Whether two slices are equal by value; None is a place that is not there."""
    if a is None or b is None or a == b:
        return a == b
    if slices.kind(a) != slices.kind(b):
        return False
    if a[0] in (slices.OPEN_OBJECT, slices.OPEN_ARRAY):
        return slices.canonical(a) == slices.canonical(b)
    return slices.same_scalar(a, b)


def leaves(
    document: bytes, steps: Sequence[Step], settings: DiffSettings, start: Spot = (), known: KnownKeys = ()
) -> Iterator[LeafPlace]:
    """The leaves at and under a path, in the document's order, from the one at `start`; none when nothing is there.

    Raises Invalid where they lie so deep in so much data that MOST_READ_BYTES do not reach.
    """
    root = _root(document, steps, rules(settings, known))
    levels: list[Iterator[LeafPlace]] = [iter(() if root is None else (root,))]
    begin, read = list(start), 0
    while levels:
        place = next(levels[-1], None)
        if place is None:
            levels.pop()
            continue
        read += len(place.raw)
        if read > MAX_READ_BYTES:
            raise Invalid("too many parent values: ask for a deeper path", field="path")
        below = _below(place, begin.pop(0) if begin else 0)
        if below is None:
            begin.clear()
            yield place
        else:
            levels.append(below)


def with_keyed_steps(
    document: bytes, steps: Sequence[Step], settings: DiffSettings, known: KnownKeys = ()
) -> tuple[Step, ...]:
    """The steps with those by index into arrays that have a key said by key: of the record that stands there, which may
    have stood elsewhere before."""
    at, above = rules(settings, known), slices.trimmed(document)
    path = ""
    for step, name, below in pointer.walk(above, steps):
        if below is None:
            return tuple(steps)
        text = pointer.escape(name) if name is not None else pointer.text_of(step)
        if name is None and isinstance(step, str) and (keyed := _keyed(above, at)) is not None:
            by_key = pointer.key_step(keyed[0], below)
            found = pointer.resolve(above, pointer.parse(f"/{by_key}")) if by_key else None
            text = by_key if by_key and found is not None and bytes(found) == below else text
        path += "/" + text
        if at is not None:
            at = at.element() if name is None else at.member(name)
        above = below
    return pointer.parse(path)


def _root(document: bytes, steps: Sequence[Step], at: Rules | None) -> LeafPlace | None:
    raw = slices.trimmed(document)
    for _, name, below in pointer.walk(raw, steps):
        if below is None:
            return None
        if at is not None:
            at = at.element() if name is None else at.member(name)
        raw = below
    return LeafPlace(None, 0, "", None, raw, at)


def _below(place: LeafPlace, begin: int) -> Iterator[LeafPlace] | None:
    """What is in an object or array, without the first `begin`; None for a leaf."""
    if place.raw[0] == slices.OPEN_OBJECT:
        return _members(place, begin)
    if not _HAS_OBJECTS.match(place.raw):
        return None
    keyed = _keyed(place.raw, place.rules)
    return None if keyed is None else _elements(place, *keyed, begin)


def _keyed(array: bytes, at: Rules | None) -> tuple[Fields, Column] | None:
    """The key by which an array's elements are identified, and its values; None for one without. `at` is its place."""
    inner = at.element() if at else None
    given = [fields for fields in (at.keys, at.known) if fields] if at else []
    for fields in given:
        column = columns.of(array, pointer.key_paths(fields))
        if column is not None and len(set(column)) == len(column) and not is_ignored_key(fields, inner):
            return fields, column
    if at is not None and at.keys and not is_ignored_key(at.keys, inner):
        return None
    found = array_keys.of_array(array, inner)
    column = columns.of(array, pointer.key_paths(found)) if found else None
    return (found, column) if found and column is not None and len(set(column)) == len(column) else None


def _members(place: LeafPlace, begin: int) -> Iterator[LeafPlace] | None:
    members = slices.members(place.raw)
    if not members:
        return None
    at = place.rules
    return (
        LeafPlace(place, number, name, None, bytes(member), at.member(name) if at else None)
        for number, (name, member) in islice(enumerate(members.items()), begin, None)
    )


def _elements(place: LeafPlace, fields: Fields, column: Column, begin: int) -> Iterator[LeafPlace]:
    at = place.rules.element() if place.rules else None
    elements = slices.elements(place.raw)
    return (
        LeafPlace(place, number, column[number], fields, bytes(elements[number]), at)
        for number in range(begin, len(elements))
    )


def key_of(fields: Fields, element: bytes) -> PlaceKey:
    """The values of an element's key, the same as in a column of them. None where it lacks one of the fields."""
    values = [pointer.field_of(element, field) for field in fields]
    known = tuple(_key_value(value) for value in values if value is not None)
    if len(known) < len(fields):
        return None
    return known[0] if len(known) == 1 else known


def _key_value(raw: bytes) -> Hashable:
    """A string, an integer (2 for 2.0 too), or the canonical text of anything else."""
    for text in (raw, canonical := slices.canonical(raw)):
        try:
            value: str | int = _string_or_integer(text)
        except msgspec.DecodeError:
            continue
        return value
    return canonical


class _SearchNode:
    """A place that is searched for, or one above. `seen` is the slice it had in the last version looked at."""

    __slots__ = ("above", "below", "fields", "key", "leaf", "raw", "seen")

    def __init__(self, place: LeafPlace, above: "_SearchNode | None") -> None:
        self.raw = self.seen = place.raw
        self.key = place.key
        self.above = above
        self.below: dict[PlaceKey, _SearchNode] = {}
        self.fields: Fields | None = None
        self.leaf: int | None = None


class BlameSearch:
    """The leaves whose values have been the same in all versions looked at, newest first."""

    def __init__(self, leaves: Sequence[LeafPlace]) -> None:
        self.leaves = set(range(len(leaves)))
        self._nodes: dict[int, _SearchNode] = {}
        self._root: _SearchNode | None = None
        for number, leaf in enumerate(leaves):
            self._node(leaf).leaf = number
        self._nodes.clear()

    def _node(self, leaf: LeafPlace) -> _SearchNode:
        """The leaf's node; those above it are made with it."""
        new = [leaf]
        while new[-1].above is not None and id(new[-1].above) not in self._nodes:
            new.append(new[-1].above)
        above = self._nodes.get(id(new[-1].above))
        for place in reversed(new):
            node = self._nodes[id(place)] = _SearchNode(place, above)
            if above is None:
                self._root = node
            else:
                above.below[place.key] = node
                above.fields = place.fields
            above = node
        assert above is not None
        return above

    def drop(self, numbers: set[int]) -> None:
        """Search no longer for these leaves."""
        for leaf in [leaf for leaf in self._under(self._root) if leaf.leaf in numbers]:
            self._cut(leaf)
        self.leaves -= numbers

    def compare_older(self, raw: bytes | None) -> list[int]:
        """The leaves that differ in the next older version, whose slice at the root is `raw`; they leave the search."""
        gone: list[int] = []
        beside: list[tuple[_SearchNode, bytes | None]] = [] if self._root is None else [(self._root, raw)]
        while beside:
            node, older = beside.pop()
            if older == node.seen:
                continue
            if older is None or (node.leaf is not None and not same_value(node.raw, older)):
                gone += [leaf.leaf for leaf in self._under(node) if leaf.leaf is not None]
                self._cut(node)
                continue
            node.seen = older
            if node.leaf is None:
                beside += _elements_beside(node, older) if node.fields else _members_beside(node, older)
        self.leaves.difference_update(gone)
        return gone

    def values_in(self, raw: bytes | None) -> dict[int, bytes | None]:
        """By leaf that is searched for, its slice in a version whose slice at the root is `raw`; None where it is not
        there."""
        found: dict[int, bytes | None] = {}
        beside: list[tuple[_SearchNode, bytes | None]] = [] if self._root is None else [(self._root, raw)]
        while beside:
            node, there = beside.pop()
            if node.leaf is not None:
                found[node.leaf] = there
            elif there is None:
                found |= {leaf.leaf: None for leaf in self._under(node) if leaf.leaf is not None}
            else:
                beside += _elements_beside(node, there) if node.fields else _members_beside(node, there)
        return found

    def _under(self, node: _SearchNode | None) -> Iterator[_SearchNode]:
        stack = [] if node is None else [node]
        while stack:
            node = stack.pop()
            if node.leaf is not None:
                yield node
            stack += node.below.values()

    def _cut(self, node: _SearchNode) -> None:
        """Take a branch out, and those above that have no other."""
        while node.above is not None:
            above = node.above
            del above.below[node.key]
            if above.below:
                return
            node = above
        self._root = None


def _members_beside(node: _SearchNode, raw: bytes) -> list[tuple[_SearchNode, bytes | None]]:
    members = slices.members(raw) if raw[0] == slices.OPEN_OBJECT else {}
    found = [(below, members.get(str(name))) for name, below in node.below.items()]
    return [(below, None if member is None else bytes(member)) for below, member in found]


def _elements_beside(node: _SearchNode, raw: bytes) -> list[tuple[_SearchNode, bytes | None]]:
    """The first element of each key."""
    assert node.fields is not None
    if raw[0] != slices.OPEN_ARRAY or b"{" not in raw:
        return [(below, None) for below in node.below.values()]
    elements = slices.elements(raw)
    column: Column | None = columns.of(raw, pointer.key_paths(tuple(node.fields)))
    if column is None:  # an element without the key, or with another kind of value there
        column = [key_of(node.fields, bytes(element)) for element in elements]
    places = dict(zip(reversed(column), range(len(column) - 1, -1, -1), strict=True))
    found = [(below, places.get(key)) for key, below in node.below.items()]
    return [(below, None if place is None else bytes(elements[place])) for below, place in found]
