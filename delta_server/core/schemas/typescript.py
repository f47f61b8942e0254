"""A schema as TypeScript."""

import re
from collections.abc import Iterator

import msgspec

from delta_server.core.schemas.presenting import values_of
from delta_server.core.schemas.shape import ARRAY, BOOLEAN, NULL, NUMERIC, OBJECT, STRING, Shape
from delta_server.core.schemas.texts import format_name

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*", re.ASCII)
_INDENT = "  "


def typescript(shape: Shape, versions: int, *, name: str) -> str:
    return f"export type {name} = {_type(shape, versions, 0)};\n"


def quoted(text: str) -> str:
    """As a string of JSON, which is one of TypeScript and Python too."""
    return msgspec.json.encode(text).decode().replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _type(shape: Shape, versions: int, depth: int) -> str:
    return " | ".join(_parts(shape, versions, depth)) or "unknown"


def _parts(shape: Shape, versions: int, depth: int) -> Iterator[str]:
    if shape.types & STRING:
        values = values_of(shape, versions)
        yield "string" if values is None else " | ".join(map(quoted, values))
    if shape.types & NUMERIC:
        yield "number"
    if shape.types & BOOLEAN:
        yield "boolean"
    if shape.types & OBJECT:
        yield _object(shape, versions, depth)
    if shape.types & ARRAY:
        yield f"Array<{'unknown' if shape.items is None else _type(shape.items, versions, depth)}>"
    if shape.types & NULL:
        yield "null"


def _object(shape: Shape, versions: int, depth: int) -> str:
    if not shape.properties:
        return f"Record<string, {'unknown' if shape.rest is None else _type(shape.rest, versions, depth)}>"
    inner = _INDENT * (depth + 1)
    lines = []
    for name, below in shape.properties.items():
        shown = name if _NAME.fullmatch(name) else quoted(name)
        mark = "" if name in shape.required else "?"
        note = "" if (kind := format_name(below.formats)) is None else f" // {kind}"
        lines.append(f"{inner}{shown}{mark}: {_type(below, versions, depth + 1)};{note}")
    if shape.rest is not None:
        lines.append(f"{inner}[name: string]: unknown;")
    return "{\n" + "\n".join(lines) + f"\n{_INDENT * depth}}}"
