"""Values and texts cut to a length, for where many are shown and each may be as large as its document.

A cut value is JSON still: a string or number loses its end, an object or array the members or elements that do not fit.
"""

from collections.abc import Iterator

import msgspec

from delta_server.core.json import pieces, slices

MAX_DEPTH = 32
"""Levels that are kept of what is cut."""

_LONGEST_SAFE = 16  # digits
_LARGEST_SAFE = 1 << 53
_FIRST_LARGE, _FIRST_SMALL = 1e16, 1e-4  # where the shortest text of a double may be one with an exponent
_decode = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


def shortened(raw: bytes, limit: int) -> bytes:
    """A slice of about `limit` bytes at most, the slice itself where it is no longer. A number that is cut is a
    string."""
    return raw if len(raw) <= limit else _fitted(raw, limit, 0)


def is_rounded(raw: bytes) -> bool:
    """Whether a reader who takes numbers for doubles, as JavaScript does, would write another text than this one's."""
    if slices.kind(raw) != "number":
        return False
    digits = raw.lstrip(b"-")
    if digits.isdigit():
        return raw == b"-0" or len(digits) > _LONGEST_SAFE or int(digits) > _LARGEST_SAFE
    if b"e" in raw or b"E" in raw or len(raw) > 2 * _LONGEST_SAFE:
        return True
    value = float(raw)  # 1.0 would become 1
    return value.is_integer() or not _FIRST_SMALL <= abs(value) < _FIRST_LARGE or repr(value) != raw.decode()


def _fitted(raw: bytes, room: int, depth: int) -> bytes:
    if len(raw) <= room:
        return raw
    if raw[0] == slices.QUOTE:
        return _encode(_decode(raw)[: max(0, room)])
    if raw[0] == slices.OPEN_ARRAY:
        return b"[%b]" % b",".join(_elements(raw, room, depth + 1))
    if raw[0] == slices.OPEN_OBJECT:
        return b"{%b}" % b",".join(_members(raw, room, depth + 1))
    return _encode(raw[: max(0, room)].decode())


def _elements(raw: bytes, room: int, depth: int) -> Iterator[bytes]:
    for run in pieces.element_runs(raw):
        for element in slices.elements(b"[%b]" % run) if isinstance(run, bytes) else run:
            room -= 2
            if room <= 0 or depth > MAX_DEPTH:
                return
            kept = _fitted(bytes(element), room, depth)
            room -= len(kept)
            yield kept


def _members(raw: bytes, room: int, depth: int) -> Iterator[bytes]:
    for run in pieces.member_runs(raw):
        for name, member in run.items():
            written = _encode(name)
            room -= len(written) + 2
            if room <= 0 or depth > MAX_DEPTH:
                return
            kept = _fitted(bytes(member), room, depth)
            room -= len(kept)
            yield b"%b:%b" % (written, kept)
