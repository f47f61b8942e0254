"""Applies a JSON Patch (RFC 6902) to a document's bytes: what it does not touch keeps its text.

    patched(document, operations, Budget(bytes))

Values are split where a path leads, one level at a time, and written together at the end. Every value that an operation
writes out or compares costs its bytes of the budget, and each element that an array moves one: a short patch could
copy a document into itself until nothing holds it.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.json import json_text, pointer, slices, surrogates

MAX_OPERATIONS = 1000
_LONGEST = 300

Value: TypeAlias = bytes | dict[str, Any] | list[Any]
"""As it stands in a document, or split: of Values."""


class Operation(msgspec.Struct, frozen=True):
    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: str
    from_path: str | None = msgspec.field(name="from", default=None)
    value: msgspec.Raw = msgspec.Raw(b"")


class Budget:
    """Bytes that may still be handled, by several patches together."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes

    def take(self, size: int) -> None:
        """Raises Invalid."""
        self._left -= size
        if self._left < 0:
            raise Invalid("the patches move too much: send `data` instead, or fewer at once", field="patch")


_decode_operations = msgspec.json.Decoder(list[Operation]).decode


def patched(document: bytes, operations: bytes, budget: Budget) -> bytes:
    """The document after all operations. Raises Invalid for a patch that is none, or does not fit the document."""
    try:
        read = _decode_operations(surrogates.hide(operations))
    except msgspec.DecodeError as error:
        raise Invalid(f"the patch is not a list of JSON Patch operations (RFC 6902): {error}", field="patch") from None
    if len(read) > MAX_OPERATIONS:
        raise Invalid(f"a patch has {MAX_OPERATIONS} operations at most", field="patch")
    budget.take(len(document))
    patch = _Patch(surrogates.hide(slices.trimmed(document)), budget)
    try:
        for number, operation in enumerate(read):
            _apply(patch, number, operation)
        found = surrogates.restore(patch.written(patch.root))
    except RecursionError:
        found = None
    if found is None or json_text.deeper_than(json_text.MAX_DEPTH, found):
        raise Invalid(f"the record would be nested more than {json_text.MAX_DEPTH} levels deep", field="patch")
    return found


def _apply(patch: "_Patch", number: int, operation: Operation) -> None:
    try:
        patch.apply(operation)
    except Invalid as error:
        raise Invalid(f"operation {number} ({operation.op}) fails: {error.message}", field="patch") from None


class _Patch:
    def __init__(self, document: bytes, budget: Budget) -> None:
        self.root: Value = document
        self._budget = budget

    def apply(self, operation: Operation) -> None:
        """Raises Invalid."""
        steps = _steps(operation.path)
        if operation.op == "remove":
            self._remove(steps)
        elif operation.op in ("move", "copy"):
            self._take_along(operation, steps)
        elif operation.op == "add":
            self._add(steps, _value_of(operation))
        elif operation.op == "replace":
            self._replace(steps, _value_of(operation))
        else:
            self._test(steps, _value_of(operation))

    def written(self, value: Value) -> bytes:
        if isinstance(value, bytes):
            found = value
        elif isinstance(value, list):
            found = b"[%b]" % b",".join([self.written(each) for each in value])
        else:
            members = [msgspec.json.encode(name) + b":" + self.written(each) for name, each in value.items()]
            found = b"{%b}" % b",".join(members)
        return found

    def _written(self, value: Value) -> bytes:
        found = self.written(value)
        self._budget.take(len(found))
        return found

    def _take_along(self, operation: Operation, steps: Sequence[str]) -> None:
        if operation.from_path is None:
            raise Invalid("it has no `from`")
        source = _steps(operation.from_path)
        if operation.op == "copy":
            self._add(steps, self._written(self._at(source)))
            return
        if steps[: len(source)] == source:
            if steps == source and self._at(source) is not None:
                return
            raise Invalid("a value cannot be moved into itself")
        value = self._at(source)
        self._remove(source)
        self._add(steps, value)

    def _test(self, steps: Sequence[str], value: bytes) -> None:
        found = self._written(self._at(steps))
        self._budget.take(len(value))
        if slices.canonical(found) != slices.canonical(value):
            raise Invalid("the value there is another one")

    def _at(self, steps: Sequence[str]) -> Value:
        """Raises Invalid where nothing is."""
        if not steps:
            return self.root
        parent = self._container(steps)
        found: Value = parent[_key(parent, steps[-1])]
        return found

    def _container(self, steps: Sequence[str]) -> Any:
        """What has the last step, split."""
        at: Any = self._split(self.root)
        self.root = at
        for step in steps[:-1]:
            key = _key(at, step)
            at[key] = found = self._split(at[key])
            at = found
        return at

    def _split(self, value: Value) -> dict[str, Any] | list[Any]:
        if not isinstance(value, bytes):
            return value
        if value[0] not in (slices.OPEN_OBJECT, slices.OPEN_ARRAY):
            raise Invalid("the path leads into a value that has nothing in it")
        self._budget.take(len(value))
        if value[0] == slices.OPEN_OBJECT:
            return {name: bytes(each) for name, each in slices.members(value).items()}
        return list(map(bytes, slices.elements(value)))

    def _add(self, steps: Sequence[str], value: Value) -> None:
        if not steps:
            self.root = value
            return
        parent = self._container(steps)
        if isinstance(parent, dict):
            parent[steps[-1]] = value
            return
        place = len(parent) if steps[-1] == "-" else _index(steps[-1], len(parent))
        self._budget.take(len(parent) - place)
        parent.insert(place, value)

    def _replace(self, steps: Sequence[str], value: Value) -> None:
        if not steps:
            self.root = value
            return
        parent = self._container(steps)
        parent[_key(parent, steps[-1])] = value

    def _remove(self, steps: Sequence[str]) -> None:
        if not steps:
            raise Invalid("the whole record is removed by the operation `delete` of a change")
        parent = self._container(steps)
        key = _key(parent, steps[-1])
        if isinstance(key, int):
            self._budget.take(len(parent) - key)
        del parent[key]


def _value_of(operation: Operation) -> bytes:
    value = bytes(operation.value)
    if not value:
        raise Invalid("it has no `value`")
    return value


def _steps(path: str) -> list[str]:
    """Raises Invalid."""
    if len(path) > pointer.MAX_PATH_CHARS:
        raise Invalid(f"a path may have at most {pointer.MAX_PATH_CHARS} characters")
    if path and not path.startswith("/"):
        raise Invalid(f"{path[:_LONGEST]!r} is not a JSON Pointer: it begins with /")
    return [pointer.unescape(step, path[:_LONGEST]) for step in path.split("/")[1:]]


def _key(parent: Any, step: str) -> str | int:
    """Where there is something. Raises Invalid."""
    if isinstance(parent, list):
        return _index(step, len(parent) - 1)
    if step not in parent:
        raise Invalid(f"nothing is at {step[:_LONGEST]!r}")
    return step


def _index(step: str, last: int) -> int:
    if not pointer.is_index(step) or int(step) > last:
        raise Invalid(f"{step[:_LONGEST]!r} is no place of the array")
    return int(step)
