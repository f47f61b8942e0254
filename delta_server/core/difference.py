"""What a comparison found, summed up: kind, counts, field patterns, schema changes, similarity."""

from collections import Counter
from functools import cached_property
from typing import Literal

import msgspec

from delta_server.core import pointer, slices
from delta_server.core.array_keys import Fields, shared
from delta_server.core.edits import Edit, Elements, Members, Node

Kind = Literal["content", "reorder", "format", "ignored", "none"]

MAP_FROM = 64  # an object with more changed members than this is a map: its members share the pattern step `*`


class SchemaChange(msgspec.Struct, frozen=True):
    """A field that was added to or removed from most elements of an array: counted as one change."""

    path: str
    op: Literal["add", "remove"]
    elements: int


class Difference:
    """The difference between two documents.

    `kind`: `content`; `reorder` (only the order of array elements differs); `ignored` (only places that the settings
    leave out, or numbers within tolerance); `format` (only whitespace, escapes, number text, order of members);
    `none` (equal bytes).
    `added`, `removed`, `replaced`, `moved`: edits, where a schema change counts once. `fields`: pattern -> edits, moves
    not counted; an element added or removed counts at the element (`/Incidents/*`). `types`: pattern -> JSON types.
    """

    def __init__(
        self, *, before: bytes, after: bytes, root: Node | None, ignored: bool, reordered: bool, identical: bool
    ) -> None:
        self.before, self.after, self.root = before, after, root
        sums = _Sums()
        if root is not None:
            sums.add(root, "")
        self.schema_changes = sums.fold_schema_changes()
        self.added, self.removed, self.replaced = sums.ops["add"], sums.ops["remove"], sums.ops["replace"]
        self.moved = sums.moved
        self.fields: dict[str, int] = dict(sums.fields)
        self.types = {pattern: tuple(sorted(types)) for pattern, types in sums.types.items()}
        self.changes_count = self.added + self.removed + self.replaced + self.moved
        self.kind: Kind = _kind(self, ignored=ignored, reordered=reordered, identical=identical)

    @cached_property
    def similarity(self) -> float:
        """The share of leaves that are the same in both documents, in [0, 1].

        A leaf is a scalar, an empty object or an empty array. Of all leaf places of both documents (same + removed +
        added + replaced) the share of the same ones: same = leaves of `before` less those removed or replaced; a
        replaced value counts the leaves of the larger of its two sides. Moved and ignored leaves are the same.
        """
        if self.root is None:
            return 1.0
        lost, changed = _leaves_changed(self.root)
        same = max(0, slices.leaf_count(self.before) - lost)
        return same / (same + changed) if same + changed else 1.0

    @cached_property
    def array_keys(self) -> dict[str, list[str]]:
        """Pattern of each changed array whose elements have a key -> its fields."""
        return {pattern: list(fields) for pattern, fields in self.keys_by_pattern.items() if fields}

    @cached_property
    def keys_by_pattern(self) -> dict[str, Fields | None]:
        """As `array_keys`, with None for the changed arrays that have no key."""
        keys: dict[str, Fields | None] = {}
        if self.root is not None:
            _collect_keys(self.root, "", keys)
        return keys


def member_pattern(node: Members, pattern: str, name: str) -> str:
    """The field pattern of a member of an object at `pattern`."""
    return f"{pattern}/*" if len(node.changed) > MAP_FROM else f"{pattern}/{pointer.escape(name)}"


def _kind(found: Difference, *, ignored: bool, reordered: bool, identical: bool) -> Kind:
    if found.changes_count > found.moved:
        return "content"
    if found.moved or reordered:
        return "reorder"
    if ignored:
        return "ignored"
    return "none" if identical else "format"


class _Sums:
    """Counts over a tree of edits."""

    def __init__(self) -> None:
        self.ops: Counter[str] = Counter()
        self.fields: Counter[str] = Counter()
        self.types: dict[str, set[str]] = {}
        self.moved = 0
        self._lone: Counter[tuple[str, Literal["add", "remove"]]] = Counter()
        self._lengths: dict[str, tuple[int, int]] = {}

    def add(self, node: Node, pattern: str) -> None:
        if isinstance(node, Edit):
            self._add_edit(node, pattern)
        elif isinstance(node, Members):
            for name, below in node.changed:
                self.add(below, member_pattern(node, pattern, name))
        else:
            self._add_elements(node, pattern)

    def _add_elements(self, node: Elements, pattern: str) -> None:
        before, after = self._lengths.get(pattern, (0, 0))
        self._lengths[pattern] = before + node.length_before, after + node.length_after
        self.moved += len(node.moved)
        inner = pattern + "/*"
        for _, edit in (*node.removed, *node.added):
            self._add_edit(edit, inner)
        for _, _, below in node.changed:
            self.add(below, inner)

    def _add_edit(self, edit: Edit, pattern: str) -> None:
        self.fields[pattern] += 1
        types = self.types.setdefault(pattern, set())
        types.update([slices.kind(raw) for raw in (edit.old, edit.new) if raw is not None])
        if edit.old is not None and edit.new is not None:
            self.ops["replace"] += 1
            return
        op: Literal["add", "remove"] = "add" if edit.old is None else "remove"
        self.ops[op] += 1
        self._lone[pattern, op] += 1

    def fold_schema_changes(self) -> list[SchemaChange]:
        """Count a field that most elements of an array gained or lost once, and say which they are."""
        changes = []
        for (pattern, op), elements in self._lone.items():
            array, inside, field = pattern.rpartition("/*/")
            before, after = self._lengths.get(array, (0, 0))
            if elements < 2 or not inside or field.endswith("*") or elements * 2 <= (after if op == "add" else before):
                continue
            changes.append(SchemaChange(pattern, op, elements))
            self.ops[op] -= elements - 1
            self.fields[pattern] -= elements - 1
        return changes


def _leaves_changed(node: Node) -> tuple[int, int]:
    """Leaves of the old document that are gone, and leaf places that are not the same."""
    if isinstance(node, Edit):
        old = 0 if node.old is None else slices.leaf_count(node.old)
        new = 0 if node.new is None else slices.leaf_count(node.new)
        return old, max(old, new)
    below: list[Node] = [edit for _, edit in node.changed] if isinstance(node, Members) else _of_elements(node)
    counts = [_leaves_changed(child) for child in below]
    return sum([lost for lost, _ in counts]), sum([changed for _, changed in counts])


def _of_elements(node: Elements) -> list[Node]:
    return [edit for _, edit in (*node.removed, *node.added)] + [below for _, _, below in node.changed]


def _collect_keys(node: Node, pattern: str, keys: dict[str, Fields | None]) -> None:
    if isinstance(node, Members):
        for name, below in node.changed:
            _collect_keys(below, member_pattern(node, pattern, name), keys)
    elif isinstance(node, Elements):
        keys[pattern] = keys.get(pattern) or shared(node.before, node.after, node.key)
        for _, _, below in node.changed:
            _collect_keys(below, pattern + "/*", keys)
