"""What identify, group and alias calls say about users and groups, and how traits add up."""

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import msgspec

MOST_TRAITS_BYTES = 64 << 10
MOST_REMOVED_BYTES = 8 << 10
"""Of the names of traits that were taken away, remembered so that a late call does not bring them back."""
EVER = -(2**62)
"""The time of updates from before times were kept."""


class TraitsUpdate(msgspec.Struct, frozen=True, tag="change"):
    """New traits of a user or group, sent at `at` (ms): they replace those of the same name, null takes one away.
    `anonymous`: the user is known by an anonymous id only."""

    kind: Literal["user", "group"]
    name: str
    traits: dict[str, Any]
    at: int
    anonymous: bool = False


class Alias(msgspec.Struct, frozen=True, tag="alias"):
    """`name` is another id of the user `of`: by an alias call, or, `anonymous`, one in an identify call."""

    name: str
    of: str
    at: int
    anonymous: bool = False


ProfileUpdate: TypeAlias = TraitsUpdate | Alias


class Traits(msgspec.Struct, frozen=True):
    """Those set longest ago first. `told_at` is when each was sent (ms), those that were taken away too."""

    values: dict[str, Any]
    told_at: dict[str, int]


def combined(changes: Iterable[TraitsUpdate]) -> Traits:
    """The combined changes of one user or group, in order of arrival."""
    found = Traits({}, {})
    for change in sorted(changes, key=lambda change: change.at):
        values = {name: value for name, value in change.traits.items() if value is not None}
        _add(found, Traits(values, dict.fromkeys(change.traits, change.at)))
    return _bounded(found)


def without_future(traits: Traits, latest: int) -> Traits:
    """As if what was sent after `latest` had been sent first: a clock that was ahead, the server's or a client's, would
    keep out all that is sent until then."""
    if max(traits.told_at.values(), default=EVER) <= latest:
        return traits
    return Traits(traits.values, {name: at if at <= latest else EVER for name, at in traits.told_at.items()})


def merged(before: Traits, change: Traits) -> Traits:
    """Of each trait what was sent later; of the same time, the change's. What is too much for a profile goes, the
    traits set longest ago first."""
    found = Traits(dict(before.values), dict(before.told_at))
    _add(found, change)
    return _bounded(found)


def _add(found: Traits, change: Traits) -> None:
    for name in (*change.told_at, *(name for name in change.values if name not in change.told_at)):
        at = change.told_at.get(name, EVER)
        if at < found.told_at.get(name, EVER):
            continue
        found.values.pop(name, None)  # what is set last stands last
        if name in change.values:
            found.values[name] = change.values[name]
        if name in change.told_at:
            found.told_at.pop(name, None)
            found.told_at[name] = at


def _bounded(traits: Traits) -> Traits:
    excess = len(msgspec.json.encode(traits.values)) - MOST_TRAITS_BYTES
    removed = [name for name in traits.told_at if name not in traits.values]
    left = sum(map(len, removed)) - MOST_REMOVED_BYTES
    if excess <= 0 and left <= 0:
        return traits
    values, told_at = dict(traits.values), dict(traits.told_at)
    for name in sorted(traits.values, key=lambda name: told_at.get(name, EVER)):
        if excess <= 0:
            break
        excess -= len(msgspec.json.encode({name: values.pop(name)}))
        told_at.pop(name, None)
    for name in sorted(removed, key=lambda name: told_at[name]):
        if left <= 0:
            break
        left -= len(name)
        del told_at[name]
    return Traits(values, told_at)
