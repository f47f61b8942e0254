"""Takes the ignored places out of a value, so that they are not in operations, counts or comparisons."""

import msgspec

from delta_server.core import slices
from delta_server.core.diff_settings import Rules
from delta_server.core.edits import MAX_DEPTH


def without(raw: bytes, rules: Rules | None, depth: int) -> bytes:
    """`raw`, which stands `depth` levels deep, less what `rules` (those at its place) ignore.

    A value with nothing ignored keeps its bytes. Below MAX_DEPTH nothing is taken out.
    """
    if rules is None or not rules.ignores_below or depth >= MAX_DEPTH:
        return raw
    if raw[0] == slices.OPEN_OBJECT:
        return _object_without(raw, rules, depth + 1)
    if raw[0] == slices.OPEN_ARRAY:
        return _array_without(raw, rules.element(), depth + 1)
    return raw


def _object_without(raw: bytes, rules: Rules, depth: int) -> bytes:
    kept: dict[str, msgspec.Raw] = {}
    changed = False
    for name, member in slices.members(raw).items():
        below = rules.member(name)
        if below is not None and below.ignored:
            changed = True
            continue
        value = bytes(member)
        less = without(value, below, depth)
        changed = changed or less is not value
        kept[name] = msgspec.Raw(less)
    return msgspec.json.encode(kept) if changed else raw


def _array_without(raw: bytes, rules: Rules | None, depth: int) -> bytes:
    if rules is None:
        return raw
    if rules.ignored:
        return b"[]"
    kept: list[bytes] = []
    changed = False
    for element in slices.elements(raw):
        value = bytes(element)
        less = without(value, rules, depth)
        changed = changed or less is not value
        kept.append(less)
    return b"[" + b",".join(kept) + b"]" if changed else raw
