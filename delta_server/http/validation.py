"""msgspec's complaints in words that tell a caller what to send, and where."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import inspect

from delta_server.core.errors import FieldError, Invalid
from delta_server.http.aliases import alternatives, type_info

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
    "bytes": "base64 text",
    "datetime": "a time like 2026-05-01T12:00:00Z",
    "uuid": "a UUID",
}
_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?:key in )?\$?(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_WRONG_KIND = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_RANGE = re.compile(r"Expected `[^`]+` (<=|>=|<|>) (\S+)")
_LENGTH = re.compile(r"Expected `(str|array|object|bytes)` of length (<=|>=|<|>|==) (\d+)")
_BOUNDS = {"<=": "at most", ">=": "at least", "<": "less than", ">": "more than", "==": "exactly"}
_MEASURES = {"str": "character", "array": "element", "object": "field", "bytes": "byte"}
_CHOICE = re.compile(r"Invalid enum value (.*)", re.DOTALL)
_STEP = re.compile(r"\[[^\]]*\]|[^.\[\]]+")
_SHORTEST_HINT = 3


def invalid(error: msgspec.ValidationError, wanted: Any) -> Invalid:
    """An Invalid with the field's path (`diff.array_keys[0]`) and what is wrong with it, `wanted` being the type."""
    match = _AT.match(str(error))
    what, path = (match["what"], (match["path"] or "").lstrip(".")) if match else (str(error), "")
    if unknown := _UNKNOWN.fullmatch(what):
        field, names = _join(path, unknown[1]), _names_at(wanted, path)
        return Invalid(
            f"unknown field {_quoted_field(field)}{did_you_mean(unknown[1], names)}; known here are {', '.join(names)}",
            errors=[FieldError(field, "is not a known field")],
        )
    if missing := _MISSING.fullmatch(what):
        field = _join(path, missing[1])
        return Invalid(f"{_quoted_field(field)} is missing", errors=[FieldError(field, "is missing")])
    reason = (
        choose_message(_choices_at(wanted, path), chosen[1])
        if (chosen := _CHOICE.fullmatch(what))
        else plain_message(what)
    )
    return Invalid(f"{_quoted_field(path) or 'the body'} {reason}", errors=[FieldError(path, reason)])


def plain_message(complaint: str) -> str:
    """`Expected int <= 1000` as `must be at most 1000`; what is not recognised is handed through."""
    if match := _LENGTH.fullmatch(complaint):
        return f"must have {_BOUNDS[match[2]]} {match[3]} {_MEASURES[match[1]]}{'' if match[3] == '1' else 's'}"
    if match := _RANGE.fullmatch(complaint):
        return f"must be {_BOUNDS[match[1]]} {match[2]}"
    if match := _WRONG_KIND.fullmatch(complaint):
        return f"must be {_kinds(match[1])}, not {_kinds(match[2])}"
    if complaint == "Integer value out of range":
        return "is too large a number"
    return complaint[:1].lower() + complaint[1:]


def choose_message(choices: Iterable[str], sent: str) -> str:
    return f"must be {' or '.join(choices)}, not {_quoted_field(sent)}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (endpoint_id?)` for `endpoint`: the known name that begins like one that is not known, if there is one."""
    similar = [other for other in known if len(name) >= _SHORTEST_HINT and (other + "_").startswith(name + "_")]
    return f" ({similar[0]}?)" if similar else ""


def _names_at(wanted: Any, path: str) -> list[str]:
    return [
        field.encode_name for kind in _at(wanted, path) if isinstance(kind, inspect.StructType) for field in kind.fields
    ]


def _choices_at(wanted: Any, path: str) -> list[str]:
    return [str(value) for kind in _at(wanted, path) if isinstance(kind, inspect.LiteralType) for value in kind.values]


def _at(wanted: Any, path: str) -> list[inspect.Type]:
    """The types a value at a path may have."""
    kinds = list(alternatives(type_info(wanted)))
    for step in _STEP.findall(path):
        kinds = [deeper for kind in kinds for below in _below(kind, step) for deeper in alternatives(below)]
    return kinds


def _below(kind: inspect.Type, step: str) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.StructType):
        yield from (field.type for field in kind.fields if field.encode_name == step)
    elif isinstance(kind, inspect.DictType):
        yield kind.value_type
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        yield kind.item_type


def _kinds(kinds: str) -> str:
    return " or ".join(_KINDS.get(kind.strip(), kind.strip()) for kind in kinds.split("|"))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _quoted_field(field: str) -> str:
    return field if len(field) <= 100 else field[:100] + "..."
