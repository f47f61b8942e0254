"""A schema as a list of its places, each behind the one it is in."""

from collections.abc import Iterator

import msgspec

from delta_server.core.schemas.changes import step
from delta_server.core.schemas.presenting import values_of
from delta_server.core.schemas.shape import NULL, NUMERIC, STRING, Shape, type_names
from delta_server.core.schemas.texts import format_name


class SchemaField(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is a field pattern; `is_map` where members' names are data. `minimum` and `maximum` are of numbers; of
    strings `values` are all there were, if these are few, and `examples` the first by the alphabet."""

    path: str
    types: list[str]
    optional: bool
    nullable: bool
    is_map: bool
    format: str | None = None
    values: list[str] | None = None
    examples: list[str] = []
    minimum: int | float | None = None
    maximum: int | float | None = None


def fields(shape: Shape, versions: int) -> Iterator[SchemaField]:
    yield from _fields("", shape, versions, is_optional=False)


def _fields(path: str, shape: Shape, versions: int, *, is_optional: bool) -> Iterator[SchemaField]:
    values = values_of(shape, versions)
    yield SchemaField(
        path=path,
        types=type_names(shape.types & ~NULL),
        optional=is_optional,
        nullable=bool(shape.types & NULL),
        is_map=shape.is_map,
        format=format_name(shape.formats),
        values=None if values is None else list(values),
        examples=list(shape.texts[:3]) if shape.types & STRING and values is None else [],
        minimum=shape.low if shape.types & NUMERIC else None,
        maximum=shape.high if shape.types & NUMERIC else None,
    )
    for name, below in shape.properties.items():
        yield from _fields(step(path, name), below, versions, is_optional=name not in shape.required)
    for of_any in (shape.rest, shape.items):
        if of_any is not None:
            yield from _fields(f"{path}/*", of_any, versions, is_optional=False)
