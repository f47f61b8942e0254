"""What a comparison found, summed up: kind, counts, field patterns, schema changes, similarity."""

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Literal

import msgspec

from delta_server.core.arrays.array_keys import shared
from delta_server.core.diff.diff_settings import Fields
from delta_server.core.diff.tree import ArrayDiff, Edit, Node, ObjectDiff
from delta_server.core.json import pointer, slices

DeltaKind = Literal["content", "reorder", "format", "ignored", "none"]

MAP_FROM = 64  # an object with more changed members than this is a map: its members share the pattern step `*`


class SchemaChange(msgspec.Struct, frozen=True):
    """A field that was added to or removed from most elements of an array: counted as one change."""

    path: str
    op: Literal["add", "remove"]
    elements: int


class Note(msgspec.Struct, frozen=True):
    """What a reader of a difference should know of how the array at pattern `path` was compared."""

    path: str
    message: str


class UnfoldedField(msgspec.Struct, frozen=True):
    """`folded` is the pattern in `Difference.fields` where that is another."""

    pattern: str
    changes: int
    types: tuple[str, ...]
    folded: str


class DiffSummary:
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
        self._edits: list[tuple[str, Edit]] = []
        lengths: dict[str, tuple[int, int]] = {}
        self.moved = 0 if root is None else _flatten(root, "", self._edits, lengths)
        self.added = self.removed = self.replaced = 0
        self.fields: dict[str, int] = {}
        for pattern, edit in self._edits:
            self.fields[pattern] = self.fields.get(pattern, 0) + 1
            if edit.old is None:
                self.added += 1
            elif edit.new is None:
                self.removed += 1
            else:
                self.replaced += 1
        may_be_schema = lengths and max(self.added, self.removed) > 1
        self.schema_changes = _schema_changes(self._edits, lengths) if may_be_schema else []
        for change in self.schema_changes:
            self.fields[change.path] -= change.elements - 1
            self.added -= change.elements - 1 if change.op == "add" else 0
            self.removed -= change.elements - 1 if change.op == "remove" else 0
        self.changes_count = self.added + self.removed + self.replaced + self.moved
        self.kind: DeltaKind = _kind(self, ignored=ignored, reordered=reordered, identical=identical)

    @cached_property
    def has_maps(self) -> bool:
        return self.root is not None and _has_maps(self.root)

    @cached_property
    def places(self) -> set[str]:
        """The patterns of all edits, in which every member of a map has its own."""
        return set() if self.root is None else {single for _, single, _ in _unfolded_patterns(self.root, "", "")}

    @cached_property
    def replaced_at(self) -> Counter[str]:
        """Field pattern -> values that both documents have, and that differ."""
        return Counter(pattern for pattern, edit in self._edits if edit.old is not None and edit.new is not None)

    def single_fields(self) -> list[UnfoldedField]:
        """As `fields`, where every member of a map has its own pattern; but not where a schema change counts once."""
        schema = {change.path for change in self.schema_changes}
        found: dict[str, tuple[str, int, set[str]]] = {}
        for pattern, single, edit in _unfolded_patterns(self.root, "", "") if self.root is not None else ():
            path = pattern if pattern in schema else single
            _, count, kinds = found.get(path, ("", 0, set()))
            kinds.update(slices.kind(raw) for raw in (edit.old, edit.new) if raw is not None)
            found[path] = pattern, count + 1, kinds
        return [
            UnfoldedField(
                path, self.fields[path] if path in schema else count, tuple(kinds), "" if path == pattern else pattern
            )
            for path, (pattern, count, kinds) in sorted(found.items())
        ]

    @cached_property
    def types(self) -> dict[str, tuple[str, ...]]:
        seen: dict[str, set[str]] = {}
        for pattern, edit in self._edits:
            kinds = [slices.kind(raw) for raw in (edit.old, edit.new) if raw is not None]
            seen.setdefault(pattern, set()).update(kinds)
        return {pattern: tuple(sorted(kinds)) for pattern, kinds in seen.items()}

    @cached_property
    def similarity(self) -> float:
        """The share of leaves that are the same in both documents, in [0, 1].

        A leaf is a scalar, an empty object or an empty array. Of all leaf places of both documents (same + removed +
        added + replaced) the share of the same ones: same = leaves of `before` less those removed or replaced; a
        replaced value counts the leaves of the larger of its two sides. Moved and ignored leaves are the same. Members
        that an object has twice count twice, though only the last is compared: to see them would cost a full decode.
        """
        if self.root is None:
            return 1.0
        lost = changed = 0
        for _, edit in self._edits:
            old = 0 if edit.old is None else slices.leaf_count(edit.old)
            new = 0 if edit.new is None else slices.leaf_count(edit.new)
            lost, changed = lost + old, changed + max(old, new)
        same = max(0, slices.leaf_count(self.before) - lost)
        return same / (same + changed) if same + changed else 1.0

    @cached_property
    def array_keys(self) -> dict[str, list[str]]:
        """Pattern of each changed array whose elements have a key -> its fields."""
        return {pattern: list(fields) for pattern, fields in self.keys_by_pattern.items() if fields}

    @cached_property
    def found_keys(self) -> dict[str, Fields]:
        """Pattern of each changed array whose elements were matched by a key that was found -> its fields."""
        return {pattern: node.key for pattern, node in self._arrays if node.key is not None and not node.is_configured}

    @cached_property
    def configured_keys(self) -> set[str]:
        """Patterns of the changed arrays whose elements were matched by a key of the settings."""
        return {pattern for pattern, node in self._arrays if node.key is not None and node.is_configured}

    @cached_property
    def notes(self) -> list[Note]:
        """Each pattern's first note."""
        found = {pattern: edit.note for pattern, edit in reversed(self._edits) if edit.note is not None}
        found |= {pattern: node.note for pattern, node in reversed(self._arrays) if node.note is not None}
        return [Note(pattern, found[pattern]) for pattern in sorted(found)]

    @cached_property
    def keys_by_pattern(self) -> dict[str, Fields | None]:
        """As `array_keys`, with None for the changed arrays that have no key."""
        keys: dict[str, Fields | None] = {}
        for pattern, node in self._arrays:
            same = [*node.moved, *[(i, j) for i, j, _ in node.changed]]
            keys[pattern] = keys.get(pattern) or shared(node.before, node.after, node.key, node.rules, same)
        return keys

    @cached_property
    def _arrays(self) -> list[tuple[str, ArrayDiff]]:
        """The changed arrays with their patterns, outer ones first."""
        return [] if self.root is None else list(_arrays(self.root, ""))


def member_pattern(node: ObjectDiff, pattern: str, name: str) -> str:
    """The field pattern of a member of an object at `pattern`."""
    return f"{pattern}/*" if len(node.changed) > MAP_FROM else f"{pattern}/{pointer.escape(name)}"


def _kind(found: DiffSummary, *, ignored: bool, reordered: bool, identical: bool) -> DeltaKind:
    if found.changes_count > found.moved:
        return "content"
    if found.moved or reordered:
        return "reorder"
    if ignored:
        return "ignored"
    return "none" if identical else "format"


def _schema_changes(edits: list[tuple[str, Edit]], lengths: dict[str, tuple[int, int]]) -> list[SchemaChange]:
    """Fields that most elements of an array gained or lost. `lengths` are those of the changed arrays."""
    found = []
    lone = [(pattern, edit.old is None) for pattern, edit in edits if edit.old is None or edit.new is None]
    for (pattern, is_new), elements in Counter(lone).items():
        array, inside, field = pattern.rpartition("/*/")
        before, after = lengths.get(array, (0, 0))
        if elements < 2 or not inside or field.endswith("*") or elements * 2 <= (after if is_new else before):
            continue
        found.append(SchemaChange(pattern, "add" if is_new else "remove", elements))
    return found


def _flatten(node: Node, pattern: str, edits: list[tuple[str, Edit]], lengths: dict[str, tuple[int, int]]) -> int:
    """Append all edits with their patterns, add up the lengths of changed arrays, and count the moves."""
    if isinstance(node, Edit):
        edits.append((pattern, node))
        return 0
    moved = 0
    if isinstance(node, ObjectDiff):
        for name, below in node.changed:
            if isinstance(below, Edit):
                edits.append((member_pattern(node, pattern, name), below))
            else:
                moved += _flatten(below, member_pattern(node, pattern, name), edits, lengths)
        return moved
    before, after = lengths.get(pattern, (0, 0))
    lengths[pattern] = before + len(node.before), after + len(node.after)
    inner = pattern + "/*"
    for one_sided in (node.removed, node.added):
        if one_sided:
            edits += [(inner, edit) for _, edit in one_sided]
    for _, _, below in node.changed:
        moved += _flatten(below, inner, edits, lengths)
    return moved + len(node.moved)


def _has_maps(node: Node) -> bool:
    if isinstance(node, ObjectDiff):
        return len(node.changed) > MAP_FROM or any(_has_maps(below) for _, below in node.changed)
    return isinstance(node, ArrayDiff) and any(_has_maps(below) for _, _, below in node.changed)


def _unfolded_patterns(node: Node, pattern: str, single: str) -> Iterator[tuple[str, str, Edit]]:
    """The pattern of each edit, the same without maps, and the edit."""
    if isinstance(node, Edit):
        yield pattern, single, node
    elif isinstance(node, ObjectDiff):
        for name, below in node.changed:
            yield from _unfolded_patterns(
                below, member_pattern(node, pattern, name), f"{single}/{pointer.escape(name)}"
            )
    else:
        for _, edit in (*node.removed, *node.added):
            yield pattern + "/*", single + "/*", edit
        for _, _, below in node.changed:
            yield from _unfolded_patterns(below, pattern + "/*", single + "/*")


def _arrays(node: Node, pattern: str) -> Iterator[tuple[str, ArrayDiff]]:
    if isinstance(node, ObjectDiff):
        for name, below in node.changed:
            yield from _arrays(below, member_pattern(node, pattern, name))
    elif isinstance(node, ArrayDiff):
        yield pattern, node
        for _, _, below in node.changed:
            yield from _arrays(below, pattern + "/*")
