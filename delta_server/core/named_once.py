"""Objects in which a name stands twice: the last one counts, as for JavaScript and Python; DuckDB takes the first."""

import json
from typing import Any

import msgspec

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


def named_once(body: bytes) -> bytes:
    """A JSON object with every name once, at all levels; the very same bytes when none stands twice."""
    return _written(body) if _may_repeat(body) and _repeats(body) else body


def _may_repeat(body: bytes) -> bool:
    """Half a microsecond: names are counted in the text, and in what is left of them when it is read. A text that has
    spaces before its colons, or in its strings what looks like a name's end, is looked at closely."""
    if any(spaced in body for spaced in (b" :", b"\t:", b"\n:", b"\r:")):
        return True
    names = body.count(b'":')
    try:
        there = len(_members(body))
        return there != names and _count(msgspec.json.decode(body)) != names
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return True


def _count(value: Any) -> int:
    if type(value) is dict:
        inside = [part for part in value.values() if type(part) is dict or type(part) is list]
        return len(value) + (sum(map(_count, inside)) if inside else 0)
    return sum(map(_count, value)) if type(value) is list else 0


def _repeats(body: bytes) -> bool:
    found = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len(pairs) != len(dict(pairs))

    try:
        json.loads(body, object_pairs_hook=look, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return found


def _written(raw: bytes) -> bytes:
    text = raw.strip()
    if text.startswith(b"{"):
        parts = (msgspec.json.encode(name) + b":" + _written(bytes(value)) for name, value in _members(text).items())
        return b"{" + b",".join(parts) + b"}"
    if text.startswith(b"["):
        return b"[" + b",".join(_written(bytes(part)) for part in _elements(text)) + b"]"
    return text
