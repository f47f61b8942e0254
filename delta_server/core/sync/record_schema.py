"""What records of a data type must be, as JSON Schema (2020-12), checked within bounds.

    refusals(schema_text, contents)   # one for each content: why it does not fit, or None

Nothing is fetched: `$ref` leads to places of the schema itself. One that leads back to where it stands is refused, and
so is a schema that is written out, every `$ref` in its place, too large: then each value in a record is looked at by at
most MAX_NODES parts of the schema.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.json import json_text, pointer, surrogates

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

MAX_BYTES = 64 << 10
MAX_NODES = 2_000
_QUICK = 250_000
"""Bytes of a record times the weight of the schema that take 5 ms at most."""
_QUICK_IN_ALL = 20_000_000
_QUICK_WEIGHT = 500
_TINY_BYTES, _TINY_WEIGHT = 2_048, 100
"""What is quick although the schema has patterns."""
_LONG_LIST = 32
_PATTERN_BYTES, _STORED_PATTERN_BYTES = 1 << 18, 1 << 20
"""A pattern as it is run: in a new schema, and in one that was stored when more was allowed."""
_REFUSED = ("$dynamicRef", "$recursiveRef", "$id", "unevaluatedItems", "unevaluatedProperties")
_LONGEST = 300
_MAX_DEPTH = 50
_MAX_STEPS = 20


def check(schema: Mapping[str, Any]) -> str:
    """The schema as text. Raises Invalid."""
    from jsonschema_rs import ReferencingError, ValidationError

    text = msgspec.json.encode(schema).decode()
    if len(text) > MAX_BYTES:
        raise Invalid(f"a schema may have {MAX_BYTES} bytes", field="schema")
    if json_text.deeper_than(_MAX_DEPTH, text.encode()):
        raise Invalid(f"a schema is at most {_MAX_DEPTH} levels deep", field="schema")
    _Counter(schema, 0, MAX_NODES).of(schema)
    try:
        _compiled(text, _PATTERN_BYTES, with_formats=False)
    except (ValidationError, ReferencingError, ValueError) as error:
        said = error.message if isinstance(error, ValidationError) else str(error)
        raise Invalid(f"it is not a schema of JSON Schema 2020-12: {said[:_LONGEST]}", field="schema") from None
    return text


def is_quick(text: str, sizes: Sequence[int]) -> bool:
    """Whether records of these sizes are checked in a few milliseconds each. Patterns and long enumerations hardly
    ever are: they hold the interpreter's lock for as long as they take."""
    parts, most = weight(text), max(sizes, default=0)
    if parts > _QUICK_WEIGHT or most * parts > _QUICK or sum(sizes) * parts > _QUICK_IN_ALL:
        return False
    return not _has_slow_parts(text) or (most <= _TINY_BYTES and parts <= _TINY_WEIGHT)


def refusals(text: str, contents: Sequence[bytes | None]) -> list[str | None]:
    """None for what fits, and for what is not there."""
    judge = validator(text)
    return [None if content is None else _refusal(judge, content) for content in contents]


def _refusal(judge: "Draft202012Validator", content: bytes) -> str | None:
    from jsonschema_rs import ValidationError

    try:
        judge.validate(msgspec.json.decode(surrogates.hide(content)))
    except ValidationError as error:
        place = "".join(f"/{pointer.escape(str(step))}" for step in error.instance_path)
        return f"at {place or 'the top'}: {error.message[:_LONGEST]}"
    except (ValueError, msgspec.DecodeError):
        return "it has a number or a depth that cannot be checked"
    return None


@lru_cache(maxsize=64)
def validator(text: str, *, with_formats: bool = False) -> "Draft202012Validator":
    """Of a schema that was checked."""
    return _compiled(text, _STORED_PATTERN_BYTES, with_formats=with_formats)


def _compiled(text: str, pattern_bytes: int, *, with_formats: bool) -> "Draft202012Validator":
    from jsonschema_rs import Draft202012Validator, RegexOptions

    return Draft202012Validator(
        msgspec.json.decode(text),
        offline=True,
        validate_formats=with_formats,
        pattern_options=RegexOptions(size_limit=pattern_bytes),
    )


@lru_cache(maxsize=64)
def weight(text: str) -> int:
    """Of a schema that was checked: its objects, its arrays and what is in these, written out."""
    schema = msgspec.json.decode(text)
    return weight_of(schema, schema)


def weight_of(part: Any, schema: Mapping[str, Any]) -> int:
    return _Counter(schema, 1, None).of(part)


@lru_cache(maxsize=64)
def _has_slow_parts(text: str) -> bool:
    return _is_slow(msgspec.json.decode(text))


def _is_slow(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) > _LONG_LIST or any(map(_is_slow, value))
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("pattern"), str) or "patternProperties" in value or value.get("format") == "regex":
        return True
    return any(map(_is_slow, value.values()))


class _Counter:
    """How many objects and arrays a schema has, each `$ref` written out; `scalar` is what else counts in arrays."""

    def __init__(self, schema: Mapping[str, Any], scalar: int, most: int | None) -> None:
        self._schema, self._scalar, self._most = schema, scalar, most
        self._counts: dict[str, int] = {}
        self._walking: set[str] = set()

    def of(self, value: Any) -> int:
        """Raises Invalid."""
        if isinstance(value, list):
            return 1 + self._bounded(sum(self.of(each) or self._scalar for each in value))
        if not isinstance(value, dict):
            return 0
        for name in _REFUSED:
            if name in value:
                raise Invalid(f"a schema here has no {name}", field="schema")
        below = (self._of_reference(each) if name == "$ref" else self.of(each) for name, each in value.items())
        return 1 + self._bounded(sum(below))

    def _of_reference(self, target: Any) -> int:
        if not isinstance(target, str):
            return self.of(target)  # the name of a property
        if target in self._walking:
            raise Invalid(f"the $ref {target[:_LONGEST]} leads back to where it stands", field="schema")
        if target not in self._counts:
            if len(self._walking) >= _MAX_STEPS:
                raise Invalid(f"a $ref leads to another {_MAX_STEPS} times at most", field="schema")
            self._walking.add(target)
            self._counts[target] = self.of(_at(self._schema, target))
            self._walking.discard(target)
        return self._counts[target]

    def _bounded(self, count: int) -> int:
        if self._most is not None and count > self._most:
            raise Invalid(f"a schema, with each $ref written out, may have {self._most} parts", field="schema")
        return count


def _at(schema: Mapping[str, Any], reference: str) -> Any:
    """Raises Invalid."""
    found: Any = schema
    if reference == "#":
        return found
    if not reference.startswith("#/") or "%" in reference:
        raise Invalid("a $ref leads to a place in the schema itself, such as #/$defs/text", field="schema")
    for step in reference[2:].split("/"):
        name = pointer.unescape(step)
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and pointer.is_index(name) and int(name) < len(found):
            found = found[int(name)]
        else:
            raise Invalid(f"the $ref {reference[:_LONGEST]} leads nowhere", field="schema")
    return found
