"""Long arrays and objects read a piece at a time, so that their elements need not all be in memory at once.

A split element takes 60 bytes and more, a digit in its document two. So what is long is cut at commas into texts of
STRETCH bytes, each split when it is read: other threads have their turn in between.

Where to cut is guessed from how the elements look, and the decoder proves it: a text between two commas is a valid row
of elements only if neither comma stands within a string or a nested value. Where the guesses fail the text is followed
value by value.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from operator import itemgetter
from typing import overload

import msgspec

from delta_server.core.json import slices

LARGE_BYTES = 1 << 19
"""Bytes from which on a value may hold so many elements or members that they are read in pieces."""

CHUNK_BYTES = 1 << 16

MAX_AT_ONCE = 1 << 24
"""Bytes up to which a value may be split at once, for which other threads wait."""

SPLIT = 84  # bytes for an element that is split at once

Piece = tuple[int, int]  # where in the text it begins and ends
Split = list[msgspec.Raw] | dict[str, msgspec.Raw]

_COLONS = 3  # for each member there may be: one that is split at once takes 220 bytes, one that is compared 900
_TRIES = 4
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[{][^\[\]{}"]*+[\]}]|[\[\]{},]', re.DOTALL)
_NESTED = re.compile(rb'["\[{]')
_CONTENT = re.compile(rb"[^ \t\r\n]")
# What stands between two elements that look like the one before: its last byte is the comma.
_MARKS = {
    first: re.compile(re.escape(last) + rb"[ \t\r\n]*,") for first, last in ((b"{", b"}"), (b"[", b"]"), (b'"', b'"'))
}
_FIRST_NAME = re.compile(rb'[ \t\r\n]*(\{[ \t\r\n]*"[^"\\]{0,100}")')
_FIRST_VALUE = re.compile(rb'[ \t\r\n]*"[^"\\]{0,200}"[ \t\r\n]*:[ \t\r\n]*(\{[ \t\r\n]*"[^"\\]{0,100}"|\[)')
_BEFORE_NAME = re.compile(rb',(?=[ \t\r\n]*")')
_COMMA = re.compile(b",")
_A_COMMA = ord(",")
_TRAILING = re.compile(r"trailing characters \(byte ([0-9]+)\)$")
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode


class Uncertain(Exception):
    """Where a piece ends is not found by a guess."""


def cuts(text: bytes) -> Iterator[tuple[Piece, Split | None]]:
    """The pieces of an array or object with what is in them, None of plain numbers, booleans and nulls; of an empty
    one there are none."""
    begin, last = 1, text.rindex(b"]" if text[0] == slices.OPEN_ARRAY else b"}")
    if not _CONTENT.search(text, begin, last):
        return
    is_object = text[0] == slices.OPEN_OBJECT
    while begin < last:
        end, split = cut(text, begin, last, is_object=is_object)
        yield (begin, end), split
        begin = end + 1


def element_runs(text: bytes) -> Iterator[list[msgspec.Raw] | bytes]:
    """The elements of an array, those of a large one piece by piece: the text of plain ones."""
    if len(text) < LARGE_BYTES:
        yield slices.elements(text)
        return
    for (begin, end), split in cuts(text):
        assert not isinstance(split, dict)
        yield text[begin:end] if split is None else split


def member_runs(text: bytes) -> Iterator[dict[str, msgspec.Raw]]:
    """The members of an object, those of a large one piece by piece: a name may come again, and the last counts."""
    if len(text) < LARGE_BYTES:
        yield slices.members(text)
        return
    for _, split in cuts(text):
        assert isinstance(split, dict)
        yield split


def fit_at_once(old: bytes, new: bytes, room: int) -> bool:
    """Whether what is in either can be split at once, even if each of its commas parts two elements. In what is equal
    at both ends they are counted once."""
    if max(len(old), len(new)) > MAX_AT_ONCE:
        return False
    limit = room // SPLIT
    if len(old) + len(new) <= 2 * limit:  # none has fewer than two bytes, with its comma
        return True
    commas = old.count(b",")
    if commas >= limit:
        return False
    head, tail = equal_ends(old, new)
    return commas + new.count(b",", head, len(new) - tail) < limit


def equal_ends(old: bytes, new: bytes) -> tuple[int, int]:
    """How many bytes are the same at the head and, of the others, at the tail."""
    view, shorter = memoryview(old), min(len(old), len(new))
    head = tail = 0
    step = CHUNK_BYTES
    while step:
        while head + step <= shorter and new.startswith(view[head : head + step], head):
            head += step
        step //= 2
    step = CHUNK_BYTES
    while step:
        end = len(old) - tail
        while tail + step <= shorter - head and new.endswith(view[end - step : end], 0, len(new) - tail):
            tail += step
            end -= step
        step //= 2
    return head, tail


def elements(text: bytes, most: int, *, at_once: bool) -> "list[msgspec.Raw] | LazyElements":
    """The elements of an array; those of a large one in pieces where they are more than `most`."""
    if len(text) < LARGE_BYTES:
        return slices.elements(text)
    if at_once:
        found = slices.elements(text)
        if len(found) <= most:
            return found
        del found
        return LazyElements(text)
    found = []
    for (begin, end), split in cuts(text):
        if split is None and len(found) + text.count(b",", begin, end) < most:
            split = slices.elements(b"[%b]" % text[begin:end])
        if split is None or len(found) + len(split) > most:
            del found, split
            return LazyElements(text)
        assert isinstance(split, list)
        found += split
    return found


def members(text: bytes, most: int, *, at_once: bool) -> dict[str, msgspec.Raw] | None:
    """The members of an object; None where they are more than `most`."""
    if len(text) < LARGE_BYTES:
        return slices.members(text)
    found: dict[str, msgspec.Raw] = {}
    if at_once and text.count(b":") <= _COLONS * most:
        found = slices.members(text)
        return found if len(found) <= most else None
    for split in member_runs(text):
        found |= split
        if len(found) > most:
            return None
    return found


def cut(text: bytes, begin: int, last: int, *, is_object: bool, follow: bool = True) -> tuple[int, Split | None]:
    """Where a piece that begins at `begin` ends, and what is in it, None of plain values. Raises Unsure where no guess
    finds its end and the text is not to be followed, DecodeError where `last` is not the end of a value."""
    target = begin + CHUNK_BYTES
    if target >= last:
        return last, None if _is_plain(text, begin, last) else _split(text, begin, last, is_object=is_object)
    for mark in marks(text, begin, is_object=is_object):
        at = target
        for _ in range(_TRIES):
            found = mark.search(text, at, min(last, target + 2 * CHUNK_BYTES))
            if found is None:
                break
            end = found.end() - 1
            if mark is _COMMA and _is_plain(text, begin, end):
                return end, None
            try:
                return end, _split(text, begin, end, is_object=is_object)
            except msgspec.DecodeError:
                at = end + 1
    if last - target < CHUNK_BYTES:
        with suppress(msgspec.DecodeError):
            return last, _split(text, begin, last, is_object=is_object)
    if not follow:
        raise Uncertain
    end = _followed(text, begin, last)
    return end, _split(text, begin, end, is_object=is_object)


def marks(text: bytes, begin: int, *, is_object: bool) -> Iterator[re.Pattern[bytes]]:
    """How the end of an element or member may look: objects mostly begin with the same name, others than those in
    them."""
    if is_object:
        if first := _FIRST_VALUE.match(text, begin):
            yield _before_member(first[1])
        yield _BEFORE_NAME
        return
    if first := _FIRST_NAME.match(text, begin):
        yield _before(first[1])
    found = _CONTENT.search(text, begin)
    assert found is not None
    yield _MARKS.get(found[0], _COMMA)


@lru_cache(maxsize=64)
def _before(first: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"\}[ \t\r\n]*,(?=[ \t\r\n]*" + re.escape(first) + b")")


@lru_cache(maxsize=64)
def _before_member(first: bytes) -> re.Pattern[bytes]:
    last = rb"\}" if first[:1] == b"{" else rb"\]"
    return re.compile(last + rb'[ \t\r\n]*,(?=[ \t\r\n]*"[^"\\]{0,200}"[ \t\r\n]*:[ \t\r\n]*' + re.escape(first) + b")")


def end_of_value(view: memoryview, start: int) -> int:
    """Where what follows a value begins: the decoder skips it and tells where it went on, ten times as fast as
    to follow it. Raises DecodeError where it does not end."""
    try:
        _decode_raw(view[start:])
    except msgspec.DecodeError as error:
        found = _TRAILING.search(str(error))
        if found is None:
            raise
        return start + int(found[1]) - 1
    return len(view)


def _is_plain(text: bytes, begin: int, end: int) -> bool:
    """Whether there are only numbers, booleans and nulls."""
    return _NESTED.search(text, begin, end) is None


def _followed(text: bytes, begin: int, last: int) -> int:
    """The first comma behind STRETCH bytes that stands in no string and no nested value, else the end."""
    at, target, view = begin, begin + CHUNK_BYTES, memoryview(text)[:last]
    while at < last:
        for token in _TOKEN.finditer(text, at, last):
            start = at = token.start()
            if token.end() > start + 1:
                continue
            if text[start] in b"[{":
                at = end_of_value(view, start)
                break
            if text[start] == _A_COMMA and start >= target:
                return start
        else:
            break
    return last


def _split(text: bytes, begin: int, end: int, *, is_object: bool) -> Split:
    inner = text[begin:end]
    return slices.members(b"{%b}" % inner) if is_object else slices.elements(b"[%b]" % inner)


class LazyElements(Sequence[msgspec.Raw]):
    """The elements of a long array, of which one piece is in memory at a time: to be read in order."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._pieces: list[Piece] = []
        self._first: list[int] = []  # the number of each piece's first element
        self._length = 0
        for piece, split in cuts(text):
            self._pieces.append(piece)
            self._first.append(self._length)
            self._length += text.count(b",", *piece) + 1 if split is None else len(split)
        self._read: tuple[int, list[bytes]] = (-1, [])

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, place: int) -> msgspec.Raw: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[msgspec.Raw]: ...
    def __getitem__(self, place: int | slice) -> msgspec.Raw | Sequence[msgspec.Raw]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(self._length))]
        number = bisect_right(self._first, place) - 1
        return msgspec.Raw(self._values(number)[place - self._first[number]])

    def within(self, head: int, tail: int) -> tuple[int, int]:
        """How many elements stand in whole pieces of the first `head` bytes, with the comma behind, and of the last
        `tail` bytes, with the comma before."""
        first = [*self._first, self._length]
        behind = bisect_left(self._pieces, head, key=itemgetter(1))
        tail_at = bisect_right(self._pieces, len(self.text) - tail, key=itemgetter(0))
        return first[behind], self._length - first[max(behind, tail_at)]

    def between(self, begin: int, end: int) -> Iterator[list[bytes]]:
        """The elements from `begin` to `end`, piece by piece."""
        number = bisect_right(self._first, begin) - 1
        while begin < end:
            first = self._first[number]
            found = self._values(number)[begin - first : end - first]
            yield found
            begin, number = begin + len(found), number + 1

    def _values(self, number: int) -> list[bytes]:
        if self._read[0] != number:
            begin, end = self._pieces[number]
            inner = self.text[begin:end]
            if _is_plain(inner, 0, len(inner)):
                found = inner.translate(None, slices.WHITESPACE).split(b",")
            else:
                found = list(map(bytes, slices.elements(b"[%b]" % inner)))
            self._read = number, found
        return self._read[1]
