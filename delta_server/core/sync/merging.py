"""Two versions of a record, made of the same one before, brought together where they touched different fields.

    merge(base, server, device)   # Merge(data, fields)

What differs is what `core/diff` finds. A field that one side touched is taken from it; one that both made the same is
that; an object that both changed is entered. Everything else is open, at its JSON Pointer, and has the server's value
meanwhile: arrays are not mended element by element, for nobody could tell from the result what was chosen.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from delta_server.core.diff import compare
from delta_server.core.diff.tree import ArrayDiff, Edit, Node, ObjectDiff
from delta_server.core.json import pointer, slices, surrogates
from delta_server.core.json.shapes import slice_of

By: TypeAlias = Literal["server", "device", "both"]
Side: TypeAlias = Literal["server", "device"]
Picks: TypeAlias = Mapping[str, Side]


class Field(msgspec.Struct, frozen=True):
    """A place that `by` touched, with its value in each version; None where it is not there. `is_open`: both touched it
    and not to the same."""

    path: str
    by: By
    base: bytes | None
    server: bytes | None
    device: bytes | None
    is_open: bool = False


class Merge(msgspec.Struct, frozen=True):
    """`data` is JSON; `fields` are all places that were touched, in the order of the server's version first."""

    data: bytes
    fields: Sequence[Field]

    @property
    def open(self) -> list[str]:
        """The places where somebody must choose."""
        return [field.path for field in self.fields if field.is_open]


def merge(base: bytes, server: bytes, device: bytes, picks: Picks | None = None) -> Merge:
    """`picks` says by paths whose value is taken where both touched it."""
    picks = picks or {}
    base, server, device = (surrogates.hide(slices.trimmed(each)) for each in (base, server, device))
    ours, theirs = compare.diff(base, server).root, compare.diff(base, device).root
    found: list[Field] = []
    if ours is None or theirs is None:
        if ours is not None:
            _of_one(ours, "", "server", found)
        if theirs is not None:
            _of_one(theirs, "", "device", found)
        merged: bytes | None = device if ours is None else server
    else:
        merged = _merged(ours, theirs, "", found, picks)
    assert merged is not None, "a document was not removed"
    return Merge(surrogates.restore(merged), [_shown(field) for field in found])


def _shown(field: Field) -> Field:
    base, server, device = (
        value if value is None else surrogates.restore(value) for value in (field.base, field.server, field.device)
    )
    return msgspec.structs.replace(field, base=base, server=server, device=device)


def _of_one(node: Node, path: str, by: Literal["server", "device"], found: list[Field]) -> None:
    """The places inside of what one side changed."""
    if isinstance(node, ObjectDiff):
        for name, below in node.changed:
            _of_one(below, f"{path}/{pointer.escape(name)}", by, found)
        return
    old, new = _before(node), _value(node)
    found.append(Field(path, by, old, new if by == "server" else old, new if by == "device" else old))


def _merged(ours: Node, theirs: Node, path: str, found: list[Field], picks: Picks) -> bytes | None:
    """The value at `path`, None for none; what was touched is appended to `found`."""
    if isinstance(ours, ObjectDiff) and isinstance(theirs, ObjectDiff):
        return _merged_members(ours, theirs, path, found, picks)
    mine, other = _value(ours), _value(theirs)
    is_same = mine is None if other is None else mine is not None and compare.diff(mine, other).root is None
    before = _before(theirs if isinstance(ours, ObjectDiff) else ours)
    found.append(Field(path, "both", before, mine, other, is_open=not is_same))
    return other if not is_same and picks.get(path) == "device" else mine


def _merged_members(ours: ObjectDiff, theirs: ObjectDiff, path: str, found: list[Field], picks: Picks) -> bytes:
    members: dict[str, bytes] = {name: bytes(raw) for name, raw in slices.members(ours.after).items()}
    others = dict(theirs.changed)
    for name, node in ours.changed:
        place = f"{path}/{pointer.escape(name)}"
        if name not in others:
            _of_one(node, place, "server", found)
            continue
        value = _merged(node, others.pop(name), place, found, picks)
        if value is None:
            members.pop(name, None)
        else:
            members[name] = value
    for name, node in others.items():
        _of_one(node, f"{path}/{pointer.escape(name)}", "device", found)
        value = _value(node)
        if value is None:
            members.pop(name, None)
        else:
            members[name] = value
    return b"{%b}" % b",".join(msgspec.json.encode(name) + b":" + raw for name, raw in members.items())


def _before(node: Node) -> bytes | None:
    """What stood where a value or an array was changed."""
    if isinstance(node, Edit):
        return node.old
    assert isinstance(node, ArrayDiff), "objects that both changed are entered"
    return slice_of(node.before)


def _value(node: Node) -> bytes | None:
    if isinstance(node, Edit):
        return node.new
    return slice_of(node.after) if isinstance(node, ArrayDiff) else node.after
