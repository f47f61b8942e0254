"""Which fields of a source change by themselves: two answers, asked for one right after the other, differ in them.

A field that is another each time (`generated_at`, a request id, a random order) makes a delta of every poll. It is
suggested to be ignored; what appears or disappears between two answers is news, and is not.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from delta_server.core.diff.compare import diff
from delta_server.core.diff.summary import DiffSummary, member_pattern
from delta_server.core.diff.tree import Edit, Node, ObjectDiff
from delta_server.core.expressions import values
from delta_server.core.json import pointer, short_values

MAX_FIELDS = 500
MAX_PATTERNS = 5000
VALUE_BYTES = 200
_AROUND_NAME = 4
"""Its quotes, a colon and a comma."""


class Replaced(msgspec.Struct, frozen=True):
    """What stood in the earlier answer in place of what is at a JSON Pointer of the later one; a long value is cut."""

    path: str
    before: msgspec.Raw


class FieldNoise(msgspec.Struct, frozen=True):
    """`differs` of `of` values at a field pattern, `first` the first of them; `bytes` is about what all and their
    names occupy. `same`: they are several, and equal."""

    pattern: str
    differs: int
    of: int
    bytes: int
    noise: bool
    same: bool
    first: Replaced | None


def fields(first: bytes, second: bytes) -> list[FieldNoise]:
    """The fields of the later answer: those that differ first, and at most MAX_FIELDS. Of objects that are maps the
    members share the step `*`, as in deltas. Raises BadRequest for what is not JSON."""
    difference = diff(first, second)
    maps = {pattern.rpartition("/")[0] for pattern in difference.fields if pattern.endswith("/*")}
    places = _Places(maps)
    places.walk(values.read(second))
    replaced = _first_replaced(difference)
    found = [
        FieldNoise(pattern, differs := difference.replaced_at.get(pattern, 0), at.of, at.size_bytes, differs > 0,
                   at.of > 1 and at.text is not None, replaced.get(pattern))
        for pattern, at in places.found.items()
    ]  # fmt: skip
    return sorted(found, key=lambda field: -field.differs)[:MAX_FIELDS]


def _first_replaced(difference: DiffSummary) -> dict[str, Replaced]:
    """By field pattern, in the order of the document."""
    found: dict[str, Replaced] = {}
    waiting: list[tuple[Node, str, str]] = [] if difference.root is None else [(difference.root, "", "")]
    while waiting:
        node, pattern, path = waiting.pop()
        if isinstance(node, Edit):
            if node.old is not None and node.new is not None and pattern not in found:
                found[pattern] = Replaced(path, msgspec.Raw(short_values.shortened(node.old, VALUE_BYTES)))
        elif isinstance(node, ObjectDiff):
            waiting += [
                (below, member_pattern(node, pattern, name), f"{path}/{pointer.escape(name)}")
                for name, below in reversed(node.changed)
            ]
        else:
            waiting += [(below, f"{pattern}/*", f"{path}/{after}") for _, after, below in reversed(node.changed)]
    return found


class _Values(msgspec.Struct):
    """The values at a pattern: how many, what they occupy, and their text while it is one."""

    of: int
    size_bytes: int
    text: bytes | None


class _Places:
    """How many values each field pattern of a document has, and their bytes. No recursion: documents may be deep."""

    def __init__(self, maps: set[str]) -> None:
        self._maps = maps
        self.found: dict[str, _Values] = {}

    def walk(self, document: Any) -> None:
        waiting = [("", document, 0)]
        while waiting:
            pattern, value, name_bytes = waiting.pop()
            if isinstance(value, dict | list) and value:
                waiting += reversed(list(self._inside(pattern, value)))
            elif (at := self.found.get(pattern)) is not None or len(self.found) < MAX_PATTERNS:
                text = values.write(value)
                if at is None:
                    at = self.found[pattern] = _Values(0, 0, text)
                at.of, at.size_bytes = at.of + 1, at.size_bytes + name_bytes + len(text)
                at.text = text if at.text == text else None

    def _inside(self, pattern: str, value: Any) -> Iterator[tuple[str, Any, int]]:
        if isinstance(value, list):
            yield from ((f"{pattern}/*", element, 1) for element in value)
        else:
            is_map = pattern in self._maps
            for name, member in value.items():
                step = "*" if is_map else pointer.escape(name)
                yield f"{pattern}/{step}", member, len(name.encode()) + _AROUND_NAME
