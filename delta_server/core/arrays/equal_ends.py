"""Splits two long arrays or objects, and what is the same at their ends only once: for both it is the same elements.

Most of two versions of a large document is the same, and to see that takes a fraction of the time of a split. Like
core/json/pieces.py it goes piece by piece, so that no more is in memory than was requested, and where to cut is a guess
that the decoder proves.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

import msgspec

from delta_server.core.json import pieces, slices
from delta_server.core.json.pieces import Split, Uncertain

Elements = list[msgspec.Raw]
Members = dict[str, msgspec.Raw]


_LONGEST_NAME = 200


class TooMany(Exception):
    """One of them has more elements or members than was asked for."""


class Found(NamedTuple):
    """The elements of two arrays, and where the brackets behind them are."""

    before: Elements
    after: Elements
    last: int
    new_last: int


class _Pair(NamedTuple):
    """Two texts, and where in them the elements of two arrays, or the members of two objects, begin."""

    old: bytes
    new: bytes
    begin: int
    new_begin: int
    is_object: bool

    @property
    def ahead(self) -> int:
        return self.new_begin - self.begin


class _Part(NamedTuple):
    """What is in a part of a text, piece by piece, where each begins, and where the comma or bracket behind is."""

    rows: list[Split]
    begins: list[int]
    last: int


def split(old: bytes, new: bytes, most: int) -> tuple[Elements, Elements] | None:
    """The elements of two arrays; None where the guesses fail. Raises TooMany where either has more than `most`."""
    rows = _split(_Pair(old, new, 1, 1, is_object=False), b"]", most)
    return rows and (_elements(rows[0]), _elements(rows[1]))


def split_members(old: bytes, new: bytes, most: int) -> tuple[Members, Members] | None:
    """As split(), of two objects their members."""
    rows = _split(_Pair(old, new, 1, 1, is_object=True), b"}", most)
    return rows and (_members(rows[0]), _members(rows[1]))


def split_within(old: bytes, new: bytes, begins: tuple[int, int], most: int) -> Found | None:
    """As split(), of arrays within larger texts, whose ends are found with their elements."""
    pair = _Pair(old, new, *begins, is_object=False)
    try:
        head = _head(pair, (len(old), len(new)), most)
        most -= _count(head.rows)
        before = _to_end(old, head.last, most)
        new_last = _probable_end(pair, before.last)
        after = None if new_last is None else _behind(pair, head, before, new_last, most)
        if after is None or new_last is None:
            after, _, new_last = _to_end(new, head.last + pair.ahead, most)
    except (msgspec.DecodeError, Uncertain):
        return None
    return Found(_elements(head.rows + before.rows), _elements(head.rows + after), before.last, new_last)


def _split(pair: _Pair, bracket: bytes, most: int) -> tuple[list[Split], list[Split]] | None:
    last, new_last = pair.old.rindex(bracket), pair.new.rindex(bracket)
    try:
        head = _head(pair, (last, new_last), most)
        most -= _count(head.rows)
        before = _part(pair, pair.old, head.last, last, most)
        after = _behind(pair, head, before, new_last, most)
        if after is None:
            after = _part(pair, pair.new, head.last, new_last, most).rows
    except (msgspec.DecodeError, Uncertain):
        return None
    return head.rows + before.rows, head.rows + after


def _behind(pair: _Pair, head: _Part, before: _Part, new_last: int, most: int) -> list[Split] | None:
    """What is behind the head in the new text, up to the bracket that may be at `new_last`: at the end those of the old
    one that are the same. None where that was wrong. Raises Unsure, TooMany."""
    further = new_last - before.last
    begin = head.last + pair.ahead
    tail = _equal_tail(pair, (before.last, new_last), min(before.last - head.last, new_last - begin) + 1)
    first = bisect_right(before.begins, before.last - tail)
    at = before.begins[first] - 1 if first < len(before.begins) else before.last  # its comma is the same, too
    same = before.rows[first:]
    try:
        return _part(pair, pair.new, begin, at + further, most - _count(same)).rows + same
    except msgspec.DecodeError:
        return None


def _equal_tail(pair: _Pair, lasts: tuple[int, int], most: int) -> int:
    """How many bytes before the brackets are the same, in steps of a piece."""
    view, stretch, tail = memoryview(pair.old), pieces.CHUNK_BYTES, 0
    last, new_last = lasts
    while tail + stretch <= most and pair.new.endswith(view[last - tail - stretch : last - tail], 0, new_last - tail):
        tail += stretch
    return tail


def _probable_end(pair: _Pair, last: int) -> int | None:
    """Where the new array ends, if it is followed by the same name as the old one, or by nothing."""
    old, new = pair.old, pair.new
    colon = old.find(b":", last, last + _LONGEST_NAME)
    near = len(new) - len(old) + last
    at = new.rfind(old[last : colon + 1 or last + _LONGEST_NAME], max(pair.new_begin, near - pieces.CHUNK_BYTES))
    return None if at < 0 else at


def _to_end(text: bytes, begin: int, most: int) -> _Part:
    """The elements of an array up to its bracket. Raises Unsure, DecodeError, TooMany."""
    rows: list[Split] = []
    begins: list[int] = []
    with suppress(msgspec.DecodeError, Uncertain):  # the bracket is near
        while True:
            end, row = _piece(text, begin, len(text), most, is_object=False)
            rows.append(row)
            begins.append(begin)
            most -= len(row)
            begin = end + 1
    rest = b"[%b" % text[begin : begin + 4 * pieces.CHUNK_BYTES]
    inner = rest[1 : pieces.end_of_value(memoryview(rest), 0)].rstrip(slices.WHITESPACE)
    last = begin + len(inner) - 1
    if begin < last:
        rows.append(_piece(text, begin, last, most, is_object=False)[1])
        begins.append(begin)
    return _Part(rows, begins, last)


def _head(pair: _Pair, lasts: tuple[int, int], most: int) -> _Part:
    """The elements before the first piece that differs, of which none is behind `lasts`. Raises Unsure, TooMany,
    DecodeError."""
    begin, view, stretch, ahead = pair.begin, memoryview(pair.old), pieces.CHUNK_BYTES, pair.ahead
    last = min(lasts[0], lasts[1] - ahead)
    rows: list[Split] = []
    while begin + stretch < last and pair.new.startswith(view[begin : begin + stretch], begin + ahead):
        end, row = _piece(pair.old, begin, last, most, is_object=pair.is_object)
        if not pair.new.startswith(view[begin : end + 1], begin + ahead):
            break
        rows.append(row)
        most -= len(row)
        begin = end + 1
    return _Part(rows, [], begin)


def _part(pair: _Pair, text: bytes, begin: int, last: int, most: int) -> _Part:
    """What is in a part of either text. Raises Unsure, DecodeError, TooMany."""
    rows: list[Split] = []
    begins: list[int] = []
    while begin < last:
        end, row = _piece(text, begin, last, most, is_object=pair.is_object)
        rows.append(row)
        begins.append(begin)
        most -= len(row)
        begin = end + 1
    return _Part(rows, begins, last)


def _piece(text: bytes, begin: int, last: int, most: int, *, is_object: bool) -> tuple[int, Split]:
    """Where a piece ends, and what is in it, `most` at most. Raises Unsure, DecodeError, TooMany."""
    end, row = pieces.cut(text, begin, last, is_object=is_object, follow=False)
    if row is None and text.count(b",", begin, end) < most:
        row = slices.elements(b"[%b]" % text[begin:end])
    if row is None or len(row) > most:
        raise TooMany
    return end, row


def _count(rows: Iterable[Split]) -> int:
    return sum(map(len, rows))


def _elements(rows: Sequence[Split]) -> Elements:
    return list(chain.from_iterable(row for row in rows if isinstance(row, list)))


def _members(rows: Sequence[Split]) -> Members:
    found: Members = {}
    for row in rows:
        assert isinstance(row, dict)
        found |= row
    return found
