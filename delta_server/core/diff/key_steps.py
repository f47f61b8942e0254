"""How the elements of an array are named in the paths of a difference: by their key, where that is their own."""

from collections import Counter
from collections.abc import Hashable

import msgspec

from delta_server.core.diff.diff_settings import Fields
from delta_server.core.diff.tree import ArrayDiff
from delta_server.core.json import columns, pointer


class KeySteps:
    """The steps by key of an array's elements: of those whose key no other element has, in either version."""

    def __init__(self, node: ArrayDiff, fields: Fields) -> None:
        self.fields = fields
        self._paths = pointer.key_paths(fields)
        self._repeated: set[Hashable] = set()
        for elements in (node.before, node.after):
            column = columns.partial(elements, self._paths)
            if len(set(column)) < len(column):
                self._repeated.update(key for key, count in Counter(column).items() if count > 1)

    def of(self, element: bytes) -> tuple[str | None, dict[str, msgspec.Raw]]:
        """Its step, None where it has none of its own, and its key."""
        if self._repeated and columns.partial([msgspec.Raw(element)], self._paths)[0] in self._repeated:
            return None, {}
        values = [pointer.field_of(element, field) for field in self.fields]
        key = {field: msgspec.Raw(value or b"null") for field, value in zip(self.fields, values, strict=True)}
        return pointer.step_of(self.fields, values), key
