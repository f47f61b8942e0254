"""Which members of two long objects differ, found without all members in memory: of each its name and value are kept
as two hashes of 64 bits."""

import re
from array import array
from collections.abc import Iterator

import msgspec

from delta_server.core.json import slices
from delta_server.core.json.pieces import cuts

Members = dict[str, msgspec.Raw]

_PARTS = 64
_TWO_NOTATIONS = re.compile(rb"^[\[{]|\.[0-9]*0(?![0-9])|[0-9][eE]|^-0$|\\")


def differing_members(old: bytes, new: bytes, most: int) -> Iterator[tuple[Members, Members]]:
    """The members of both objects whose bytes differ, or that one alone has; at most about `most` at once, for each of
    which both objects are read again."""
    before, after = _hashed(old), _hashed(new)
    wanted: set[int] = set()
    for part in range(_PARTS):
        wanted |= _unequal(before[part], after[part])
        before[part] = after[part] = (array("q"), array("q"))
        if len(wanted) >= most or (wanted and part == _PARTS - 1):
            yield _chosen(old, wanted), _chosen(new, wanted)
            wanted = set()


def _hashed(text: bytes) -> "list[tuple[array[int], array[int]]]":
    """The hashes of names and of values, in parts by name."""
    parts = [(array("q"), array("q")) for _ in range(_PARTS)]
    for _, split in cuts(text):
        assert isinstance(split, dict)
        for name, value in zip(map(hash, split), map(_hash, map(bytes, split.values())), strict=True):
            names, values = parts[name % _PARTS]
            names.append(name)
            values.append(value)
    return parts


def _hash(value: bytes) -> int:
    return hash(slices.canonical(value) if _TWO_NOTATIONS.search(value) else value)


def _unequal(before: "tuple[array[int], array[int]]", after: "tuple[array[int], array[int]]") -> set[int]:
    """The names whose values differ; of a name that an object has twice, the last value counts."""
    old, new = (dict(zip(*side, strict=True)) for side in (before, after))
    return {name for name, _ in old.items() ^ new.items()}


def _chosen(text: bytes, names: set[int]) -> Members:
    """The members of these names. Copies: a slice would hold its whole piece."""
    found: Members = {}
    for _, split in cuts(text):
        assert isinstance(split, dict)
        found |= {name: msgspec.Raw(bytes(value)) for name, value in split.items() if hash(name) in names}
    return found
