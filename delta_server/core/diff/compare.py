"""What changed between two versions of a JSON document, from their bytes.

Both documents are split one level at a time into raw slices. Equal slices are skipped by memcmp, differing ones
entered; arrays are aligned by identity (core/arrays/). What is found is a tree of edits (tree.py), which `DiffSummary`
sums up and json_patch.py and change_list.py write down.

Work is bounded: below MAX_DEPTH levels, or when the bytes split exceed MAX_SPLITS times the size of the documents (a
deep narrow tree splits its bytes again on every level), a differing subtree is one replaced value.

So is memory: what is held for each element, member and edit is taken from a room in proportion to the documents.
Arrays and objects that would not fit in it are compared in pieces (long_arrays.py, long_objects.py), and one in which
so much differs that the edits do not fit is one replaced value, with a note.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from operator import itemgetter

import msgspec

from delta_server.core.arrays import align, equal_ends
from delta_server.core.diff import large_members, long_arrays, long_objects
from delta_server.core.diff.canonical_form import form
from delta_server.core.diff.diff_settings import DEFAULT, DiffSettings, KnownKeys, Order, Rules, rules
from delta_server.core.diff.redact import redacted
from delta_server.core.diff.summary import DeltaKind, DiffSummary, Note, SchemaChange
from delta_server.core.diff.tree import MAX_DEPTH, ArrayDiff, Edit, Node, ObjectDiff
from delta_server.core.json import pieces, shapes, slices, surrogates
from delta_server.core.json.pieces import LARGE_BYTES, LazyElements
from delta_server.core.json.shapes import Value, slice_of

__all__ = ["DEFAULT", "DeltaKind", "DiffSettings", "DiffSummary", "KnownKeys", "Note", "Order", "SchemaChange", "diff"]

Array = list[msgspec.Raw] | LazyElements
MAX_SPLITS = 64
_SPLIT_ALWAYS_BYTES = 1 << 20

MIN_BUDGET, BUDGET_FACTOR, BUDGET_DECREASE = 58 << 20, 6, 9
"""Bytes of memory for what a comparison holds beside the documents: so many times the larger one, which with all that
is not counted makes 12 at most. Small ones have more: so much, less ROOM_LESS times the larger one."""

ELEMENT, MEMBER = 450, 900  # bytes for an element or member of both sides while an array or object is compared
KEPT, NODE, EDIT = 64, 350, 400  # for an element of a changed array, for a changed value, an edit, until all is written

COPY_FACTOR, COPIES_TIMES = 2, 32
"""A large value is copied so often for what is in it; all copies of values that stand within each other may take so
many times the larger document: eight levels of the whole of it."""

_NESTED = b"{["
IN_PIECES = "its elements are too many to look for keys and moves: they are compared as a sequence of values"
TOO_DEEP = "large values are nested too deep in it to be entered: it counts as one replaced value"
TOO_MUCH = "more differs in it than can be listed: it counts as one replaced value"


def diff(before: bytes, after: bytes, settings: DiffSettings = DEFAULT, known: KnownKeys = ()) -> DiffSummary:
    """Compare two documents, each one valid JSON value. `known` are keys of arrays that comparisons of other versions
    found. Raises Invalid if a pattern in `settings` is malformed. Halves of surrogate pairs stay hidden
    (json/surrogates.py)."""
    old, new = slices.trimmed(before), slices.trimmed(after)
    if old == new or old[0] != new[0] or old[0] not in (slices.OPEN_OBJECT, slices.OPEN_ARRAY):  # what is not split
        old, new = surrogates.hide(old), surrogates.hide(new)
    at = rules(settings, known)
    try:
        walk = _Comparison(old, new, at)
    except msgspec.DecodeError:  # a half; to look for them first costs a third of a comparison
        old, new = surrogates.hide(old), surrogates.hide(new)
        walk = _Comparison(old, new, at)
    return DiffSummary(
        before=old, after=new, root=walk.root, ignored=walk.ignored, reordered=walk.reordered, identical=before == after
    )


class _Comparison:
    """One pass through two documents: `root` is what differs. Notes whether it met ignored differences, and order that
    means nothing."""

    def __init__(self, old: bytes, new: bytes, at: Rules | None) -> None:
        larger = max(len(old), len(new))
        self.budget_bytes = _SPLIT_ALWAYS_BYTES + MAX_SPLITS * (len(old) + len(new))
        self.edit_budget = max(MIN_BUDGET - BUDGET_DECREASE * larger, BUDGET_FACTOR * larger)
        self.copies = max(MIN_BUDGET, COPIES_TIMES * larger)
        self.listed = 0  # elements of arrays that were split with the objects around them
        self.ignored = False
        self.reordered = False
        self.root = None if old == new else self.compare(old, new, at, 0)

    def compare(self, old: bytes, new: bytes, at: Rules | None, depth: int) -> Node | None:
        """The difference between two slices whose bytes differ, None if their values do not."""
        if at is not None and at.ignored:
            self.ignored = True
            return None
        first = old[0]
        if first != new[0] or first not in _NESTED:
            return self._compare_scalars(old, new, at, depth)
        both = len(old) + len(new)
        self.budget_bytes -= both
        if depth >= MAX_DEPTH or self.budget_bytes < 0:
            return self._compare_whole(old, new, at, depth)
        if both >= LARGE_BYTES and (len(old) >= LARGE_BYTES or len(new) >= LARGE_BYTES):
            return self._compare_nested(old, new, at, depth)
        if first == slices.OPEN_ARRAY:
            return self._compare_arrays(slices.elements(old), slices.elements(new), at, depth + 1)
        split = slices.members if depth else shapes.split
        return self._compare_objects((old, new), split(old), split(new), at, depth + 1)

    def _compare_nested(self, old: bytes, new: bytes, at: Rules | None, depth: int) -> Node | None:
        """Two large values, of which copies are held as long as what is in them is compared."""
        held = COPY_FACTOR * (len(old) + len(new))
        if held > self.copies:
            return self._compare_whole(old, new, at, depth, TOO_DEEP)
        self.copies -= held
        node = self._compare_large(old, new, at, depth + 1)
        self.copies += held
        return node

    def _compare_large(self, old: bytes, new: bytes, at: Rules | None, depth: int) -> Node | None:
        """Two arrays or objects of which it is not known whether their elements or members fit the room."""
        if old[0] == slices.OPEN_ARRAY:
            before, after = self._split(old, new)
            if isinstance(before, list) and isinstance(after, list):
                return self._compare_arrays(before, after, at, depth)
            del before, after
            return self._compare_long_arrays(old, new, at, depth)
        return self._compare_large_objects(old, new, at, depth)

    def _split(self, old: bytes, new: bytes) -> tuple[Array | None, Array | None]:
        """The elements of two large arrays, None where they are too many."""
        edits = self.edit_budget // ELEMENT
        try:
            if lists := equal_ends.split(old, new, edits):
                return lists
        except equal_ends.TooMany:
            return None, None
        at_once = pieces.fit_at_once(old, new, self.edit_budget)
        return pieces.elements(old, edits, at_once=at_once), pieces.elements(new, edits, at_once=at_once)

    def _compare_large_objects(self, old: bytes, new: bytes, at: Rules | None, depth: int) -> Node | None:
        if few := large_members.split(old, new, most_elements=self.edit_budget // ELEMENT - self.listed):
            listed = sum(len(value) for value in few[0].values() if isinstance(value, list))
            self.listed += listed
            node = self._compare_objects((old, new), *few, at, depth)
            self.listed -= listed
            return node
        edits = self.edit_budget // MEMBER
        with suppress(equal_ends.TooMany):
            if many := equal_ends.split_members(old, new, edits):
                return self._compare_objects((old, new), *many, at, depth)
        at_once = pieces.fit_at_once(old, new, self.edit_budget)
        before, after = pieces.members(old, edits, at_once=at_once), pieces.members(new, edits, at_once=at_once)
        if before is not None and after is not None:
            return self._compare_objects((old, new), before, after, at, depth)
        del before, after
        return self._compare_long_objects(old, new, at, depth)

    def _compare_scalars(self, old: bytes, new: bytes, at: Rules | None, depth: int) -> Node | None:
        """Two scalars, or values of two types."""
        if slices.same_scalar(old, new):
            return None
        if at is None:
            self.edit_budget -= EDIT
            return Edit(old, new)
        if at.tolerance and slices.is_within(old, new, at.tolerance):
            self.ignored = True
            return None
        return self._edit(old, new, at, depth)

    def _edit(
        self, old: bytes | None, new: bytes | None, at: Rules | None, depth: int, note: str | None = None
    ) -> Edit:
        self.edit_budget -= EDIT
        return Edit(
            None if old is None else redacted(old, at, depth), None if new is None else redacted(new, at, depth), note
        )

    def _compare_whole(
        self, old: bytes, new: bytes, at: Rules | None, depth: int, note: str | None = None
    ) -> Node | None:
        if len(old) >= LARGE_BYTES or len(new) >= LARGE_BYTES:
            is_same = slices.minified(old) == slices.minified(new)
            return None if is_same else self._edit(old, new, at, depth, note)
        if not form(old, at).is_close(form(new, at)):
            return self._edit(old, new, at, depth)
        self.ignored = self.ignored or slices.canonical(old) != slices.canonical(new)
        return None

    def _compare_objects(
        self,
        whole: tuple[msgspec.Raw | bytes, bytes],
        before: Mapping[str, Value],
        after: Mapping[str, Value],
        at: Rules | None,
        depth: int,
    ) -> Node | None:
        edit_budget = self.edit_budget
        changed = self._compare_members(before, after, at, depth)
        if not changed:
            return None
        self.edit_budget -= NODE
        if self.edit_budget < 0:
            changed.clear()
            return self._too_much(bytes(whole[0]), whole[1], at, depth, edit_budget)
        return ObjectDiff(whole[1], changed, at is None or not at.ignores_below)

    def _too_much(self, old: bytes, new: bytes, at: Rules | None, depth: int, edit_budget: int) -> Edit:
        """The whole value in place of the edits in it, with the room there was before them."""
        self.edit_budget = edit_budget
        return self._edit(old, new, at, depth - 1, TOO_MUCH)

    def _compare_members(
        self, before: Mapping[str, Value], after: Mapping[str, Value], at: Rules | None, depth: int
    ) -> list[tuple[str, Node]]:
        """The members that differ, as far as the room goes."""
        changed: list[tuple[str, Node]] = []
        for name, raw in before.items():
            if raw == (other := after.get(name)):
                continue
            if other is None:
                node: Node | None = self._one_sided(raw, None, at.member(name) if at else None, depth)
            elif isinstance(raw, list) or isinstance(other, list):
                node = self._compare_values(raw, other, at.member(name) if at else None, depth)
            else:
                node = self.compare(bytes(raw), bytes(other), at.member(name) if at else None, depth)
            if node is not None:
                changed.append((name, node))
                if self.edit_budget < 0:
                    return changed
        if after.keys() != before.keys():
            changed += self._new_members(before, after, at, depth)
        return changed

    def _compare_long_objects(self, old: bytes, new: bytes, at: Rules | None, depth: int) -> Node | None:
        edit_budget = self.edit_budget
        changed: list[tuple[str, Node]] = []
        groups = 0
        hashes = len(old) + len(new)
        self.edit_budget -= hashes
        for before, after in long_objects.differing_members(old, new, max(1, self.edit_budget // MEMBER // 2)):
            changed += self._compare_members(before, after, at, depth)
            groups += 1
            del before, after
            if self.edit_budget < 0:
                break
        self.edit_budget += hashes if self.edit_budget >= 0 else 0
        if not changed:
            return None
        self.edit_budget -= NODE
        if self.edit_budget < 0:
            changed.clear()
            return self._too_much(old, new, at, depth, edit_budget)
        if groups > 1:
            changed.sort(key=itemgetter(0))
        return ObjectDiff(new, changed, at is None or not at.ignores_below)

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
            if name not in before and (node := self._one_sided(None, raw, at.member(name) if at else None, depth)):
                yield name, node
                if self.edit_budget < 0:
                    return

    def _one_sided(self, old: Value | None, new: Value | None, at: Rules | None, depth: int) -> Edit | None:
        """The edit that adds or removes a value, None where it is ignored."""
        if at is not None and at.ignored:
            self.ignored = True
            return None
        return self._edit(None if old is None else slice_of(old), None if new is None else slice_of(new), at, depth)

    def _compare_arrays(
        self, before: list[msgspec.Raw], after: list[msgspec.Raw], at: Rules | None, depth: int
    ) -> Node | None:
        inner = at.element() if at else None
        if inner is not None and inner.ignored:
            self.ignored = self.ignored or before != after
            return None
        edit_budget = self.edit_budget
        both = len(before) + len(after)
        if both * ELEMENT > edit_budget and max(len(before), len(after)) * ELEMENT > edit_budget:
            return self._compare_long_arrays(slice_of(before), slice_of(after), at, depth)
        self.edit_budget = edit_budget - KEPT * both
        changed: list[tuple[int, int, Node]] = []
        if (twins := align.in_place(before, after, at)) is not None:
            for place, new, old_members, new_members in twins.pairs:
                if node := self._compare_objects((before[place], new), old_members, new_members, inner, depth + 1):
                    changed.append((place, place, node))
            found = align.Alignment([], [], [], [], twins.key)
            return self._elements(before, after, at, depth, found, changed, edit_budget)
        found = align.align(before, after, at)
        for i, j in found.differing:
            if node := self.compare(bytes(before[i]), bytes(after[j]), inner, depth):
                changed.append((i, j, node))
                if self.edit_budget < 0:
                    break
        return self._elements(before, after, at, depth, found, changed, edit_budget)

    def _compare_long_arrays(self, old: bytes, new: bytes, at: Rules | None, depth: int) -> Node | None:
        """Two arrays whose elements do not fit the room: read in pieces, as far as what differs does."""
        if at is not None and at.is_set:
            return self._compare_large_sets(old, new, at, depth)
        inner = at.element() if at else None
        if inner is not None and inner.ignored:
            self.ignored = True
            return None
        edit_budget = self.edit_budget
        before, after = LazyElements(old), LazyElements(new)
        removed: list[int] = []
        added: list[int] = []
        changed: list[tuple[int, int, Node]] = []
        for i, end_i, j, end_j in long_arrays.differing(before, after):
            for at_place in long_arrays.unequal(before, after, (i, end_i, j, end_j)):
                one, other = bytes(before[i + at_place]), bytes(after[j + at_place])
                if node := self.compare(one, other, inner, depth):
                    changed.append((i + at_place, j + at_place, node))
                    if self.edit_budget < 0:
                        changed.clear()
                        return self._too_much(old, new, at, depth, edit_budget)
            both = min(end_i - i, end_j - j)
            if (end_i - i + end_j - j - 2 * both + len(removed) + len(added)) * EDIT > self.edit_budget:
                return self._too_much(old, new, at, depth, edit_budget)
            removed += range(i + both, end_i)
            added += range(j + both, end_j)
        found = align.Alignment(removed, added, [], [], None, IN_PIECES)
        return self._elements(before, after, at, depth, found, changed, edit_budget)

    def _compare_large_sets(self, old: bytes, new: bytes, at: Rules, depth: int) -> Node | None:
        if not long_arrays.are_equal_sets(old, new, at.element()):
            return self._edit(old, new, at, depth - 1, TOO_MUCH)
        self.reordered = True
        return None

    def _elements(
        self,
        before: Array,
        after: Array,
        at: Rules | None,
        depth: int,
        found: align.Alignment,
        changed: list[tuple[int, int, Node]],
        edit_budget: int,
    ) -> Node | None:
        """What `found` and `changed` say together, None if nothing; one replaced value if that is too much for
        `edit_budget`, which there was before."""
        inner = at.element() if at else None
        removed: list[tuple[int, Edit]] = []
        added: list[tuple[int, Edit]] = []
        if found.removed or found.added:
            removed = [(i, edit) for i in found.removed if (edit := self._one_sided(before[i], None, inner, depth))]
            added = [(j, edit) for j in found.added if (edit := self._one_sided(None, after[j], inner, depth))]
        is_set = at is not None and at.is_set
        self.reordered = self.reordered or (is_set and bool(found.moved))
        moved = [] if is_set else found.moved
        if not (changed or removed or added or moved):
            self.edit_budget = edit_budget
            return None
        self.edit_budget -= 2 * NODE
        if self.edit_budget < 0:
            for edits in (changed, removed, added):
                edits.clear()
            return self._too_much(slice_of(before), slice_of(after), at, depth, edit_budget)
        return ArrayDiff(
            before,
            after if at is None or not at.ignores_below else self._shown(after, at, depth),
            removed,
            added,
            moved,
            changed,
            is_set,
            at is None or not at.ignores_below,
            found.key,
            at is not None and at.keys is not None,
            inner,
            found.note,
        )

    def _shown(self, after: Array, at: Rules, depth: int) -> Array:
        """The new elements without what is ignored in them."""
        shown = redacted(slice_of(after), at, depth - 1)
        return LazyElements(shown) if isinstance(after, LazyElements) else slices.elements(shown)
