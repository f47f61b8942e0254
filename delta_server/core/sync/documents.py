"""Records as clients that exist know them: objects with their id as a member, and as a version to be compared.

A record that is no object stands in `value`, an encrypted one, in base64, in `encrypted`.
"""

from base64 import b64encode
from collections.abc import Mapping

import msgspec

from delta_server.core.json import slices, surrogates
from delta_server.core.sync.judging import DELETED, ENCRYPTED

Members = dict[str, msgspec.Raw]


class Stored(msgspec.Struct, frozen=True):
    """The newest version of a record. That of a purged deletion is its number alone."""

    seq: int
    kind: int
    content: bytes | None = None

    @property
    def is_deleted(self) -> bool:
        return self.kind == DELETED


def size_of(stored: Mapping[str, Stored]) -> int:
    """The bytes of their contents."""
    return sum(len(each.content or b"") for each in stored.values())


def text(value: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def members_of(kind: int, content: bytes, id_name: str, record_id: str) -> Members:
    """Of a living record; halves of surrogate pairs are hidden in them, see `of_members`."""
    if kind == ENCRYPTED:
        return {id_name: text(record_id), "encrypted": text(b64encode(content).decode())}
    document = slices.trimmed(surrogates.hide(content))
    if slices.kind(document) != "object":
        return {id_name: text(record_id), "value": msgspec.Raw(document)}
    return {**slices.members(document), id_name: text(record_id)}


def of_members(members: Members) -> bytes:
    """The object, each value with the text that it had."""
    return surrogates.restore(msgspec.json.encode(members))


def same(one: Members, other: Members) -> bool:
    """Whether a client whose numbers are doubles could tell them apart. Order and spelling do not matter."""
    if one.keys() != other.keys():
        return False
    return all(
        bytes(value) == bytes(other[name]) or slices.as_doubles(bytes(value)) == slices.as_doubles(bytes(other[name]))
        for name, value in one.items()
    )
