"""Writes a difference as a list of changes for people: keyed paths, old and new values, text differences."""

from collections.abc import Iterator
from itertools import islice
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core.diff import text_diff
from delta_server.core.diff.diff_settings import Fields
from delta_server.core.diff.key_steps import KeySteps
from delta_server.core.diff.summary import DiffSummary, member_pattern
from delta_server.core.diff.text_diff import TextRun
from delta_server.core.diff.tree import ArrayDiff, Edit, Node, ObjectDiff
from delta_server.core.json import pointer, slices


class Change(msgspec.Struct, frozen=True, gc=False):
    """One edit. Values are as they stand in the documents.

    `path`: the place, array elements by key where they have one (`/Incidents/[UniqueId=abc]/AcresBurned`).
    `before`, `after`: the same place as JSON Pointers into the two documents, absent where it is not in one.
    `key`: the key of the innermost array element the place is in that has one. `text`: runs of a long
    string's words, or characters.
    """

    op: Literal["add", "remove", "replace", "move"]
    path: str
    before: str | UnsetType = UNSET
    after: str | UnsetType = UNSET
    old: msgspec.Raw | UnsetType = UNSET
    new: msgspec.Raw | UnsetType = UNSET
    key: dict[str, msgspec.Raw] | UnsetType = UNSET
    text: list[TextRun] | UnsetType = UNSET


_CHANGES_PER_CHUNK = 256
_encoder = msgspec.json.Encoder()


class _Location(msgspec.Struct, frozen=True, gc=False):
    path: str
    pattern: str
    before: str
    after: str
    key: dict[str, msgspec.Raw] | UnsetType = UNSET


def changes(difference: DiffSummary) -> list[Change]:
    """All edits in the order of the document; in an array removed, added, moved, then changed elements."""
    return list(_all(difference))


def encode(difference: DiffSummary) -> bytes:
    """The changes as a JSON array; many are made one by one, when the one before is written."""
    found = _all(difference)
    first = list(islice(found, _CHANGES_PER_CHUNK))
    if len(first) < _CHANGES_PER_CHUNK:
        return _encoder.encode(first)
    text = bytearray(_encoder.encode(first)[:-1])
    del first
    for change in found:
        text += b","
        _encoder.encode_into(change, text, -1)
    text += b"]"
    return bytes(text)


def encode_first(difference: DiffSummary, *, most: int, size_bytes: int) -> tuple[bytes, bool]:
    """The changes as `encode`, up to the first that is past `most` or with which they are past `size_bytes`; and
    whether these are all."""
    text = bytearray(b"[")
    for count, change in enumerate(_all(difference)):
        written = _encoder.encode(change)
        if count == most or len(text) + bool(count) + len(written) + 1 > size_bytes:
            return bytes(text + b"]"), False
        text += b"," * bool(count) + written
    return bytes(text + b"]"), True


def _all(difference: DiffSummary) -> Iterator[Change]:
    if difference.root is not None:
        yield from _under(difference.root, _Location("", "", "", ""), difference.keys_by_pattern)


def _under(node: Node, at: _Location, keys: dict[str, Fields | None]) -> Iterator[Change]:
    """The changes at and under a place."""
    if isinstance(node, Edit):
        yield _edit(node, at)
        return
    for child, place in _in_members(node, at) if isinstance(node, ObjectDiff) else _in_elements(node, at, keys):
        if isinstance(child, Change):
            yield child
        else:
            yield from _under(child, place, keys)


def _in_members(node: ObjectDiff, at: _Location) -> Iterator[tuple[Node | Change, _Location]]:
    for name, below in node.changed:
        step = "/" + pointer.escape(name)
        pattern = member_pattern(node, at.pattern, name)
        yield below, _Location(at.path + step, pattern, at.before + step, at.after + step, at.key)


def _in_elements(
    node: ArrayDiff, at: _Location, keys: dict[str, Fields | None]
) -> Iterator[tuple[Node | Change, _Location]]:
    fields = keys.get(at.pattern)
    name = KeySteps(node, fields) if fields else None
    for i, edit in node.removed:
        yield edit, _element(at, i, i, bytes(node.before[i]), name)
    for j, edit in node.added:
        assert edit.new is not None
        yield edit, _element(at, j, j, edit.new, name)
    for i, j in node.moved:
        place = _element(at, i, j, bytes(node.before[i]), name)
        yield Change("move", place.path, place.before, place.after, key=place.key), place
    for i, j, below in node.changed:
        yield below, _element(at, i, j, bytes(node.before[i]), name)


def _element(at: _Location, i: int, j: int, raw: bytes, name: KeySteps | None) -> _Location:
    step, key = name.of(raw) if name else (None, {})
    own = key if step else at.key
    return _Location(f"{at.path}/{step or j}", at.pattern + "/*", f"{at.before}/{i}", f"{at.after}/{j}", own)


def _edit(edit: Edit, at: _Location) -> Change:
    if edit.old is None:
        assert edit.new is not None
        return Change("add", at.path, after=at.after, new=msgspec.Raw(edit.new), key=at.key)
    old = msgspec.Raw(edit.old)
    if edit.new is None:
        return Change("remove", at.path, before=at.before, old=old, key=at.key)
    text = _text(edit.old, edit.new)
    return Change("replace", at.path, at.before, at.after, old, msgspec.Raw(edit.new), at.key, text)


def _text(old: bytes, new: bytes) -> list[TextRun] | UnsetType:
    if old[0] != slices.QUOTE or new[0] != slices.QUOTE or max(len(old), len(new)) <= text_diff.LONG:
        return UNSET
    return text_diff.of_slices(old, new)
