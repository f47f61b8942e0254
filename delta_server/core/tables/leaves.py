"""From versions of a document, in the order of time, to the intervals in which each of its leaves had a value.

A leaf is what is no object and stands in no array; its path is a JSON Pointer. Objects whose bytes are the same as
before are not opened.
"""

from collections.abc import Iterator

from delta_server.core.errors import TooCostly
from delta_server.core.json import pointer, slices, surrogates
from delta_server.core.tables.intervals import Rows

MOST_LEAVES = 20_000
"""Of one version."""
MOST_DEPTH = 32
"""Objects that are deeper are leaves."""


class _Leaf:
    __slots__ = ("raw", "row")

    def __init__(self, raw: bytes, row: int) -> None:
        self.raw, self.row = raw, row


class _Node:
    """What stands at a place: an object, as it was written, and what is in it."""

    __slots__ = ("below", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.below: dict[str, _Node | _Leaf] = {}


class LeafReader:
    """Reads one version after the other into `rows`; a row's key is the path."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._root: _Node | _Leaf | None = None
        self._leaves = 0

    def read(self, at_ms: int, snapshot: bytes, body: bytes) -> None:
        """Raises TooCostly."""
        raw = surrogates.replaced(body).strip(slices.WHITESPACE)
        self._root = self._renewed(self._root, raw, "", at_ms, snapshot, 0)

    def _renewed(
        self, old: _Node | _Leaf | None, raw: bytes, path: str, at_ms: int, snapshot: bytes, depth: int
    ) -> _Node | _Leaf | None:
        """What stands at a place now; None for an array."""
        if old is not None and old.raw == raw:
            return old
        if raw[0] == slices.OPEN_OBJECT and depth < MOST_DEPTH:
            return self._renewed_object(old, raw, path, at_ms, snapshot, depth)
        if raw[0] == slices.OPEN_ARRAY:
            self._end(old, at_ms)
            return None
        if isinstance(old, _Leaf) and slices.canonical(old.raw) == slices.canonical(raw):
            return _Leaf(raw, old.row)
        self._end(old, at_ms)
        self._leaves += 1
        if self._leaves > MOST_LEAVES:
            raise TooCostly(f"a document has more than {MOST_LEAVES} values outside of arrays")
        return _Leaf(raw, self._rows.begin(path, raw, at_ms, snapshot))

    def _renewed_object(
        self, old: _Node | _Leaf | None, raw: bytes, path: str, at_ms: int, snapshot: bytes, depth: int
    ) -> _Node:
        before = old.below if isinstance(old, _Node) else {}
        if isinstance(old, _Leaf):
            self._end(old, at_ms)
        members = slices.members(raw)
        for name in before.keys() - members.keys():
            self._end(before[name], at_ms)
        node = _Node(raw)
        for name, value in members.items():
            place = f"{path}/{pointer.escape(name)}"
            now = self._renewed(before.get(name), bytes(value), place, at_ms, snapshot, depth + 1)
            if now is not None:
                node.below[name] = now
        return node

    def _end(self, old: _Node | _Leaf | None, at_ms: int) -> None:
        for leaf in _leaves(old):
            self._leaves -= 1
            self._rows.end(leaf.row, at_ms)


def _leaves(old: _Node | _Leaf | None) -> Iterator[_Leaf]:
    if isinstance(old, _Leaf):
        yield old
    elif old is not None:
        for below in old.below.values():
            yield from _leaves(below)
