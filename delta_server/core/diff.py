"""What changed between two versions of a JSON document, from their bytes.

Both documents are split one level at a time into raw slices (core/slices.py). Equal slices are skipped by memcmp,
differing ones entered; arrays are aligned by identity (core/align.py). What is found is a tree of edits
(core/edits.py), which `Difference` sums up and core/patches.py and core/changes.py write down.

Work is bounded: below MAX_DEPTH levels, or when the bytes split exceed MAX_SPLITS times the size of the documents (a
deep narrow tree splits its bytes again on every level), a differing subtree is one replaced value.
"""

from collections.abc import Iterator, Mapping

import msgspec

from delta_server.core import align, shapes, slices
from delta_server.core.diff_settings import DEFAULT, DiffSettings, Order, Rules, rules, validate
from delta_server.core.difference import Difference, Kind, SchemaChange
from delta_server.core.edits import MAX_DEPTH, Edit, Elements, Members, Node
from delta_server.core.ignored import without
from delta_server.core.shapes import Value, slice_of

__all__ = ["DEFAULT", "DiffSettings", "Difference", "Kind", "Order", "SchemaChange", "diff", "validate"]

MAX_SPLITS = 64
_SPLIT_ALWAYS_BYTES = 1 << 20


def diff(before: bytes, after: bytes, settings: DiffSettings = DEFAULT) -> Difference:
    """Compare two documents, each one valid JSON value. Raises Invalid if a pattern in `settings` is malformed."""
    old, new = slices.trimmed(before), slices.trimmed(after)
    walk = _Walk(budget_bytes=_SPLIT_ALWAYS_BYTES + MAX_SPLITS * (len(old) + len(new)))
    root = None if old == new else walk.compare(old, new, rules(settings), 0)
    return Difference(
        before=old,
        after=new,
        root=root,
        ignored=walk.ignored,
        reordered=walk.reordered,
        identical=before == after,
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
            return self._compare_arrays((old, new), slices.elements(old), slices.elements(new), at, depth + 1)
        split = slices.members if depth else shapes.split
        return self._compare_objects((old, new), split(old), split(new), at, depth + 1)

    def _compare_scalars(self, old: bytes, new: bytes, at: Rules | None, depth: int) -> Node | None:
        """Two scalars, or values of two types."""
        if slices.same_scalar(old, new):
            return None
        if at is not None and at.tolerance and slices.within(old, new, at.tolerance):
            self.ignored = True
            return None
        return Edit(without(old, at, depth), without(new, at, depth))

    def _compare_whole(self, old: bytes, new: bytes, at: Rules | None, depth: int) -> Node | None:
        lesser_old, lesser_new = without(old, at, depth), without(new, at, depth)
        if slices.canonical(lesser_old) != slices.canonical(lesser_new):
            return Edit(lesser_old, lesser_new)
        self.ignored = self.ignored or lesser_old is not old or lesser_new is not new
        return None

    def _compare_objects(
        self,
        whole: tuple[bytes, bytes],
        before: Mapping[str, Value],
        after: Mapping[str, Value],
        at: Rules | None,
        depth: int,
    ) -> Node | None:
        changed: list[tuple[str, Node]] = []
        for name, raw in before.items():
            other = after.get(name)
            if raw == other:
                continue
            inner = None if at is None else at.member(name)
            if other is None:
                node: Node | None = self._lone(raw, None, inner, depth)
            elif isinstance(raw, list) and isinstance(other, list) and not (inner and inner.ignored):
                node = self._compare_arrays((slice_of(raw), slice_of(other)), raw, other, inner, depth + 1)
            else:
                node = self._compare_slices(slice_of(raw), slice_of(other), inner, depth)
            if node is not None:
                changed.append((name, node))
        if after.keys() != before.keys():
            changed += self._new_members(before, after, at, depth)
        return Members(*whole, changed, at is None or not at.ignores_below) if changed else None

    def _compare_slices(self, old: bytes, new: bytes, at: Rules | None, depth: int) -> Node | None:
        """As `compare`, of slices that may turn out equal: an array put together from its elements and one that was
        not."""
        return None if old == new else self.compare(old, new, at, depth)

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
        self,
        whole: tuple[bytes, bytes],
        before: list[msgspec.Raw],
        after: list[msgspec.Raw],
        at: Rules | None,
        depth: int,
    ) -> Node | None:
        inner = at.element() if at else None
        if inner is not None and inner.ignored:
            self.ignored = True
            return None
        if twins := align.in_place(before, after, at):
            return self._compare_twins(twins, whole, (len(before), len(after)), at, depth)
        found = align.align(whole[0], before, after, at, depth)
        changed: list[tuple[int, int, Node]] = []
        for i, j in found.differing:
            if node := self.compare(bytes(before[i]), bytes(after[j]), inner, depth):
                changed.append((i, j, node))
        removed = [(i, edit) for i in found.removed if (edit := self._lone(before[i], None, inner, depth))]
        added = [(j, edit) for j in found.added if (edit := self._lone(None, after[j], inner, depth))]
        is_set = at is not None and at.is_set
        self.reordered = self.reordered or (is_set and bool(found.moved))
        moved = [] if is_set else found.moved
        if not (changed or removed or added or moved):
            return None
        shown = without(whole[1], at, depth - 1)
        lengths = len(before), len(after)
        is_whole = at is None or not at.ignores_below
        return Elements(whole[0], shown, *lengths, removed, added, moved, changed, is_set, is_whole, found.key)

    def _compare_twins(
        self, twins: align.Twins, whole: tuple[bytes, bytes], lengths: tuple[int, int], at: Rules | None, depth: int
    ) -> Node | None:
        """An array whose elements are all at their places, some of them changed."""
        inner = at.element() if at else None
        changed: list[tuple[int, int, Node]] = []
        for place, slice_pair, before, after in twins.pairs:
            self.budget_bytes -= len(slice_pair[0]) + len(slice_pair[1])
            if node := self._compare_objects(slice_pair, before, after, inner, depth + 1):
                changed.append((place, place, node))
        if not changed:
            return None
        shown = without(whole[1], at, depth - 1)
        is_set, is_whole = at is not None and at.is_set, at is None or not at.ignores_below
        return Elements(whole[0], shown, *lengths, [], [], [], changed, is_set, is_whole, twins.key)
