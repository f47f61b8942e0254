"""Two versions of a record, made of the same one before, brought together where they touched different fields.

    merge(base, server, device)   # Merge(data, open)

What differs is what `core/diff` finds. A field that one side touched is taken from it; one that both made the same is
that; an object that both changed is entered. Everything else is open, at its JSON Pointer, and has the server's value
meanwhile: arrays are not mended element by element, for nobody could tell from the result what was chosen.
"""

from collections.abc import Sequence

import msgspec

from delta_server.core.diff import compare
from delta_server.core.diff.tree import ArrayDiff, Edit, Node, ObjectDiff
from delta_server.core.json import pointer, slices, surrogates
from delta_server.core.json.shapes import slice_of


class Merge(msgspec.Struct, frozen=True):
    """`data` is JSON; `open` are the places where somebody must choose."""

    data: bytes
    open: Sequence[str]


def merge(base: bytes, server: bytes, device: bytes) -> Merge:
    base, server, device = (surrogates.hide(slices.trimmed(each)) for each in (base, server, device))
    ours, theirs = compare.diff(base, server).root, compare.diff(base, device).root
    if theirs is None:
        return Merge(surrogates.restore(server), [])
    if ours is None:
        return Merge(surrogates.restore(device), [])
    found: list[str] = []
    merged = _merged(ours, theirs, "", found)
    assert merged is not None, "a document was not removed"
    return Merge(surrogates.restore(merged), found)


def _merged(ours: Node, theirs: Node, path: str, found: list[str]) -> bytes | None:
    """The value at `path`, None for none; open places are appended to `found`."""
    if isinstance(ours, ObjectDiff) and isinstance(theirs, ObjectDiff):
        return _merged_members(ours, theirs, path, found)
    mine, other = _value(ours), _value(theirs)
    if mine is None and other is None:
        return None
    if mine is None or other is None or compare.diff(mine, other).root is not None:
        found.append(path)
    return mine


def _merged_members(ours: ObjectDiff, theirs: ObjectDiff, path: str, found: list[str]) -> bytes:
    members: dict[str, bytes] = {name: bytes(raw) for name, raw in slices.members(ours.after).items()}
    touched = dict(ours.changed)
    for name, node in theirs.changed:
        mine = touched.get(name)
        value = _value(node) if mine is None else _merged(mine, node, f"{path}/{pointer.escape(name)}", found)
        if value is None:
            members.pop(name, None)
        else:
            members[name] = value
    return b"{%b}" % b",".join(msgspec.json.encode(name) + b":" + raw for name, raw in members.items())


def _value(node: Node) -> bytes | None:
    if isinstance(node, Edit):
        return node.new
    return slice_of(node.after) if isinstance(node, ArrayDiff) else node.after
