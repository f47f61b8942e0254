"""Takes the ignored places out of a value, so that they are not in operations, counts or comparisons."""

import msgspec

from delta_server.core.diff.diff_settings import Rules
from delta_server.core.diff.tree import MAX_DEPTH
from delta_server.core.json import pieces, slices


def redacted(raw: bytes, rules: Rules | None, depth: int) -> bytes:
    """`raw`, which stands `depth` levels deep, less what `rules` (those at its place) ignore.

    A value with nothing ignored keeps its bytes. Below MAX_DEPTH nothing is taken out. A large one is read in pieces.
    """
    if rules is None or not rules.ignores_below or depth >= MAX_DEPTH:
        return raw
    if raw[0] == slices.OPEN_OBJECT:
        return _object_without(raw, rules, depth + 1)
    if raw[0] == slices.OPEN_ARRAY:
        return _array_without(raw, rules.element(), depth + 1)
    return raw


def _object_without(raw: bytes, rules: Rules, depth: int) -> bytes:
    parts: list[bytes] = []
    changed = False
    for members in pieces.member_runs(raw):
        kept: dict[str, msgspec.Raw] = {}
        for name, member in members.items():
            below = rules.member(name)
            if below is not None and below.ignored:
                changed = True
                continue
            value = bytes(member)
            less = redacted(value, below, depth)
            changed = changed or less is not value
            kept[name] = msgspec.Raw(less)
        if kept:
            parts.append(msgspec.json.encode(kept)[1:-1])
    return b"{%b}" % b",".join(parts) if changed else raw


def _array_without(raw: bytes, rules: Rules | None, depth: int) -> bytes:
    if rules is None:
        return raw
    if rules.ignored:
        return b"[]"
    parts: list[bytes] = []
    changed = False
    for elements in pieces.element_runs(raw):
        if isinstance(elements, bytes):
            parts.append(elements)
            continue
        kept: list[bytes] = []
        for element in elements:
            value = bytes(element)
            less = redacted(value, rules, depth)
            changed = changed or less is not value
            kept.append(less)
        parts.append(b",".join(kept))
    return b"[%b]" % b",".join(parts) if changed else raw
