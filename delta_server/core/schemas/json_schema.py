"""A schema as JSON Schema 2020-12."""

from typing import Any

from delta_server.core.schemas.presenting import values_of
from delta_server.core.schemas.shape import ARRAY, NULL, NUMERIC, OBJECT, STRING, Shape, type_names
from delta_server.core.schemas.texts import format_name

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(shape: Shape, versions: int, *, title: str | None = None) -> dict[str, Any]:
    """With what was seen of values: ranges, enumerations and examples."""
    head = {"$schema": DIALECT} | ({} if title is None else {"title": title})
    return head | _written(shape, versions, is_strict=False)


def frozen(shape: Shape) -> dict[str, Any]:
    """To judge documents that are still to come: types, members and formats; ranges and values may go on, and so
    may members, but for those of maps."""
    return {"$schema": DIALECT} | _written(shape, 0, is_strict=True)


def _written(shape: Shape, versions: int, *, is_strict: bool) -> dict[str, Any]:
    written: dict[str, Any] = {}
    names = type_names(shape.types)
    if names:
        written["type"] = names[0] if len(names) == 1 else names
    if shape.types & STRING:
        written |= _of_strings(shape, versions, is_strict=is_strict)
    if shape.types & NUMERIC and not is_strict:
        written |= {"minimum": shape.low} if shape.low is not None else {}
        written |= {"maximum": shape.high} if shape.high is not None else {}
    if shape.types & OBJECT:
        written |= _of_members(shape, versions, is_strict=is_strict)
    if shape.types & ARRAY and shape.items is not None:
        written["items"] = _written(shape.items, versions, is_strict=is_strict)
    return written


def _of_strings(shape: Shape, versions: int, *, is_strict: bool) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if name := format_name(shape.formats):
        written["format"] = name
    if is_strict:
        return written
    values = values_of(shape, versions)
    if values is not None and not shape.types & ~(STRING | NULL):
        written["enum"] = [*values, None] if shape.types & NULL else list(values)
    elif shape.texts:
        written["examples"] = list(shape.texts[:3])
    return written


def _of_members(shape: Shape, versions: int, *, is_strict: bool) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if shape.properties:
        written["properties"] = {
            name: _written(below, versions, is_strict=is_strict) for name, below in shape.properties.items()
        }
    if shape.required:
        written["required"] = list(shape.required)
    if shape.rest is not None and (shape.is_map or not is_strict):
        written["additionalProperties"] = _written(shape.rest, versions, is_strict=is_strict)
    return written
