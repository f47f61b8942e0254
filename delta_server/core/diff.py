"""What changed between two versions of a JSON document, from their bytes.

Both documents are split one level at a time into raw slices (core/slices.py). Equal slices are skipped by memcmp,
differing ones entered; arrays are aligned by identity (core/align.py). What is found is a tree of edits
(core/edits.py), which `Difference` sums up and core/patches.py and core/changes.py write down.

Work is bounded: below MAX_DEPTH levels, or when the bytes split exceed MAX_SPLITS times the size of the documents (a
deep narrow tree splits its bytes again on every level), a differing subtree is one replaced value.
"""

from collections.abc import Iterator, Mapping
from functools import partial

import msgspec

from delta_server.core import align, halves, shapes, slices
from delta_server.core.diff_settings import DEFAULT, DiffSettings, KnownKeys, Order, Rules, rules, validate
from delta_server.core.difference import Difference, Kind, Note, SchemaChange
from delta_server.core.edits import MAX_DEPTH, Edit, Elements, Members, Node
from delta_server.core.forms import form
from delta_server.core.ignored import without
from delta_server.core.shapes import Value, slice_of

__all__ = [
    "DEFAULT",
    "DiffSettings",
    "Difference",
    "Kind",
    "KnownKeys",
    "Note",
    "Order",
    "SchemaChange",
    "diff",
    "validate",
]

MAX_SPLITS = 64
_SPLIT_ALWAYS_BYTES = 1 << 20


def diff(before: bytes, after: bytes, settings: DiffSettings = DEFAULT, known: KnownKeys = ()) -> Difference:
    """Compare two documents, each one valid JSON value. `known` are keys of arrays that comparisons of other versions
    found. Raises Invalid if a pattern in `settings` is malformed. Halves of surrogate pairs stay hidden (halves.py)."""
    old, new = slices.trimmed(before), slices.trimmed(after)
    if old == new or old[0] != new[0] or old[0] not in (slices.OPEN_OBJECT, slices.OPEN_ARRAY):  # what is not split
        old, new = halves.hidden(old), halves.hidden(new)
    return halves.reading(partial(_compare, rules(settings, known), before == after), old, new)


def _compare(at: Rules | None, identical: bool, old: bytes, new: bytes) -> Difference:
    walk = _Walk(budget_bytes=_SPLIT_ALWAYS_BYTES + MAX_SPLITS * (len(old) + len(new)))
    root = None if old == new else walk.compare(old, new, at, 0)
    return Difference(
        before=old,
        after=new,
        root=root,
        ignored=walk.ignored,
        reordered=walk.reordered,
        identical=identical,
    )


class _Walk:
    """One pass through two documents. Notes whether it met ignored differences, and order that means nothing."""

    def __init__(self, *, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.ignored = False
        self.reordered = False

    def compare(self, old: bytes, new: bytes, at: Rules | None, depth: int) -> Node | None:
        """The difference between two slices whose bytes differ, None if their values do not."""
        if at is not None and at.ignored:
            self.ignored = True
            return None
        first = old[0]
        if first != new[0] or first not in (slices.OPEN_OBJECT, slices.OPEN_ARRAY):
            return self._compare_scalars(old, new, at, depth)
        self.budget_bytes -= len(old) + len(new)
        if depth >= MAX_DEPTH or self.budget_bytes < 0:
            return self._compare_whole(old, new, at, depth)
        if first == slices.OPEN_ARRAY:
            return self._compare_arrays(slices.elements(old), slices.elements(new), at, depth + 1)
        split = slices.members if depth else shapes.split
        return self._compare_objects(new, split(old), split(new), at, depth + 1)

    def _compare_scalars(self, old: bytes, new: bytes, at: Rules | None, depth: int) -> Node | None:
        """Two scalars, or values of two types."""
        if slices.same_scalar(old, new):
            return None
        if at is not None and at.tolerance and slices.within(old, new, at.tolerance):
            self.ignored = True
            return None
        return Edit(without(old, at, depth), without(new, at, depth))

    def _compare_whole(self, old: bytes, new: bytes, at: Rules | None, depth: int) -> Node | None:
        if not form(old, at).is_close(form(new, at)):
            return Edit(without(old, at, depth), without(new, at, depth))
        self.ignored = self.ignored or slices.canonical(old) != slices.canonical(new)
        return None

    def _compare_objects(
        self, new: bytes, before: Mapping[str, Value], after: Mapping[str, Value], at: Rules | None, depth: int
    ) -> Node | None:
        changed: list[tuple[str, Node]] = []
        for name, raw in before.items():
            other = after.get(name)
            if raw == other:
                continue
            if other is None:
                node: Node | None = self._lone(raw, None, at.member(name) if at else None, depth)
            elif isinstance(raw, list) or isinstance(other, list):
                node = self._compare_values(raw, other, at.member(name) if at else None, depth)
            else:
                node = self.compare(bytes(raw), bytes(other), at.member(name) if at else None, depth)
            if node is not None:
                changed.append((name, node))
        if after.keys() != before.keys():
            changed += self._new_members(before, after, at, depth)
        return Members(new, changed, at is None or not at.ignores_below) if changed else None

    def _compare_values(self, old: Value, new: Value, at: Rules | None, depth: int) -> Node | None:
        """Two values of which one at least is an array already split, perhaps equal."""
        if isinstance(old, list) and isinstance(new, list) and not (at is not None and at.ignored):
            return self._compare_arrays(old, new, at, depth + 1)
        old_slice, new_slice = slice_of(old), slice_of(new)
        return None if old_slice == new_slice else self.compare(old_slice, new_slice, at, depth)

    def _new_members(
        self, before: Mapping[str, Value], after: Mapping[str, Value], at: Rules | None, depth: int
    ) -> Iterator[tuple[str, Node]]:
        for name, raw in after.items():
            if name not in before and (node := self._lone(None, raw, at.member(name) if at else None, depth)):
                yield name, node

    def _lone(self, old: Value | None, new: Value | None, at: Rules | None, depth: int) -> Edit | None:
        """The edit that adds or removes a value, None where it is ignored."""
        if at is not None and at.ignored:
            self.ignored = True
            return None
        return Edit(
            None if old is None else without(slice_of(old), at, depth),
            None if new is None else without(slice_of(new), at, depth),
        )

    def _compare_arrays(
        self, before: list[msgspec.Raw], after: list[msgspec.Raw], at: Rules | None, depth: int
    ) -> Node | None:
        inner = at.element() if at else None
        if inner is not None and inner.ignored:
            self.ignored = self.ignored or before != after
            return None
        changed: list[tuple[int, int, Node]] = []
        if (twins := align.in_place(before, after, at)) is not None:
            for place, new, old_members, new_members in twins.pairs:
                if node := self._compare_objects(new, old_members, new_members, inner, depth + 1):
                    changed.append((place, place, node))
            return self._elements(before, after, at, depth, align.Alignment([], [], [], [], twins.key), changed)
        found = align.align(before, after, at)
        for i, j in found.differing:
            if node := self.compare(bytes(before[i]), bytes(after[j]), inner, depth):
                changed.append((i, j, node))
        return self._elements(before, after, at, depth, found, changed)

    def _elements(
        self,
        before: list[msgspec.Raw],
        after: list[msgspec.Raw],
        at: Rules | None,
        depth: int,
        found: align.Alignment,
        changed: list[tuple[int, int, Node]],
    ) -> Node | None:
        """What `found` and `changed` say together, None if nothing."""
        inner = at.element() if at else None
        removed = [(i, edit) for i in found.removed if (edit := self._lone(before[i], None, inner, depth))]
        added = [(j, edit) for j in found.added if (edit := self._lone(None, after[j], inner, depth))]
        is_set = at is not None and at.is_set
        self.reordered = self.reordered or (is_set and bool(found.moved))
        moved = [] if is_set else found.moved
        if not (changed or removed or added or moved):
            return None
        is_whole = at is None or not at.ignores_below
        shown = after if is_whole else slices.elements(without(slice_of(after), at, depth - 1))
        is_configured = at is not None and at.keys is not None
        return Elements(
            before,
            shown,
            removed,
            added,
            moved,
            changed,
            is_set,
            is_whole,
            found.key,
            is_configured,
            inner,
            found.note,
        )
