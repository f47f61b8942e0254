"""Documents against a JSON Schema: every place that does not fit, or the first where there may be very many."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from delta_server.core.errors import BadRequest
from delta_server.core.json import json_text, pointer, slices, surrogates
from delta_server.core.sync import record_schema

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

MOST_MISFITS = 50
_LONGEST = 300
_MOST_POSSIBLE = 20_000
"""Misfits of which all are looked for: the library holds all there are, each with a copy of its value."""
_COPIED_BYTES = 1_000
"""Of a value, that weigh as much as one misfit."""
_BELOW = frozenset(("properties", "items", "additionalProperties", "$schema"))
_LARGEST = sys.float_info.max


class Misfit(msgspec.Struct, frozen=True):
    """`path` is a JSON Pointer."""

    path: str
    reason: str


def misfits_of(text: str, documents: Sequence[bytes]) -> list[list[Misfit]]:
    """The first MOST_MISFITS of each. One that is not JSON has none: it is refused elsewhere."""
    validator = record_schema.validator(text, with_formats=True)
    found: list[list[Misfit]] = []
    for document in documents:
        try:
            json_text.check_document(document)
            found.append(_misfits(validator, text, _decoded(surrogates.hide(document))))
        except BadRequest:
            found.append([])
        except (ValueError, msgspec.DecodeError):
            found.append([Misfit("", "it has a number or a depth that cannot be checked")])
    return found


def _misfits(validator: "Draft202012Validator", text: str, value: Any) -> list[Misfit]:
    from jsonschema_rs import ValidationError

    if validator.is_valid(value):
        return []
    if _Possible(msgspec.json.decode(text)).of_whole(value) <= _MOST_POSSIBLE:
        return [_misfit(error) for error in list(validator.iter_errors(value))[:MOST_MISFITS]]
    try:
        validator.validate(value)
    except ValidationError as error:
        return [_misfit(error)]
    return []


class _Possible:
    """How many misfits there may be, roughly."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._own: dict[int, tuple[int, bool]] = {}

    def of_whole(self, value: Any) -> int:
        return self._of(self._schema, value)

    def _of(self, schema: Any, value: Any) -> int:
        if not isinstance(schema, dict):
            return 1
        own, is_deep = self._own.get(id(schema)) or self._weigh(schema)
        size = len(msgspec.json.encode(value)) if isinstance(value, dict | list | str) else 0
        found = own * (1 + (size if is_deep else size // _COPIED_BYTES))
        if found > _MOST_POSSIBLE:
            return found
        pairs: list[tuple[Any, Any]] = []
        if isinstance(value, list):
            pairs = [(schema.get("items"), each) for each in value]
        elif isinstance(value, dict):
            properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
            pairs = [(properties.get(name, rest), each) for name, each in value.items()]
        for below, each in pairs:
            if below is not None:
                found += self._of(below, each)
            if found > _MOST_POSSIBLE:
                break
        return found

    def _weigh(self, schema: Mapping[str, Any]) -> tuple[int, bool]:
        """What it asks of the value itself, and whether parts of that are schemas again."""
        own = {name: each for name, each in schema.items() if name not in _BELOW and not name.startswith("$defs")}
        is_deep = any(name == "$ref" or isinstance(each, dict) or _has_schemas(each) for name, each in own.items())
        found = self._own[id(schema)] = record_schema.weight_of(own, self._schema), is_deep
        return found


def _has_schemas(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict | list) for each in value)


def _decoded(document: bytes) -> Any:
    """Numbers beyond what the library knows as the largest it does."""
    try:
        return _decode(document)
    except (ValueError, msgspec.DecodeError):
        return _decode(slices.with_exponents(document))


def _near(number: str) -> float:
    return max(-_LARGEST, min(_LARGEST, float(number)))


_decode = msgspec.json.Decoder(float_hook=_near).decode


def _misfit(error: Exception) -> Misfit:
    steps: Sequence[str | int] = getattr(error, "instance_path", ())
    message = str(getattr(error, "message", error))
    return Misfit("".join(f"/{pointer.escape(str(step))}" for step in steps), message[:_LONGEST])
