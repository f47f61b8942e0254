"""The columns of a table, and the type of each, as all records of a history have them.

Members that are objects in all records become columns of their own, `geometry.type`, unless they are too deep or their
names too many, as those of a map are; what is left nested is one column of JSON. Columns come in the order of their
names, so that neither the order of members nor that of versions moves one.
"""

from collections.abc import Mapping, Sequence
from math import isinf
from typing import Any, Literal

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.json import slices

ColumnType = Literal["boolean", "integer", "double", "text", "json"]

MOST_COLUMNS = 1_000
MOST_DEPTH = 4
MOST_NESTED = 64
"""An object with more names is a map."""
VALUE = "value"
"""The column of records that are no objects."""

_MOST_SEEN = 1_000
_LARGEST = (1 << 63) - 1


class Column(msgspec.Struct, frozen=True):
    """`path` are the names of the members that lead to it, none for a record that is no object."""

    name: str
    path: tuple[str, ...]
    type: ColumnType


class _Float:
    """Stands for a number with a fraction or an exponent."""


class _Huge:
    """Stands for one that no double holds."""


_FLOAT, _HUGE = _Float(), _Huge()


def _number(text: str) -> _Float | _Huge:
    return _HUGE if isinf(float(text)) else _FLOAT


_decode = msgspec.json.Decoder(float_hook=_number).decode
_KINDS: dict[type, str] = {
    bool: "boolean", int: "integer", _Float: "double", _Huge: "text", str: "text", dict: "object", list: "json",
}  # fmt: skip

_HELD: dict[ColumnType, set[str]] = {
    "boolean": {"boolean"},
    "integer": {"integer"},
    "double": {"integer", "double"},
    "json": {"json", "object"},
}
"""Which kinds a type holds; a text holds all."""


class _Place:
    """What was found at one place: the kinds of its values, and its members while it may be flattened."""

    __slots__ = ("kinds", "members")

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.members: dict[str, _Place] | None = {}


class Shape:
    """Learns from one record after the other."""

    def __init__(self) -> None:
        self._root = _Place()
        self._open: dict[tuple[Any, ...], list[str]] = {}
        """By names and types of an object's members: those of which these do not say all there is to learn."""

    def learn(self, record: bytes, changed: Mapping[str, msgspec.Raw] | None = None) -> None:
        """`changed`: the members that are other than in an object that was learned before. Raises Invalid where the
        records have too many different members."""
        if changed is not None:
            self._add_members(self._root, {name: _value(bytes(raw)) for name, raw in changed.items()}, 0)
            return
        value = _value(record)
        if type(value) is not dict:
            self._add(self._root, value, 0)
            return
        seen = (*value, *map(type, value.values()))
        names = self._open.get(seen)
        if names is not None and self._root.members is not None:
            for name in names:
                self._add(self._root.members[name], value[name], 1)
            return
        self._add(self._root, value, 0)
        if len(self._open) < _MOST_SEEN:
            self._open[seen] = [name for name, below in value.items() if type(below) in (dict, int)]

    def _add(self, place: _Place, value: Any, depth: int) -> None:
        if value is None:
            return
        kind = _KINDS[type(value)]
        if kind == "integer" and not -_LARGEST <= value <= _LARGEST:
            kind = "text"
        place.kinds.add(kind)
        if kind == "object":
            self._add_members(place, value, depth)

    def _add_members(self, place: _Place, value: Mapping[str, Any], depth: int) -> None:
        if place.members is None:
            return
        for name, below in value.items():
            member = place.members.get(name)
            if member is None:
                member = place.members[name] = _Place()
            self._add(member, below, depth + 1)
        if depth and (depth >= MOST_DEPTH or len(place.members) > MOST_NESTED):
            place.members = None
        elif len(place.members) > MOST_COLUMNS:
            raise Invalid(f"records have more than {MOST_COLUMNS} members: name some with fields", field="fields")

    def columns(self, taken: Sequence[str]) -> list[Column]:
        """In the order of their names, none of which is one of `taken`."""
        found = list(_leaves(self._root, (), is_flat=True))
        if len(found) > MOST_COLUMNS:
            found = list(_leaves(self._root, (), is_flat=False))
        names = _Names(taken)
        return [Column(names.free(".".join(path) if path else VALUE), path, kind) for path, kind in sorted(found)]

    def named(self, fields: Sequence[tuple[str, str]], taken: Sequence[str]) -> list[Column]:
        """The columns of named fields (member, wanted name), in the order given, of records made of just these."""
        members = self._root.members or {}
        names = _Names(taken)
        return [
            Column(names.free(name), (member,), _type(members[member].kinds) if member in members else "text")
            for member, name in fields
        ]


def _value(record: bytes) -> Any:
    try:
        return _decode(record)
    except msgspec.DecodeError:  # a whole number of thousands of digits: all with a fraction are taken for texts too
        return slices.shape(record)


def _leaves(place: _Place, path: tuple[str, ...], *, is_flat: bool) -> list[tuple[tuple[str, ...], ColumnType]]:
    if place.kinds - {"object"} or not place.members or (path and not is_flat):
        return [(path, _type(place.kinds))] if path or place.kinds else []
    return [leaf for name, below in place.members.items() for leaf in _leaves(below, (*path, name), is_flat=is_flat)]


def _type(kinds: set[str]) -> ColumnType:
    """That holds all of them; what was never there is a text."""
    for kind, held in _HELD.items():
        if kinds and kinds <= held:
            return kind
    return "text"


class _Names:
    """Names of columns, which differ whatever the case: some readers know no other difference."""

    def __init__(self, taken: Sequence[str]) -> None:
        self._taken = {name.casefold() for name in taken}

    def free(self, wanted: str) -> str:
        name, number = wanted, 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name.casefold())
        return name
