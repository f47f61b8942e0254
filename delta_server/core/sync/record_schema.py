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
"""Bytes of a record times parts of the schema that take 5 ms at most."""
_QUICK_IN_ALL = 20_000_000
_PATTERN_BYTES = 1 << 20
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
    _count(schema)
    try:
        validator(text)
    except (ValidationError, ReferencingError, ValueError) as error:
        said = error.message if isinstance(error, ValidationError) else str(error)
        raise Invalid(f"it is not a schema of JSON Schema 2020-12: {said[:_LONGEST]}", field="schema") from None
    return text


def is_quick(text: str, sizes: Sequence[int]) -> bool:
    """Whether records of these sizes are checked in a few milliseconds each."""
    nodes = _nodes(text)
    return max(sizes, default=0) * nodes <= _QUICK and sum(sizes) * nodes <= _QUICK_IN_ALL


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
    from jsonschema_rs import Draft202012Validator, RegexOptions

    return Draft202012Validator(
        msgspec.json.decode(text),
        offline=True,
        validate_formats=with_formats,
        pattern_options=RegexOptions(size_limit=_PATTERN_BYTES),
    )


@lru_cache(maxsize=64)
def _nodes(text: str) -> int:
    return _count(msgspec.json.decode(text))


def _count(schema: Mapping[str, Any]) -> int:
    """How many objects and arrays the schema has, written out. Raises Invalid."""
    counts: dict[str, int] = {}
    walking: set[str] = set()

    def of(value: Any) -> int:
        if isinstance(value, list):
            return 1 + _bounded(sum(map(of, value)))
        if not isinstance(value, dict):
            return 0
        for name in _REFUSED:
            if name in value:
                raise Invalid(f"a schema here has no {name}", field="schema")
        return 1 + _bounded(sum(of_reference(each) if name == "$ref" else of(each) for name, each in value.items()))

    def of_reference(target: Any) -> int:
        if not isinstance(target, str):
            return of(target)  # the name of a property
        if target in walking:
            raise Invalid(f"the $ref {target[:_LONGEST]} leads back to where it stands", field="schema")
        if target not in counts:
            if len(walking) >= _MAX_STEPS:
                raise Invalid(f"a $ref leads to another {_MAX_STEPS} times at most", field="schema")
            walking.add(target)
            counts[target] = of(_at(schema, target))
            walking.discard(target)
        return counts[target]

    return of(schema)


def _bounded(count: int) -> int:
    """Raises Invalid."""
    if count > MAX_NODES:
        raise Invalid(f"a schema, with each $ref written out, may have {MAX_NODES} parts", field="schema")
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
