"""msgspec's complaints in words that tell a caller what to send, and where."""

import re

import msgspec

from delta_server.core.errors import FieldError, Invalid

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
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
_MEASURES = {"str": "characters long", "array": "elements long", "object": "fields long", "bytes": "bytes long"}


def invalid(error: msgspec.ValidationError) -> Invalid:
    """An Invalid with the field's path (`diff.array_keys[0]`) and what is wrong with it."""
    match = _AT.match(str(error))
    what, path = (match["what"], (match["path"] or "").lstrip(".")) if match else (str(error), "")
    if unknown := _UNKNOWN.fullmatch(what):
        field = _join(path, unknown[1])
        return Invalid(f"unknown field {_shown(field)}", errors=[FieldError(field, "is not a known field")])
    if missing := _MISSING.fullmatch(what):
        field = _join(path, missing[1])
        return Invalid(f"{_shown(field)} is missing", errors=[FieldError(field, "is missing")])
    reason = human(what)
    return Invalid(f"{_shown(path) or 'the body'} {reason}", errors=[FieldError(path, reason)])


def human(complaint: str) -> str:
    """`Expected int <= 1000` as `must be at most 1000`; what is not recognised is handed through."""
    if match := _LENGTH.fullmatch(complaint):
        return f"must be {_BOUNDS[match[2]]} {match[3]} {_MEASURES[match[1]]}"
    if match := _RANGE.fullmatch(complaint):
        return f"must be {_BOUNDS[match[1]]} {match[2]}"
    if match := _WRONG_KIND.fullmatch(complaint):
        return f"must be {_kinds(match[1])}, not {_kinds(match[2])}"
    if complaint == "Integer value out of range":
        return "is too large a number"
    return complaint[:1].lower() + complaint[1:]


def _kinds(kinds: str) -> str:
    return " or ".join(_KINDS.get(kind.strip(), kind.strip()) for kind in kinds.split("|"))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(field: str) -> str:
    return field if len(field) <= 100 else field[:100] + "..."
