"""Which fields of a source change by themselves: two answers, asked for one right after the other, differ in them.

A field that is another each time (`generated_at`, a request id, a random order) makes a delta of every poll. It is
suggested to be ignored; what appears or disappears between two answers is news, and is not.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from delta_server.core.diff.compare import diff
from delta_server.core.expressions import values
from delta_server.core.json import pointer

MAX_FIELDS = 500
MAX_PATTERNS = 5000
_AROUND_NAME = 4
"""Its quotes, a colon and a comma."""


class FieldNoise(msgspec.Struct, frozen=True):
    """`differs` of `of` values at a field pattern; `bytes` is about what they and their names occupy."""

    pattern: str
    differs: int
    of: int
    bytes: int
    noise: bool


def fields(first: bytes, second: bytes) -> list[FieldNoise]:
    """The fields of the later answer: those that differ first, and at most MAX_FIELDS. Of objects that are maps the
    members share the step `*`, as in deltas. Raises BadRequest for what is not JSON."""
    difference = diff(first, second)
    maps = {pattern.rpartition("/")[0] for pattern in difference.fields if pattern.endswith("/*")}
    places = _Places(maps)
    places.walk(values.read(second))
    found = [
        FieldNoise(pattern, differs := difference.replaced_at.get(pattern, 0), of, size, differs > 0)
        for pattern, (of, size) in places.found.items()
    ]
    return sorted(found, key=lambda field: -field.differs)[:MAX_FIELDS]


class _Places:
    """How many values each field pattern of a document has, and their bytes. No recursion: documents may be deep."""

    def __init__(self, maps: set[str]) -> None:
        self._maps = maps
        self.found: dict[str, tuple[int, int]] = {}

    def walk(self, document: Any) -> None:
        waiting = [("", document, 0)]
        while waiting:
            pattern, value, name_bytes = waiting.pop()
            if isinstance(value, dict | list) and value:
                waiting += reversed(list(self._inside(pattern, value)))
            elif pattern in self.found or len(self.found) < MAX_PATTERNS:
                of, size = self.found.get(pattern, (0, 0))
                self.found[pattern] = of + 1, size + name_bytes + len(values.write(value))

    def _inside(self, pattern: str, value: Any) -> Iterator[tuple[str, Any, int]]:
        if isinstance(value, list):
            yield from ((f"{pattern}/*", element, 1) for element in value)
        else:
            is_map = pattern in self._maps
            for name, member in value.items():
                step = "*" if is_map else pointer.escape(name)
                yield f"{pattern}/{step}", member, len(name.encode()) + _AROUND_NAME
