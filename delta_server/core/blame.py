"""How far back each leaf of a document has had its value, found by looking at ever older versions.

A leaf is a scalar, an empty object, an empty array, or an array whose elements have no key. Elements with a key are
followed by it wherever they stand. The leaves form a tree of slices; an older version is laid beside it and entered
only where its slices differ from those seen last, so an unchanged part costs one comparison of bytes. A leaf whose
value differs leaves the tree, and branches without leaves go with it.
"""

from collections.abc import Hashable, Iterator, Sequence

import msgspec

from delta_server.core import array_keys, pointer, slices
from delta_server.core.array_keys import Fields
from delta_server.core.diff_settings import DiffSettings, Rules, rules
from delta_server.core.pointer import Step

Key = Hashable
"""A member's name, or the canonical values of an element's key fields."""

_UNKNOWN = object()


class Place(msgspec.Struct, frozen=True, eq=False):
    """A value in the document, reached from the one `above` it by `key`; `step` is that in a path.

    `fields` are the key of the array `above` is, None when it is an object.
    """

    above: "Place | None"
    key: Key
    step: str
    fields: Fields | None
    raw: bytes
    rules: Rules | None

    def path(self) -> str:
        """From the root of the search, `` for the root itself."""
        steps = []
        place = self
        while place.above is not None:
            steps.append(place.step)
            place = place.above
        return "".join(f"/{step}" for step in reversed(steps))


def same_value(a: bytes | None, b: bytes | None) -> bool:
    """Whether two slices are equal by value; None is a place that is not there."""
    if a is None or b is None or a == b:
        return a == b
    if slices.kind(a) != slices.kind(b):
        return False
    if a[0] in (slices.OPEN_OBJECT, slices.OPEN_ARRAY):
        return slices.canonical(a) == slices.canonical(b)
    return slices.same_scalar(a, b)


def leaves(document: bytes, steps: Sequence[Step], settings: DiffSettings) -> Iterator[Place]:
    """The leaves at and under a path, in the document's order; none when nothing is there."""
    at, raw = rules(settings), slices.trimmed(document)
    for step in steps:
        found = pointer.resolve(raw, (step,))
        if found is None:
            return
        if at is not None:
            name = step if isinstance(step, str) else pointer.unescape(step.text)
            at = at.member(name) if raw[0] == slices.OPEN_OBJECT else at.element()
        raw = bytes(found)
    stack = [Place(None, None, "", None, raw, at)]
    while stack:
        place = stack.pop()
        below = _below(place)
        if below:
            stack += reversed(below)
        else:
            yield place


def _below(place: Place) -> list[Place]:
    at = place.rules
    if place.raw[0] == slices.OPEN_OBJECT:
        return [
            Place(place, name, pointer.escape(name), None, bytes(member), at.member(name) if at else None)
            for name, member in slices.members(place.raw).items()
        ]
    if place.raw[0] != slices.OPEN_ARRAY:
        return []
    fields = (at.keys if at else None) or array_keys.of_array(place.raw)
    return _elements(place, fields) if fields else []


def _elements(place: Place, fields: Fields) -> list[Place]:
    """The elements by key; none when the key does not tell all of them apart."""
    at = place.rules.element() if place.rules else None
    elements = [bytes(element) for element in slices.elements(place.raw)]
    keyed = [(key_of(fields, raw), pointer.key_step(fields, raw), raw) for raw in elements]
    if len({key for key, step, _ in keyed if step is not None}) < len(elements):
        return []
    return [Place(place, key, step, fields, raw, at) for key, step, raw in keyed if step is not None]


def key_of(fields: Fields, element: bytes) -> Key:
    """The values of an element's key, None where it lacks one of the fields."""
    values = [pointer.field_of(element, field) for field in fields]
    return None if None in values else tuple(slices.canonical(value) for value in values if value is not None)


class _Node:
    """A place that is searched for, or one above. `seen` is the slice it had in the last version looked at."""

    __slots__ = ("above", "below", "fields", "key", "known", "leaf", "raw", "seen")

    def __init__(self, place: Place, above: "_Node | None") -> None:
        self.raw = self.seen = place.raw
        self.key = place.key
        self.above = above
        self.below: dict[Key, _Node] = {}
        self.fields: Fields | None = None
        self.known: dict[bytes, Key] = {}
        self.leaf: int | None = None


class Search:
    """The leaves whose values have been the same in all versions looked at, newest first."""

    def __init__(self, leaves: Sequence[Place]) -> None:
        self.leaves = set(range(len(leaves)))
        self._nodes: dict[int, _Node] = {}
        self._root: _Node | None = None
        for number, leaf in enumerate(leaves):
            self._node(leaf).leaf = number
        self._nodes.clear()

    def _node(self, leaf: Place) -> _Node:
        """The leaf's node; those above it are made with it."""
        new = [leaf]
        while new[-1].above is not None and id(new[-1].above) not in self._nodes:
            new.append(new[-1].above)
        above = self._nodes.get(id(new[-1].above))
        for place in reversed(new):
            node = self._nodes[id(place)] = _Node(place, above)
            if above is None:
                self._root = node
            else:
                above.below[place.key] = node
                above.fields = place.fields
                above.known[place.raw] = place.key
            above = node
        assert above is not None
        return above

    def drop(self, numbers: set[int]) -> None:
        """Search no longer for these leaves."""
        for leaf in [leaf for leaf in self._under(self._root) if leaf.leaf in numbers]:
            self._cut(leaf)
        self.leaves -= numbers

    def look(self, raw: bytes | None) -> list[int]:
        """The leaves that differ in the next older version, whose slice at the root is `raw`; they leave the search."""
        gone: list[int] = []
        beside: list[tuple[_Node, bytes | None]] = [] if self._root is None else [(self._root, raw)]
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

    def _under(self, node: _Node | None) -> Iterator[_Node]:
        stack = [] if node is None else [node]
        while stack:
            node = stack.pop()
            if node.leaf is not None:
                yield node
            stack += node.below.values()

    def _cut(self, node: _Node) -> None:
        """Take a branch out, and those above that have no other."""
        while node.above is not None:
            above = node.above
            del above.below[node.key]
            if above.below:
                return
            node = above
        self._root = None


def _members_beside(node: _Node, raw: bytes) -> list[tuple[_Node, bytes | None]]:
    members = slices.members(raw) if raw[0] == slices.OPEN_OBJECT else {}
    found = [(below, members.get(str(name))) for name, below in node.below.items()]
    return [(below, None if member is None else bytes(member)) for below, member in found]


def _elements_beside(node: _Node, raw: bytes) -> list[tuple[_Node, bytes | None]]:
    """The first element of each key. Keys of elements that the last version had too are not read again."""
    assert node.fields is not None
    found: dict[Key, bytes] = {}
    known: dict[bytes, Key] = {}
    for element in slices.elements(raw) if raw[0] == slices.OPEN_ARRAY else ():
        value = bytes(element)
        key = node.known.get(value, _UNKNOWN)
        known[value] = key = key_of(node.fields, value) if key is _UNKNOWN else key
        found.setdefault(key, value)
    node.known = known
    return [(below, found.get(key)) for key, below in node.below.items()]
