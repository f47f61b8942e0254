"""What identify, group and alias calls tell about users and groups, and how traits add up."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

MOST_TRAITS_BYTES = 64 << 10


class ProfileChange(msgspec.Struct, frozen=True):
    """New traits of a user or group, told at `at` (ms): they replace those of the same name, null takes one away."""

    kind: Literal["user", "group"]
    name: str
    traits: dict[str, Any]
    at: int


class Alias(msgspec.Struct, frozen=True):
    """`name` is another id of the user `of`: by an alias call, or an anonymous id in an identify call."""

    name: str
    of: str
    at: int


Told: TypeAlias = ProfileChange | Alias


def merged(traits: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The traits after a change. Beyond MOST_TRAITS_BYTES as JSON the ones set longest ago go first."""
    found = {name: value for name, value in traits.items() if name not in change}
    found.update((name, value) for name, value in change.items() if value is not None)
    sizes = {name: len(msgspec.json.encode({name: value})) for name, value in found.items()}
    excess = sum(sizes.values()) - MOST_TRAITS_BYTES
    for name, size in sizes.items():
        if excess <= 0:
            break
        del found[name]
        excess -= size
    return found
