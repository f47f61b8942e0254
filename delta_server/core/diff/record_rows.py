"""Writes a difference as rows, grouped by records: what a ledger of changes shows, line by line.

A record is an object that is an element of an array, or a member of a map. The changes in it are one group, wherever in
it they are; those in no record are the document's. Groups come in the order of the new document, with what is gone at
its place in the old one; a record within a record is a group of its own, behind that around it.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from delta_server.core.diff import labels
from delta_server.core.diff.diff_settings import DiffSettings, matcher
from delta_server.core.diff.key_steps import KeySteps
from delta_server.core.diff.labels import Labels
from delta_server.core.diff.summary import MAP_FROM, DiffSummary, member_pattern
from delta_server.core.diff.tree import ArrayDiff, Edit, Node, ObjectDiff
from delta_server.core.json import pointer, slices

RowOp = Literal["add", "remove", "replace", "move"]
RowKind = Literal["add", "remove", "replace", "move", "same"]
"""`same` is what did not change: a record, or a member of the document."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """`path` names it by key where it has one, `` is the document. `before` and `after` are its places in its array in
    either version."""

    path: str
    label: str | None = None
    key: dict[str, msgspec.Raw] | None = None
    before: int | None = None
    after: int | None = None


class Row(msgspec.Struct, frozen=True, gc=False):
    """One edit, or what did not change. `at` is its place in the record, `` for the record itself. `before` and `after`
    are the record's, but those of an element that came, went or moved and is no record are its own."""

    op: RowKind
    field: str
    at: str
    old: bytes | None
    new: bytes | None
    before: int | None
    after: int | None


class RecordRows(msgspec.Struct, frozen=True):
    record: Record
    rows: list[Row]


class _Place(msgspec.Struct, frozen=True, gc=False):
    """A place in a record: `at` with its leading slash, and its field pattern, once with a step of its own for each
    member of a map."""

    at: str
    pattern: str
    single: str


class _Nested(msgspec.Struct, frozen=True):
    """A record and what differs in it: None where it only moved."""

    record: Record
    place: _Place
    node: Node | None
    moved: bool


class _Entry(msgspec.Struct, frozen=True, gc=False):
    """An element of an array, by its places in both versions, and what differs in it."""

    i: int | None
    j: int | None
    node: Node | None
    moved: bool
    same: bool = False


def grouped(
    difference: DiffSummary, settings: DiffSettings, *, unfolded: bool, unchanged: bool = False
) -> Iterator[RecordRows]:
    """All edits. With `unfolded` every member of a map has its own field pattern; with `unchanged` the records and the
    members of the document that are the same stand between them."""
    if difference.root is not None:
        document = _Nested(Record(""), _Place("", "", ""), difference.root, moved=False)
        yield from _Grouping(difference, settings, unfolded=unfolded, unchanged=unchanged).groups(document)


class _Grouping:
    def __init__(self, difference: DiffSummary, settings: DiffSettings, *, unfolded: bool, unchanged: bool) -> None:
        self._keys = difference.keys_by_pattern
        self._labels = Labels(settings)
        self._unfolded, self._unchanged = unfolded, unchanged
        self._ignored = [matcher(pointer.parse_pattern(pattern)) for pattern in settings.ignore]
        self._schema = {change.path for change in difference.schema_changes}

    def groups(self, found: _Nested) -> Iterator[RecordRows]:
        rows: list[Row] = []
        nested: list[_Nested] = []
        if found.moved:
            rows.append(self._row("move", found.record, found.place))
        if found.node is None and not found.moved:
            rows.append(self._row("same", found.record, found.place))
        if found.node is not None:
            self._collect(found.node, found.record, found.place, rows, nested)
        if rows:
            yield RecordRows(found.record, rows)
        for each in nested:
            yield from self.groups(each)

    def _collect(self, node: Node, record: Record, place: _Place, rows: list[Row], nested: list[_Nested]) -> None:
        """Append the edits in a record, and the records in it."""
        if isinstance(node, Edit):
            op: RowKind = "add" if node.old is None else "remove" if node.new is None else "replace"
            rows.append(self._row(op, record, place, node.old, node.new))
        elif isinstance(node, ObjectDiff):
            self._in_members(node, record, place, rows, nested)
        else:
            self._in_elements(node, record, place, rows, nested)

    def _in_members(
        self, node: ObjectDiff, record: Record, place: _Place, rows: list[Row], nested: list[_Nested]
    ) -> None:
        members = slices.members(node.after) if len(node.changed) > MAP_FROM else {}
        field = self._labels.field(place.pattern, list(members.values())) if members else None
        for name, below in node.changed:
            step = pointer.escape(name)
            there = _Place(f"{place.at}/{step}", member_pattern(node, place.pattern, name), f"{place.single}/{step}")
            value = members.get(name) or (isinstance(below, Edit) and below.old) or b"" if members else b""
            if bytes(value)[:1] == b"{":
                one = Record(record.path + there.at, labels.of(bytes(value), field))
                nested.append(_Nested(one, _Place("", there.pattern, there.single), below, moved=False))
            else:
                self._collect(below, record, there, rows, nested)
        if self._unchanged:
            self._same_members(node, record, place, rows, nested)

    def _same_members(
        self, node: ObjectDiff, record: Record, place: _Place, rows: list[Row], nested: list[_Nested]
    ) -> None:
        """Those of a map are records; those of the document itself are rows, less what is not compared."""
        is_map = len(node.changed) > MAP_FROM
        if record.path and not is_map:
            return
        changed = {name for name, _ in node.changed}
        members = {name: bytes(value) for name, value in slices.members(node.after).items() if name not in changed}
        field = self._labels.field(place.pattern, list(map(msgspec.Raw, members.values()))) if is_map else None
        for name, value in members.items():
            step = pointer.escape(name)
            single = f"{place.single}/{step}"
            there = _Place(f"{place.at}/{step}", f"{place.pattern}/*" if is_map else f"{place.pattern}/{step}", single)
            steps = pointer.parse_pattern(single)
            if any(ignores(steps) for ignores in self._ignored):
                continue
            if is_map and value[0] == slices.OPEN_OBJECT:
                one = Record(record.path + there.at, labels.of(value, field))
                nested.append(_Nested(one, _Place("", there.pattern, single), None, moved=False))
            else:
                rows.append(self._row("same", record, there, new=value))

    def _in_elements(
        self, node: ArrayDiff, record: Record, place: _Place, rows: list[Row], nested: list[_Nested]
    ) -> None:
        fields = self._keys.get(place.pattern)
        steps = KeySteps(node, fields) if fields else None
        label = self._labels.field(place.pattern, node.after if len(node.after) else node.before, fields)
        for entry in _in_order(node, unchanged=self._unchanged):
            old = None if entry.i is None else bytes(node.before[entry.i])
            new = None if entry.j is None else bytes(node.after[entry.j])
            named = old or new
            assert named is not None, "each element is in one of the versions"
            step, key = steps.of(named) if steps else (None, {})
            at = f"{place.at}/{step or (entry.i if entry.j is None else entry.j)}"
            there = _Place(at, place.pattern + "/*", place.single + "/*")
            text = next((found for raw in (new, old) if raw and (found := labels.of(raw, label))), None)
            one = Record(record.path + at, text, key if step else None, entry.i, entry.j)
            if any(raw is not None and raw[0] == slices.OPEN_OBJECT for raw in (old, new)):
                nested.append(_Nested(one, _Place("", there.pattern, there.single), entry.node, entry.moved))
                continue
            if entry.same:  # no record
                continue
            if entry.moved:
                rows.append(self._row("move", one, there, new=new))
            if entry.node is not None:
                own = one if old is None or new is None else record
                self._collect(entry.node, own, there, rows, nested)

    def _row(
        self, op: RowKind, record: Record, place: _Place, old: bytes | None = None, new: bytes | None = None
    ) -> Row:
        unfolded = self._unfolded and place.pattern not in self._schema
        field = place.single if unfolded else place.pattern
        return Row(op, field, place.at[1:], old, new, record.before, record.after)


def _in_order(node: ArrayDiff, *, unchanged: bool) -> list[_Entry]:
    """By their places in the new version. What is gone stands before the first element that follows it in both."""
    gone = [i for i, _ in node.removed]
    moved_i, moved_j = sorted(i for i, _ in node.moved), sorted(j for _, j in node.moved)
    came = [j for j, _ in node.added]
    moved, changed = set(node.moved), {(i, j): below for i, j, below in node.changed}
    entries = [
        *[_Entry(i, None, edit, moved=False) for i, edit in node.removed],
        *[_Entry(None, j, edit, moved=False) for j, edit in node.added],
        *[_Entry(i, j, changed.get((i, j)), moved=True) for i, j in node.moved],
        *[_Entry(i, j, below, moved=False) for i, j, below in node.changed if (i, j) not in moved],
    ]
    if unchanged:
        entries += _same_elements(node, {entry.i for entry in entries}, {entry.j for entry in entries})

    def order(entry: _Entry) -> tuple[int, int, int]:
        """The elements that stay and come before it; the gone first."""
        if entry.j is None:
            assert entry.i is not None, "it is in the old version"
            return entry.i - bisect_left(gone, entry.i) - bisect_left(moved_i, entry.i), 0, entry.i
        return entry.j - bisect_left(came, entry.j) - bisect_left(moved_j, entry.j), 1, entry.j

    return sorted(entries, key=order)


def _same_elements(node: ArrayDiff, listed_i: set[int | None], listed_j: set[int | None]) -> list[_Entry]:
    """The elements that are not listed: those that stay, in the order that they have in both versions."""
    after = [j for j in range(len(node.after)) if j not in listed_j]
    before: Sequence[int | None] = [i for i in range(len(node.before)) if i not in listed_i]
    if node.is_set or len(before) != len(after):  # places mean nothing there
        before = [None] * len(after)
    return [_Entry(i, j, None, moved=False, same=True) for i, j in zip(before, after, strict=True)]
