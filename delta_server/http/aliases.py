"""camelCase for snake_case: `pageSize` is `page_size`, in query parameters and in management bodies. The event family
has its names in camelCase, and takes them in snake_case too. What several routes call differently has all its names in
each: see SYNONYMS.

Names are changed before anything is decoded, so no struct knows of it. Bodies are split level by level into raw slices
(guided by the struct), which leaves free JSON inside them byte for byte as it came.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from delta_server.core.errors import Invalid

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


def camel(name: str) -> str:
    """`page_size` as `pageSize`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def snake(name: str) -> str:
    """`pageSize` as `page_size`."""
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


SYNONYMS = (
    ("endpoint_id", "endpoint"),
    ("from", "from_time", "start_time"),
    ("to", "to_time", "end_time"),
    ("limit", "page_size"),
)
"""Of each group a route, or a body, has one name, and takes the others for it. Where it has two, they differ."""


def other_names(names: Iterable[str]) -> dict[str, str]:
    """What else each of the names may be called."""
    names = set(names)
    found = {other: name for name in names for other in (camel(name), snake(name)) if other != name}
    for group in SYNONYMS:
        own = [name for name in names if snake(name) in group]
        if len(own) == 1:
            found |= {form: own[0] for other in group for form in (other, camel(other)) if form not in names}
    return found


def snake_body(body: bytes, type_: Any) -> bytes:
    """Valid JSON `body` with the aliases of `type_`'s fields renamed. Raises Invalid if a field came in both forms."""
    return msgspec.json.encode(_renamed(body.strip(), type_info(type_), ""))


@lru_cache(512)
def type_info(type_: Any) -> inspect.Type:
    return inspect.type_info(type_)


def _renamed(raw: bytes, kind: inspect.Type, path: str) -> Any:
    kinds = alternatives(kind)
    if raw.startswith(b"{"):
        for one in kinds:
            if isinstance(one, inspect.StructType):
                return _renamed_struct(raw, one, path)
            if isinstance(one, inspect.DictType):
                return {k: _renamed(bytes(v), one.value_type, f"{path}{k}.") for k, v in _members(raw).items()}
    if raw.startswith(b"["):
        for one in kinds:
            if isinstance(one, inspect.ListType | inspect.VarTupleType):
                return [_renamed(bytes(v), one.item_type, f"{path}{i}.") for i, v in enumerate(_elements(raw))]
    return msgspec.Raw(raw)


def _renamed_struct(raw: bytes, kind: inspect.StructType, path: str) -> dict[str, Any]:
    fields = {field.encode_name: field.type for field in kind.fields}
    names = other_names(fields)
    renamed: dict[str, Any] = {}
    given: dict[str, str] = {}
    for key, value in _members(raw).items():
        name = key if key in fields else names.get(key, key)
        if name in renamed:
            raise Invalid(f"{path}{name} is given twice, as {given[name]} and as {key}", field=path + name)
        given[name] = key
        known = fields.get(name)
        renamed[name] = value if known is None else _renamed(bytes(value), known, f"{path}{name}.")
    return renamed


def alternatives(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    if isinstance(kind, inspect.UnionType):
        return kind.types
    if isinstance(kind, inspect.Metadata):
        return alternatives(kind.type)
    return (kind,)
