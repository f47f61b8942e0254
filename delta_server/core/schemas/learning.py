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

from collections.abc import Mapping, Set
from itertools import compress, count
from operator import ne
from typing import Any

import msgspec
from xxhash import xxh3_128_digest

from delta_server.core.json import pieces, shapes, slices, surrogates
from delta_server.core.schemas import nodes
from delta_server.core.schemas.nodes import LONGEST_TEXT, Node, add_texts, node_of, shape_of, weigh
from delta_server.core.schemas.shape import ARRAY, BOOLEAN, INTEGER, NULL, NUMBER, OBJECT, STRING, Shape
from delta_server.core.schemas.texts import formats_of, is_data
from delta_server.core.schemas.values import UNBOUNDED, around, decoded, note

_SPLIT_FROM = 2048
"""Bytes from which on a value is split, for its parts may be known already."""
_KNOWN_BELOW = 1 << 14
"""Longer values are hardly ever the same as before, and not looked up."""
_FEW_OF = 4
"""Where more than one element of so many differs from the one at its place, they have moved, say."""
_EXACT, _HUGE = 1 << 53, 10**300


class Learner:
    def __init__(self, known: Shape | None = None, *, level: int = 0) -> None:
        """`level`: of an object in so many others."""
        self._root = Node(None, level) if known is None else node_of(known, level=level)
        self._changed = False

    def learn(self, document: bytes, before: bytes | None = None) -> bool:
        """Whether anything but ranges and strings became wider. `before` is a document that was learned from, too: what
        the two have in common is no news."""
        self._changed = False
        try:
            self._document(document, before)
        except msgspec.DecodeError:  # to look for halves of surrogate pairs first took a fifth of the time
            self._document(surrogates.replaced(document), None)
        return self._changed

    def _document(self, document: bytes, before: bytes | None) -> None:
        if before is None:
            self._unseen(self._root, slices.trimmed(document))
        else:
            self._differing(self._root, slices.trimmed(before), slices.trimmed(document))

    def join(self, other: Shape) -> None:
        """As if it had learned from what `other` was learned from."""
        self._join(self._root, node_of(other))

    def shape(self) -> Shape:
        return shape_of(self._root)

    # Values as bytes: split as long as parts of them may be known

    def _raw(self, node: Node, value: bytes | msgspec.Raw) -> None:
        if len(value) < _KNOWN_BELOW:
            key = xxh3_128_digest(value)
            if key in node.seen_raw:
                return
            self._unseen(node, value)
            note(node.seen_raw, key)
        else:
            self._unseen(node, value)

    def _unseen(self, node: Node, value: bytes | msgspec.Raw) -> None:
        if len(value) < _SPLIT_FROM:
            self._value(node, decoded(value))
            return
        raw = bytes(value)
        first = raw[0]
        if first not in (slices.OPEN_OBJECT, slices.OPEN_ARRAY):
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
                if len(names) <= nodes.MOST_NAMES:
                    names.update(name for name in split if not is_data(name))
                self._raw_members(node, split, is_whole=False)
            elif split is None:
                self._array(node, decoded(b"[%b]" % raw[begin:end]))
            else:
                self._raw_elements(node, split)
        if is_object:
            self._saw_object(node, names)
        else:
            self._see(node, ARRAY)

    # What follows a document that was learned from: no more of it than differs

    def _differing(self, node: Node, old: bytes, new: bytes) -> None:
        if not _SPLIT_FROM <= len(new) < pieces.LARGE_BYTES or old[:1] != new[:1]:
            self._unseen(node, new)
        elif new[0] == slices.OPEN_ARRAY:
            self._differing_elements(node, slices.elements(old), slices.elements(new))
        elif new[0] == slices.OPEN_OBJECT:
            self._differing_members(node, shapes.split(old), shapes.split(new))
        else:
            self._unseen(node, new)

    def _differing_members(
        self, node: Node, before: Mapping[str, shapes.Value], after: Mapping[str, shapes.Value]
    ) -> None:
        self._saw_object(node, after.keys())
        for name, value in after.items():
            old = before.get(name)
            if value == old:
                continue
            child = node.rest if node.is_map or is_data(name) else node.props.get(name)
            if old is None or child is None or node.is_deepest or isinstance(old, list) != isinstance(value, list):
                self._raw_members(node, {name: value}, is_whole=False)
                continue
            if isinstance(old, list) and isinstance(value, list):
                self._differing_elements(child, old, value)
            elif not isinstance(old, list) and not isinstance(value, list):
                self._differing(child, bytes(old), bytes(value))
            if child.parent is None:
                self._join(self._rest(node), child)

    def _differing_elements(self, node: Node, before: list[msgspec.Raw], after: list[msgspec.Raw]) -> None:
        below = node.items
        places = list(compress(count(), map(ne, before, after))) if len(before) == len(after) else None
        if below is None or places is None or len(places) * _FEW_OF > len(after):
            if below is not None:
                below.seen_raw.update(map(xxh3_128_digest, before))
            self._raw_elements(node, after)
            return
        for place in places:
            self._differing(below, bytes(before[place]), bytes(after[place]))

    def _raw_members(self, node: Node, split: Mapping[str, shapes.Value], *, is_whole: bool = True) -> None:
        """`is_whole`: there are no other members."""
        if is_whole:
            self._saw_object(node, split.keys())
        if node.is_deepest:
            return
        for name, value in split.items():
            child = node.props.get(name) or self._member(node, name)
            if isinstance(value, list):
                self._raw_elements(child, value)
            elif len(value) >= _KNOWN_BELOW or xxh3_128_digest(value) not in child.seen_raw:
                self._raw(child, value)
            if child.parent is None:
                self._join(self._rest(node), child)

    def _raw_elements(self, node: Node, split: list[msgspec.Raw]) -> None:
        self._see(node, ARRAY)
        below = self._items(node) if split else None
        if below is None:
            return
        seen = below.seen_raw
        for key, element in zip(map(xxh3_128_digest, split), split, strict=True):
            if key not in seen:
                self._unseen(below, element)
                note(seen, key)

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
        self._saw_object(node, value.keys())
        if node.is_deepest:
            return
        for name, each in value.items():
            child = node.props.get(name) or self._member(node, name)
            kind = each.__class__
            if kind is str:
                if each in child.seen:
                    continue
                self._text(child, each)
            elif kind is int or kind is float:
                bit = INTEGER if kind is int else NUMBER
                if child.types & bit and child.low <= each <= child.high and -_EXACT <= each <= _EXACT:
                    continue
                self._number(child, each, bit)
            elif each is not None or not child.types & NULL:
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
        if low < node.low:
            node.low = low
        if high > node.high:
            node.high = high

    def _text(self, node: Node, text: str) -> None:
        if node.last is not None and not node.formats and text >= node.last:
            return
        note(node.seen, text)
        if not node.types & STRING:
            self._see(node, STRING)
        if node.formats and (left := formats_of(text, node.formats)) != node.formats:
            node.formats = left
            self._changed = True
        if node.last is None or text < node.last:
            add_texts(node, [text] if len(text) <= LONGEST_TEXT else [], many=len(text) > LONGEST_TEXT)

    # Members

    def _saw_object(self, node: Node, names: Set[str]) -> None:
        if not node.types & OBJECT:
            self._see(node, OBJECT)
            if not node.is_map and not node.is_deepest:
                node.required = {name for name in names if not is_data(name)}
        elif not node.required <= names:
            node.required.intersection_update(names)
            self._changed = True

    def _member(self, node: Node, name: str) -> Node:
        """Where what a member has belongs, made if it is new."""
        if not node.is_map and len(node.props) >= nodes.MOST_NAMES and not is_data(name):
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
            if level >= len(nodes.LEVELS):
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
            by = weigh(node)
            node = node.parent

    def _make_map(self, node: Node) -> None:
        children, node.props = list(node.props.values()), {}
        node.is_map = self._changed = True
        node.required = set()
        node.own = 1 + sum(below.weight for below in (node.rest, node.items) if below is not None)
        self._grew(node.parent, weigh(node))
        for child in children:
            child.parent = None
            self._join(self._rest(node), child)

    def _join(self, node: Node, other: Node) -> None:
        new, node.types = other.types & ~node.types, node.types | other.types
        if other.types & STRING:
            self._join_texts(node, other)
        node.low, node.high = min(node.low, other.low), max(node.high, other.high)
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
        add_texts(node, other.texts, many=other.many)

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
