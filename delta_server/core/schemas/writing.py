"""A schema as answers show it: a list of its places, as JSON Schema, as types of a language."""

from collections.abc import Mapping
from itertools import islice
from typing import Literal, TypeAlias

import msgspec

from delta_server.core import times
from delta_server.core.schemas import fields, json_schema, python_structs, typescript
from delta_server.core.schemas.fields import SchemaField
from delta_server.core.schemas.presenting import presented
from delta_server.core.schemas.shape import Shape

SchemaFormat: TypeAlias = Literal["fields", "json-schema", "typescript", "python"]
FORMAT = "`fields`: a list of places; `json-schema`: 2020-12; `typescript`, `python`: types, with msgspec"
MEDIA_TYPES = {"json-schema": "application/schema+json", "typescript": "text/plain", "python": "text/plain"}
MOST_FIELDS = 5_000


class ListedField(SchemaField, frozen=True, kw_only=True):
    changed_at: str | None = None


def listed(shape: Shape, count: int, changed: Mapping[str, int]) -> tuple[list[ListedField], bool]:
    """The places of what was learned from `count` documents, and whether these are all. `changed` has when some last
    changed, in ms."""
    found = [
        ListedField(
            **msgspec.structs.asdict(each),
            changed_at=times.format(changed[each.path]) if each.path in changed else None,
        )
        for each in islice(fields.fields(presented(shape), count), MOST_FIELDS + 1)
    ]
    return found[:MOST_FIELDS], len(found) <= MOST_FIELDS


def written(shape: Shape, count: int, format: SchemaFormat, *, title: str) -> bytes:
    """As JSON Schema or as types of a language."""
    shape = presented(shape)
    if format == "json-schema":
        return msgspec.json.encode(json_schema.json_schema(shape, count, title=title))
    name = python_structs.class_name(title)
    if format == "typescript":
        return typescript.typescript(shape, count, name=name).encode()
    return python_structs.python_structs(shape, count, name=name).encode()
