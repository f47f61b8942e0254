"""Who a record is: an element of an array, by the values of its key, in all versions alike.

A place in a document is a record and the path inside it, as /b/c in the record /a/[id=7]; the document itself is the
record ROOT. Records are distinguished by 64 bits, which nested ones take over from those around them.
"""

from collections.abc import Hashable, Iterator, Sequence
from itertools import chain, product

import msgspec
import xxhash

from delta_server.core.diff.diff_settings import Fields
from delta_server.core.json import columns, pointer, slices
from delta_server.core.json.pointer import KeyStep, Step

ROOT = bytes(8)
SIZE = len(ROOT)
MOST_TARGETS = 64

_encode = msgspec.msgpack.Encoder().encode


class Point(msgspec.Struct, frozen=True):
    """A step of a target: the path inside a record where it ends, or where the array is of which it enters an element
    by the key `fields`."""

    record: bytes
    place: str
    fields: Fields | None = None


class Target(msgspec.Struct, frozen=True):
    """A place of a document, from ROOT to where it ends. `is_plain`: whoever bears the keys is who the path means."""

    points: tuple[Point, ...]
    is_plain: bool = True


def key_text(value: Hashable) -> str:
    """A key's value as text, the same for a number and the string that writes it."""
    if isinstance(value, bytes):
        return value.decode()
    return slices.canonical_number(str(value).encode()).decode() if isinstance(value, int) else str(value)


def texts_of(key: Hashable) -> tuple[str, ...]:
    return tuple(map(key_text, key)) if isinstance(key, tuple) else (key_text(key),)


def element(above: bytes, place: str, fields: Fields, texts: Sequence[str]) -> bytes:
    """The record that stands in the array at `place` of the record `above`."""
    parts = [place, *chain.from_iterable(sorted(zip(fields, texts, strict=True)))]
    return xxhash.xxh3_64_digest(above + _encode(parts))


def in_order(fields: Fields) -> Fields:
    return tuple(sorted(fields))


def targets(steps: Sequence[Step]) -> list[Target] | None:
    """The places a path may mean, as what reads like a step by key may be a member; None for too many."""
    found: list[Target] = []
    waiting = [_PartialTarget((), ROOT, "", True, tuple(steps))]
    while waiting:
        way = waiting.pop()
        if not way.left:
            found.append(Target((*way.points, Point(way.record, way.place)), way.is_plain))
        else:
            waiting += _next_targets(way)
        if len(waiting) + len(found) > MOST_TARGETS:
            return None
    return found


class _PartialTarget(msgspec.Struct, frozen=True):
    points: tuple[Point, ...]
    record: bytes
    place: str
    is_plain: bool
    left: tuple[Step, ...]


def _next_targets(way: _PartialTarget) -> Iterator[_PartialTarget]:
    """One step further, in each way the step may be meant."""
    step, *left = way.left
    if isinstance(step, KeyStep):
        enters = (*way.points, Point(way.record, way.place, in_order(step.fields)))
        meant = [_key_texts(value, quoted) for value, quoted in zip(step.values, step.quoted, strict=True)]
        is_plain = way.is_plain and not any(map(_is_typed, step.values, step.quoted))
        for texts in product(*meant):
            yield _PartialTarget(enters, element(way.record, way.place, step.fields, texts), "", is_plain, tuple(left))
        members = pointer.as_members(step)
        if members is None:
            return
        step, *left = members
    yield _PartialTarget(way.points, way.record, f"{way.place}/{pointer.escape(str(step))}", way.is_plain, tuple(left))


def _is_typed(value: str, quoted: bool) -> bool:
    """Whether not all keys that read like the value are meant: a string only, or the number 7.0 but not "7"."""
    return pointer.is_scalar(value) and (quoted or _key_texts(value, quoted) != {value})


def _key_texts(value: str, quoted: bool) -> set[str]:
    """The texts of the keys a value in a step may mean: 7.0 is the number 7 or the string "7.0"."""
    if quoted or not pointer.is_scalar(value) or value in ("true", "false", "null"):
        return {value}
    return {value, slices.canonical_number(value.encode()).decode()}


def reached(document: bytes, steps: Sequence[Step]) -> Target:
    """The place that steps lead to in a document in which there is something."""
    points: tuple[Point, ...] = ()
    record, place = ROOT, ""
    for step, name, below in pointer.walk(document, steps):
        if name is not None or isinstance(step, str):
            place += "/" + pointer.escape(name if name is not None else str(step))
            continue
        assert below is not None, "there is something at the steps"
        points = (*points, Point(record, place, in_order(step.fields)))
        values = [columns.key_value(pointer.field_of(below, field) or b"null") for field in step.fields]
        record, place = element(record, place, step.fields, list(map(key_text, values))), ""
    return Target((*points, Point(record, place)))
