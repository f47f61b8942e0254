"""Learns a schema from documents.

    learner = Learner(known)                # None: from nothing
    has_changed = learner.learn(document)   # bytes that are JSON
    learner.shape()                         # Shape

A schema is a set of facts that are joined: whatever the order of documents, and however often one comes, the same is
learned (`join` is associative, commutative and idempotent). So what was learned from once, in this run, is passed over
by its hash: of two versions in a row most records are the same bytes.

It is bounded the same way. Each place weighs 1 and what is below it. An object with more than MOST_NAMES members, or
that weighs more than its level may (LEVELS), is a map: its members become one, their join, and from then on it weighs
what its level may at most. A place never becomes lighter by that, so in any order the same objects become maps.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from xxhash import xxh3_128_digest

from delta_server.core.json import pieces, shapes, slices, surrogates
from delta_server.core.schemas.shape import ARRAY, BOOLEAN, INTEGER, NULL, NUMBER, NUMERIC, OBJECT, STRING, Shape
from delta_server.core.schemas.texts import ALL_FORMATS, formats_of, is_data
from delta_server.core.schemas.values import UNBOUNDED, around, decoded, note

LEVELS = (16_000, 2_000, 600, 250, 120, 60, 40, 28, 20, 14, 10, 6, 4, 2)
"""What an object may weigh by how many objects it is in. Arrays in arrays count as well."""
MOST_NAMES = 256
MOST_TEXTS, FEW_TEXTS, LONGEST_TEXT = 12, 3, 60
"""Strings that are kept of a place: all, or of more, or longer ones, the first few."""
_SPLIT_FROM = 2048
"""Bytes from which on a value is split, for its parts may be known already."""
_KNOWN_BELOW = 1 << 14
"""Longer values are hardly ever the same as before, and not looked up."""
_EXACT, _HUGE = 1 << 53, 10**300


class Node:
    """A place on its way to a Shape. `parent` None: the root, or no longer in the tree."""

    __slots__ = (
        "formats", "high", "in_array", "is_map", "items", "last", "level", "low", "many", "own", "parent", "props",
        "required", "rest", "seen", "seen_raw", "texts", "types", "weight",
    )  # fmt: skip

    def __init__(self, parent: "Node | None", level: int, *, in_array: bool = False) -> None:
        self.parent, self.level, self.in_array = parent, level, in_array
        self.types, self.formats, self.many, self.is_map = 0, ALL_FORMATS, False, False
        self.texts: set[str] = set()
        self.last: str | None = None
        """Of the few strings that are kept of many; later ones say nothing."""
        self.low: int | float | None = None
        self.high: int | float | None = None
        self.props: dict[str, Node] = {}
        self.required: set[str] = set()
        self.rest: Node | None = None
        self.items: Node | None = None
        self.own = self.weight = 1
        self.seen: set[str] = set()
        self.seen_raw: set[bytes] = set()

    @property
    def most(self) -> int:
        return LEVELS[self.level] + (0 if self.in_array else 2)


class Learner:
    def __init__(self, known: Shape | None = None) -> None:
        self._root = Node(None, 0)
        self._changed = False
        if known is not None:
            self._join(self._root, _node(known, self._root))

    def learn(self, document: bytes) -> bool:
        """Whether anything but ranges and strings became wider."""
        self._changed = False
        try:
            self._document(document)
        except msgspec.DecodeError:  # to look for halves of surrogate pairs first took a fifth of the time
            self._document(surrogates.replaced(document))
        return self._changed

    def _document(self, document: bytes) -> None:
        self._raw(self._root, slices.trimmed(document))

    def pass_over(self, document: bytes) -> None:
        """A document that the known schema was learned from, too: what later ones have in common with it is no news."""
        with suppress(msgspec.DecodeError):  # of one with halves of surrogate pairs all is looked at again
            self._pass_over(self._root, slices.trimmed(document).strip(slices.WHITESPACE))

    def join(self, other: Shape) -> None:
        """As if it had learned from what `other` was learned from."""
        self._join(self._root, _node(other, self._root))

    def shape(self) -> Shape:
        return _shape(self._root)

    # Values as bytes: split as long as parts of them may be known

    def _raw(self, node: Node, value: bytes | msgspec.Raw) -> None:
        if len(value) < _KNOWN_BELOW:
            key = xxh3_128_digest(value)
            if key in node.seen_raw:
                return
            note(node.seen_raw, key)
        raw = bytes(value)
        first = raw[0]
        if len(raw) < _SPLIT_FROM or first not in (slices.OPEN_OBJECT, slices.OPEN_ARRAY):
            self._value(node, decoded(raw))
        elif len(raw) >= pieces.LARGE_BYTES:
            self._pieces(node, raw, is_object=first == slices.OPEN_OBJECT)
        elif first == slices.OPEN_OBJECT:
            self._raw_members(node, shapes.split(raw))
        else:
            self._raw_elements(node, slices.elements(raw))

    def _pieces(self, node: Node, raw: bytes, *, is_object: bool) -> None:
        names: set[str] = set()
        for (begin, end), split in pieces.cuts(raw):
            if isinstance(split, dict):
                if len(names) <= MOST_NAMES:
                    names.update(name for name in split if not is_data(name))
                self._raw_members(node, split, names=None)
            elif split is None:
                self._array(node, decoded(b"[%b]" % raw[begin:end]))
            else:
                self._raw_elements(node, split)
        if is_object:
            self._saw_object(node, names)
        else:
            self._see(node, ARRAY)

    def _pass_over(self, node: Node, value: bytes | msgspec.Raw) -> None:
        if len(value) < _KNOWN_BELOW:
            note(node.seen_raw, xxh3_128_digest(value))
        if not _SPLIT_FROM <= len(value) < pieces.LARGE_BYTES:
            return
        raw = bytes(value)
        if raw[0] == slices.OPEN_ARRAY:
            self._pass_over_elements(node, slices.elements(raw))
        elif raw[0] == slices.OPEN_OBJECT:
            for name, below in shapes.split(raw).items():
                child = node.rest if node.is_map or is_data(name) else node.props.get(name)
                if child is not None and isinstance(below, list):
                    self._pass_over_elements(child, below)
                elif child is not None and not isinstance(below, list):
                    self._pass_over(child, below)

    def _pass_over_elements(self, node: Node, split: Iterable[msgspec.Raw]) -> None:
        if (below := node.items) is not None:
            for element in split:
                if len(element) >= _SPLIT_FROM:
                    self._pass_over(below, element)
                else:
                    below.seen_raw.add(xxh3_128_digest(element))

    def _raw_members(self, node: Node, split: Mapping[str, shapes.Value], names: Collection[str] | None = ()) -> None:
        """`names` None: those of the whole object follow."""
        if names is not None:
            self._saw_object(node, split)
        if node.level + 1 >= len(LEVELS):
            return
        for name, value in split.items():
            child = node.props.get(name) or self._member(node, name)
            if isinstance(value, list):
                self._raw_elements(child, value)
            else:
                self._raw(child, value)
            if child.parent is None:
                self._join(self._rest(node), child)

    def _raw_elements(self, node: Node, split: Iterable[msgspec.Raw]) -> None:
        self._see(node, ARRAY)
        below = None
        for element in split:
            below = below or self._items(node)
            if below is None:
                return
            if len(element) >= _SPLIT_FROM:
                self._raw(below, element)
                continue
            key = xxh3_128_digest(element)
            if key not in below.seen_raw:
                note(below.seen_raw, key)
                self._value(below, decoded(bytes(element)))

    # Values

    def _value(self, node: Node, value: Any) -> None:
        kind = value.__class__
        if kind is str:
            if value not in node.seen:
                self._text(node, value)
        elif kind is dict:
            self._object(node, value)
        elif kind is list:
            self._array(node, value)
        elif value is None:
            self._see(node, NULL)
        elif kind is bool:
            self._see(node, BOOLEAN)
        else:
            self._number(node, value, NUMBER if kind is float else INTEGER)

    def _object(self, node: Node, value: Mapping[str, Any]) -> None:
        self._saw_object(node, value)
        if node.level + 1 >= len(LEVELS):
            return
        for name, each in value.items():
            child = node.props.get(name) or self._member(node, name)
            self._value(child, each)
            if child.parent is None:
                self._join(self._rest(node), child)

    def _array(self, node: Node, value: list[Any]) -> None:
        self._see(node, ARRAY)
        below = self._items(node) if value else None
        if below is not None:
            for each in value:
                self._value(below, each)

    def _see(self, node: Node, bit: int) -> None:
        if not node.types & bit:
            node.types |= bit
            self._changed = True

    def _number(self, node: Node, value: int | float, bit: int) -> None:
        if not node.types & bit:
            self._see(node, bit)
        low = high = value
        if -_EXACT <= value <= _EXACT:
            if bit == NUMBER and value == int(value):
                low = high = int(value)
        elif abs(value) >= _HUGE:
            node.low, node.high = UNBOUNDED
            return
        elif isinstance(value, int):
            low, high = around(value)
        if node.low is None or low < node.low:
            node.low = low
        if node.high is None or high > node.high:
            node.high = high

    def _text(self, node: Node, text: str) -> None:
        if node.last is not None and not node.formats and text >= node.last:
            return
        note(node.seen, text)
        self._see(node, STRING)
        if node.formats and (left := formats_of(text, node.formats)) != node.formats:
            node.formats = left
            self._changed = True
        if node.last is None or text < node.last:
            _add_texts(node, [text] if len(text) <= LONGEST_TEXT else [], many=len(text) > LONGEST_TEXT)

    # Members

    def _saw_object(self, node: Node, names: Collection[str]) -> None:
        if not node.types & OBJECT:
            self._see(node, OBJECT)
            if not node.is_map and node.level + 1 < len(LEVELS):
                node.required = {name for name in names if not is_data(name)}
        elif not node.required.issubset(names):
            node.required.intersection_update(names)
            self._changed = True

    def _member(self, node: Node, name: str) -> Node:
        """Where what a member has belongs, made if it is new."""
        if not node.is_map and len(node.props) >= MOST_NAMES and not is_data(name):
            self._make_map(node)
        if node.is_map or is_data(name):
            return self._rest(node)
        child = node.props[name] = Node(node, node.level + 1)
        self._changed = True
        self._grew(node, 1)
        return child

    def _rest(self, node: Node) -> Node:
        if node.rest is None:
            node.rest = Node(node, node.level + 1)
            self._changed = True
            self._grew(node, 1)
        return node.rest

    def _items(self, node: Node) -> Node | None:
        if node.items is None:
            level = node.level + node.in_array
            if level >= len(LEVELS):
                return None
            node.items = Node(node, level, in_array=True)
            self._changed = True
            self._grew(node, 1)
        return node.items

    # Bounds

    def _grew(self, node: Node | None, by: int) -> None:
        while node is not None and by:
            node.own += by
            if not node.is_map and node.props and node.own > node.most:
                self._make_map(node)
                return
            by = self._weigh(node)
            node = node.parent

    def _weigh(self, node: Node) -> int:
        """By how much it became heavier."""
        before, node.weight = node.weight, max(node.most, node.own) if node.is_map else node.own
        return node.weight - before

    def _make_map(self, node: Node) -> None:
        children, node.props = list(node.props.values()), {}
        node.is_map = self._changed = True
        node.required = set()
        node.own = 1 + sum(below.weight for below in (node.rest, node.items) if below is not None)
        self._grew(node.parent, self._weigh(node))
        for child in children:
            child.parent = None
            self._join(self._rest(node), child)

    def _join(self, node: Node, other: Node) -> None:
        new, node.types = other.types & ~node.types, node.types | other.types
        if other.types & STRING:
            self._join_texts(node, other)
        if other.low is not None and other.high is not None:
            node.low = other.low if node.low is None else min(node.low, other.low)
            node.high = other.high if node.high is None else max(node.high, other.high)
        if new:
            self._changed = True
        if other.types & OBJECT:
            self._join_members(node, other, is_first=bool(new & OBJECT))
        if other.items is not None and (below := self._items(node)) is not None:
            self._join(below, other.items)

    def _join_texts(self, node: Node, other: Node) -> None:
        if node.formats & ~other.formats:
            node.formats &= other.formats
            self._changed = True
        _add_texts(node, other.texts, many=other.many)

    def _join_members(self, node: Node, other: Node, *, is_first: bool) -> None:
        if other.is_map and not node.is_map:
            self._make_map(node)
        required = set(other.required) if is_first else node.required & other.required
        if node.is_map:
            required = set()
        if required != node.required:
            node.required = required
            self._changed = True
        for name, child in other.props.items():
            below = node.props.get(name) or self._member(node, name)
            self._join(below, child)
            if below.parent is None:
                self._join(self._rest(node), below)
        if other.rest is not None:
            self._join(self._rest(node), other.rest)


def _add_texts(node: Node, texts: Iterable[str], *, many: bool) -> None:
    node.texts.update(texts)
    node.many = node.many or many or len(node.texts) > MOST_TEXTS
    if node.many and len(node.texts) >= FEW_TEXTS:
        node.texts = set(sorted(node.texts)[:FEW_TEXTS])
        node.last = max(node.texts)


def _node(shape: Shape, like: Node) -> Node:
    """A tree of its own, at the level of `like`."""
    node = Node(None, like.level, in_array=like.in_array)
    node.types, node.texts, node.many, node.is_map = shape.types, set(shape.texts), shape.many, shape.is_map
    node.formats = shape.formats if shape.types & STRING else ALL_FORMATS
    if shape.types & NUMERIC:
        node.low = UNBOUNDED[0] if shape.low is None else shape.low
        node.high = UNBOUNDED[1] if shape.high is None else shape.high
    node.required = set(shape.required)
    if node.level + 1 < len(LEVELS):
        node.props = {name: _node(each, Node(node, node.level + 1)) for name, each in shape.properties.items()}
        node.rest = None if shape.rest is None else _node(shape.rest, Node(node, node.level + 1))
    level = node.level + node.in_array
    if shape.items is not None and level < len(LEVELS):
        node.items = _node(shape.items, Node(node, level, in_array=True))
    return node


def _shape(node: Node) -> Shape:
    low, high = node.low, node.high
    return Shape(
        types=node.types,
        texts=tuple(sorted(node.texts)),
        many=node.many,
        formats=node.formats if node.types & STRING else 0,
        low=None if low in UNBOUNDED else low,
        high=None if high in UNBOUNDED else high,
        properties={name: _shape(child) for name, child in sorted(node.props.items())},
        required=tuple(sorted(node.required)),
        rest=None if node.rest is None else _shape(node.rest),
        items=None if node.items is None else _shape(node.items),
        is_map=node.is_map,
    )
