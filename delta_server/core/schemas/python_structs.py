"""A schema as Python: msgspec structs."""

import keyword
import re

from delta_server.core.schemas.presenting import values_of
from delta_server.core.schemas.shape import ARRAY, BOOLEAN, INTEGER, NULL, NUMBER, OBJECT, STRING, Shape
from delta_server.core.schemas.texts import format_name
from delta_server.core.schemas.typescript import quoted

_IMPORTS = """from __future__ import annotations

import datetime
import uuid
from typing import Any, Literal

import msgspec
"""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]+", re.ASCII)
_TYPES = {"date-time": "datetime.datetime", "date": "datetime.date", "uuid": "uuid.UUID"}
_USED = {"Any", "Literal", "datetime", "uuid", "msgspec", "annotations"}
_TAKEN = _USED | {"Array", "Record"}
"""In what is written of a schema, in Python or in TypeScript."""
_LONGEST = 60
_REFUSED = re.compile(r'["\\\x00-\x1f]')


def python_structs(shape: Shape, versions: int, *, name: str) -> str:
    """The struct of the whole document comes last."""
    writer = _Writer(versions)
    is_object = shape.types == OBJECT and bool(shape.properties)
    whole = writer.type_of(shape, name)
    text = "\n\n".join([_IMPORTS, *writer.classes])
    return text if is_object else f"{text}\n\n{name} = {whole}\n"


def class_name(text: str) -> str:
    """Such as `PricesOfDay`."""
    words = [word for word in _NOT_IN_NAMES.sub(" ", text).replace("_", " ").split() if word]
    name = "".join(word[:1].upper() + word[1:] for word in words)[:_LONGEST]
    return name if name[:1].isalpha() and not keyword.iskeyword(name) and name not in _TAKEN else f"Schema{name}"


class _Writer:
    def __init__(self, versions: int) -> None:
        self._versions = versions
        self._names: set[str] = set(_USED)
        self.classes: list[str] = []

    def type_of(self, shape: Shape, name: str) -> str:
        parts = []
        if shape.types & STRING:
            parts.append(self._text(shape))
        if shape.types & NUMBER:
            parts.append("float")
        elif shape.types & INTEGER:
            parts.append("int")
        if shape.types & BOOLEAN:
            parts.append("bool")
        if shape.types & OBJECT:
            parts.append(self._object(shape, name))
        if shape.types & ARRAY:
            parts.append(f"list[{'Any' if shape.items is None else self.type_of(shape.items, name)}]")
        if shape.types & NULL:
            parts.append("None")
        return " | ".join(parts) or "Any"

    def _text(self, shape: Shape) -> str:
        values = values_of(shape, self._versions)
        if values:
            return f"Literal[{', '.join(map(quoted, values))}]"
        return _TYPES.get(format_name(shape.formats) or "", "str") if shape.types & ~NULL == STRING else "str"

    def _object(self, shape: Shape, name: str) -> str:
        if not shape.properties:
            return f"dict[str, {'Any' if shape.rest is None else self.type_of(shape.rest, name)}]"
        chosen = self._unused(name)
        fields, used = [], set[str]()
        for member, below in shape.properties.items():
            if _REFUSED.search(member):
                fields.append(f"    # msgspec has no field of the name {quoted(member)}")
                continue
            field = _field_name(member, used)
            kind = self.type_of(below, f"{chosen}{class_name(member)}"[:_LONGEST])
            fields.append(_line(field, member, kind, is_required=member in shape.required))
        self.classes.append(
            f"class {chosen}(msgspec.Struct, kw_only=True):\n"
            + "\n".join([*(fields if used else [*fields, "    pass"]), ""])
        )
        return chosen

    def _unused(self, name: str) -> str:
        chosen, number = name, 2
        while chosen in self._names:
            chosen, number = f"{name}{number}", number + 1
        self._names.add(chosen)
        return chosen


def _line(field: str, member: str, kind: str, *, is_required: bool) -> str:
    if not is_required:
        kind = f"{kind} | msgspec.UnsetType"
    options = [f"name={quoted(member)}"] if field != member else []
    options += [] if is_required else ["default=msgspec.UNSET"]
    if not options:
        return f"    {field}: {kind}"
    if options == ["default=msgspec.UNSET"]:
        return f"    {field}: {kind} = msgspec.UNSET"
    return f"    {field}: {kind} = msgspec.field({', '.join(options)})"


def _field_name(member: str, used: set[str]) -> str:
    name = _NOT_IN_NAMES.sub("_", member)[:_LONGEST].strip("_")
    if not name[:1].isalpha() or keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in _USED:
        name = f"field_{name}" if not name[:1].isalpha() else f"{name}_"
    chosen, number = name, 2
    while chosen in used:
        chosen, number = f"{name}_{number}", number + 1
    used.add(chosen)
    return chosen
