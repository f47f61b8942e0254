"""Writes a difference as a JSON Patch (RFC 6902) or a JSON Merge Patch (RFC 7396)."""

from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from delta_server.core.diff.summary import DiffSummary
from delta_server.core.diff.tree import ArrayDiff, Edit, Node, ObjectDiff
from delta_server.core.errors import Invalid
from delta_server.core.json import pieces, pointer, slices
from delta_server.core.json.shapes import slice_of

_LEAST_OPERATION = len(b'{"op":"remove","path":""},')
_LEAST_REPLACE = len(b'{"op":"replace","path":"","value":}')
_SURELY_ONE = 10_000  # nulls in an object: one is surely not of a name that comes again with another value
_LEAST_SHRINKING = 4  # removing whitespace is tried for a `replace` if the operations exceed this part of the value


def json_patch(difference: DiffSummary) -> bytes:
    """The operations, a JSON array, that make the new document of the old one when applied in sequence.

    Ignored places keep their old values; arrays whose order means nothing get new elements at their end. Where
    operations inside a value would take more bytes than the value, one `replace` says it.
    """
    operations = [] if difference.root is None else _operations(difference.root, b"")
    return b"[" + b",".join(operations) + b"]"


def _operations(node: Node, path: bytes) -> list[bytes]:
    """`path` is a JSON Pointer escaped for a JSON string, without its quotes."""
    if isinstance(node, Edit):
        return [_edit(node, path)]
    if isinstance(node, ArrayDiff) and node.is_whole and _surely_larger(node):
        return [_replace(path, slice_of(node.after))]
    operations = _of_members(node, path) if isinstance(node, ObjectDiff) else _of_elements(node, path)
    if len(operations) < 2 or not node.is_whole:
        return operations
    size = sum(map(len, operations)) + len(operations)
    if size * _LEAST_SHRINKING < (len(node.after) if isinstance(node, ObjectDiff) else node.after_size):
        return operations
    replacement = _replace(path, slice_of(node.after))
    return [replacement] if len(replacement) < size else operations


def _surely_larger(node: ArrayDiff) -> bool:
    """Whether the operations of the array itself must exceed its new value: then they need not be made."""
    least = _LEAST_OPERATION * (len(node.removed) + len(node.added) + len(node.moved))
    return least > 2 * len(node.after) and least > node.after_size + _LEAST_REPLACE


def _edit(edit: Edit, path: bytes) -> bytes:
    if edit.new is None:
        return _remove(path)
    if edit.old is None:
        return _add(path, edit.new)
    return _replace(path, edit.new)


def _remove(path: bytes) -> bytes:
    return b'{"op":"remove","path":"%b"}' % path


def _add(path: bytes, value: bytes) -> bytes:
    return b'{"op":"add","path":"%b","value":%b}' % (path, slices.minified(value))


def _replace(path: bytes, value: bytes) -> bytes:
    return b'{"op":"replace","path":"%b","value":%b}' % (path, slices.minified(value))


@lru_cache(maxsize=4096)
def _step(name: str) -> bytes:
    return b"/" + msgspec.json.encode(pointer.escape(name))[1:-1]


def _of_members(node: ObjectDiff, path: bytes) -> list[bytes]:
    operations: list[bytes] = []
    for name, below in node.changed:
        if isinstance(below, Edit):
            operations.append(_edit(below, path + _step(name)))
        else:
            operations += _operations(below, path + _step(name))
    return operations


def _of_elements(node: ArrayDiff, path: bytes) -> list[bytes]:
    """Removals from the highest index down; then additions and moves in the order of the new array; then what is
    inside elements, which by now are at their new places."""
    operations: list[bytes] = []
    for i, _ in reversed(node.removed):
        operations.append(_remove(b"%b/%d" % (path, i)))
    if node.is_set:
        for _, edit in node.added:
            assert edit.new is not None
            operations.append(_add(path + b"/-", edit.new))
    elif node.added or node.moved:
        operations += _placements(node, path)
    removed = [i for i, _ in node.removed] if node.is_set else []
    for i, j, below in node.changed:
        place = i - bisect_left(removed, i) if node.is_set else j
        operations += _operations(below, b"%b/%d" % (path, place))
    return operations


def _placements(node: ArrayDiff, path: bytes) -> Iterator[bytes]:
    """Additions, and moves with the indexes they have at their turn."""
    if not node.moved:
        for j, edit in node.added:
            assert edit.new is not None
            yield _add(b"%b/%d" % (path, j), edit.new)
        return
    added = dict(node.added)
    sources = {j: i for i, j in node.moved}
    places = _ElementPositions(node)
    for j in sorted([*added, *sources]):
        if j in added:
            new = added[j].new
            assert new is not None
            yield _add(b"%b/%d" % (path, places.of_new(j)), new)
            continue
        source, target = places.move(sources[j], j)
        if source != target:
            yield b'{"op":"move","from":"%b/%d","path":"%b/%d"}' % (path, source, path, target)


class _RankCounter:
    """Which of many old ranks still wait to be moved: a Fenwick tree, so that each question is O(log n)."""

    def __init__(self, ranks: list[int]) -> None:
        self._ranks = sorted(ranks)
        self._tree = [i & -i for i in range(len(ranks) + 1)]

    def below(self, rank: int) -> int:
        """How many wait below `rank`."""
        at, total = bisect_left(self._ranks, rank), 0
        while at:
            total += self._tree[at]
            at &= at - 1
        return total

    def remove(self, rank: int) -> None:
        at = bisect_left(self._ranks, rank) + 1
        while at < len(self._tree):
            self._tree[at] -= 1
            at += at & -at


class _ElementPositions:
    """Where elements stand while an array is being rearranged, after the removals.

    Elements that stay keep their relative order. The others are dealt with in the order of the new array: each goes
    right behind its new predecessor, so at the turn of new place `j` all of `0..j-1` stand in their order, and between
    them only elements still waiting to be moved. Those waiting behind a staying element come after those placed there.
    """

    def __init__(self, node: ArrayDiff) -> None:
        removed = [i for i, _ in node.removed]
        going = {i for i, _ in node.moved}
        gone = going.union(removed)
        coming = {j for j, _ in node.added}.union([j for _, j in node.moved])
        self._rank = {i: i - bisect_left(removed, i) for i in going}
        self._waiting = _RankCounter(list(self._rank.values()))
        self._stay_old = _ranks([i for i in range(len(node.before)) if i not in gone], removed)
        self._stay_new = [j for j in range(len(node.after)) if j not in coming]

    def of_new(self, j: int) -> int:
        """Where the element for new place `j` is to be put."""
        passed = bisect_left(self._stay_new, j)
        return j + (self._waiting.below(self._stay_old[passed - 1]) if passed else 0)

    def move(self, i: int, j: int) -> tuple[int, int]:
        """Where old element `i` stands now, and where it is to be put once taken out."""
        rank = self._rank[i]
        ahead, passed = bisect_left(self._stay_old, rank), bisect_left(self._stay_new, j)
        placed = self._stay_new[ahead] if ahead < passed else j + ahead - passed
        source = self._waiting.below(rank) + placed
        self._waiting.remove(rank)
        return source, self.of_new(j)


def _ranks(places: list[int], removed: list[int]) -> list[int]:
    """The indexes of `places` once `removed` are taken out; both ascending."""
    ranks, below = [], 0
    for place in places:
        while below < len(removed) and removed[below] < place:
            below += 1
        ranks.append(place - below)
    return ranks


def merge_patch(difference: DiffSummary) -> bytes:
    """The merge patch from old to new document: changed members of objects, null for removed ones, arrays whole.

    Raises Invalid where the format cannot say it: a member that becomes null, or a difference too deep to be entered.
    """
    if difference.root is not None:
        return _merge(difference.root, "")
    # `{}` would make an object of anything else.
    return b"{}" if difference.after[0] == slices.OPEN_OBJECT else slices.minified(difference.after)


def _merge(node: Node, path: str) -> bytes:
    if isinstance(node, ArrayDiff):
        return slices.minified(slice_of(node.after))
    if isinstance(node, Edit):
        return _merged_value(node, path)
    parts = []
    for name, below in node.changed:
        parts.append(msgspec.json.encode(name) + b":" + _merge(below, f"{path}/{pointer.escape(name)}"))
    return b"{" + b",".join(parts) + b"}"


def _merged_value(edit: Edit, path: str) -> bytes:
    if edit.new is None:
        return b"null"
    if edit.new[0] == slices.OPEN_OBJECT and edit.old is not None and edit.old[0] == slices.OPEN_OBJECT:
        raise Invalid(f"a merge patch does not reach the difference at {path}: ask for json-patch", field="format")
    place = path if edit.new == b"null" and path else _null_inside(edit.new, path)
    if place is not None:
        raise Invalid(f"a merge patch cannot set {place} to null (null removes): ask for json-patch", field="format")
    return slices.minified(edit.new)


def _null_inside(raw: bytes, path: str) -> str | None:
    """The path of a null member reached through objects only, None if there is none: arrays stay as they are."""
    stack = [(path, raw)] if raw[0] == slices.OPEN_OBJECT and b"null" in raw else []
    while stack:
        place, value = stack.pop()
        nulls: dict[str, None] = {}
        objects: dict[str, bytes] = {}
        for members in pieces.member_runs(value):
            for name, member in members.items():
                nulls.pop(name, None)
                objects.pop(name, None)
                inner = bytes(member)
                if inner == b"null":
                    nulls[name] = None
                elif inner[0] == slices.OPEN_OBJECT and b"null" in inner:
                    objects[name] = inner
            if len(nulls) > _SURELY_ONE:
                break
        if nulls:
            return f"{place}/{pointer.escape(next(iter(nulls)))}"
        stack += [(f"{place}/{pointer.escape(name)}", inner) for name, inner in objects.items()]
    return None
