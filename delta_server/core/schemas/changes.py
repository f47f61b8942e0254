"""What became of a schema, as those who read documents see it: breaking is what they may have relied on.

A schema only widens, so a member that is no longer there is one that is `optional` now.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from delta_server.core.json import pointer
from delta_server.core.schemas.shape import NULL, Shape, type_names
from delta_server.core.schemas.texts import format_name

Level: TypeAlias = Literal["compatible", "breaking"]
What: TypeAlias = Literal["added", "optional", "nullable", "types", "format", "map"]
MOST_LISTED = 200


class SchemaChange(msgspec.Struct, frozen=True):
    """`path` is a field pattern. `now` are types, or the format, None where strings have none in common any more."""

    path: str
    what: What
    level: Level
    now: str | None = None


def between(before: Shape, after: Shape) -> list[SchemaChange]:
    return list(_changes("", before, after))


def level_of(changes: Sequence[SchemaChange]) -> Level:
    return "breaking" if any(change.level == "breaking" for change in changes) else "compatible"


def step(path: str, name: str) -> str:
    return f"{path}/{pointer.escape(name)}"


def _changes(path: str, before: Shape, after: Shape) -> Iterator[SchemaChange]:
    new = after.types & ~before.types
    if new & NULL:
        yield SchemaChange(path, "nullable", "breaking")
    if set(type_names(after.types & ~NULL)) != set(type_names(before.types & ~NULL)):
        yield SchemaChange(path, "types", "breaking", ", ".join(type_names(after.types)))
    had, has = format_name(before.formats), format_name(after.formats)
    if had is not None and had != has:
        yield SchemaChange(path, "format", "breaking", has)
    if after.is_map and not before.is_map:
        yield SchemaChange(path, "map", "breaking")
    else:
        yield from _of_members(path, before, after)
    for old, now in ((before.rest, after.rest), (before.items, after.items)):
        if now is not None and old is not None:
            yield from _changes(f"{path}/*", old, now)
        elif now is not None:
            yield SchemaChange(f"{path}/*", "added", "compatible", ", ".join(type_names(now.types)))


def _of_members(path: str, before: Shape, after: Shape) -> Iterator[SchemaChange]:
    optional = set(before.required) - set(after.required)
    for name, now in after.properties.items():
        place = step(path, name)
        if name in optional:
            yield SchemaChange(place, "optional", "breaking")
        if (old := before.properties.get(name)) is not None:
            yield from _changes(place, old, now)
        else:
            yield SchemaChange(place, "added", "compatible", ", ".join(type_names(now.types)))
