"""Splits two long arrays, and what is the same at their ends only once: for both it is the same elements.

Most of two versions of a large document is the same, and to see that takes a fraction of the time of a split. Like
core/json/pieces.py it goes piece by piece, so that no more is in memory than was asked for, and where to cut is a guess
that the decoder proves.
"""

from contextlib import suppress
from typing import NamedTuple

import msgspec

from delta_server.core.json import pieces, slices
from delta_server.core.json.pieces import Unsure

Elements = list[msgspec.Raw]


class TooMany(Exception):
    """One of the arrays has more elements than was asked for."""


class _Head(NamedTuple):
    elements: Elements
    end: int  # where what follows begins, in both texts


def split(old: bytes, new: bytes, most: int) -> tuple[Elements, Elements] | None:
    """The elements of both; None where the guesses fail. Raises TooMany where either has more than `most`."""
    last = old.rindex(b"]")
    try:
        head = _head(old, new, min(last, new.rindex(b"]")), most)
        for tail_at in {_tail(old, new, head.end, last): True, last: True}:
            with suppress(msgspec.DecodeError):
                return _behind(head, old, new, tail_at, most - len(head.elements))
    except Unsure:
        pass
    return None


def _behind(head: _Head, old: bytes, new: bytes, tail_at: int, most: int) -> tuple[Elements, Elements]:
    """All elements, where those behind the comma at `tail_at` of `old` are the same. Raises Unsure, DecodeError,
    TooMany."""
    last = old.rindex(b"]")
    new_end = tail_at + len(new) - len(old) if tail_at < last else new.rindex(b"]")
    before, after = _row(old, head.end, tail_at, most), _row(new, head.end, new_end, most)
    tail = _row(old, tail_at + 1, last, most - max(len(before), len(after)))
    return [*head.elements, *before, *tail], [*head.elements, *after, *tail]


def _head(old: bytes, new: bytes, last: int, most: int) -> _Head:
    """The elements before the first piece that differs. Raises Unsure, TooMany."""
    begin, view, stretch = 1, memoryview(old), pieces.STRETCH
    found: Elements = []
    while begin + stretch < last and new.startswith(view[begin : begin + stretch], begin):
        end, row = _piece(old, begin, last, most - len(found))
        if not new.startswith(view[begin : end + 1], begin):
            break
        found += row
        begin = end + 1
    return _Head(found, begin)


def _tail(old: bytes, new: bytes, begin: int, last: int) -> int:
    """The comma in `old` behind which both probably have the same elements, at least a piece of them; else `last`."""
    view, tail, stretch = memoryview(old), 0, pieces.STRETCH
    most = min(len(old), len(new)) - begin
    while tail + stretch <= most and new.endswith(
        view[len(old) - tail - stretch : len(old) - tail], 0, len(new) - tail
    ):
        tail += stretch
    for mark in pieces.marks(old, begin):
        if tail and (found := mark.search(old, len(old) - tail, last)):
            return found.end() - 1
    return last


def _row(text: bytes, begin: int, last: int, most: int) -> Elements:
    """The elements in a part of an array. Raises Unsure, DecodeError, TooMany."""
    found: Elements = []
    while begin < last:
        end, row = _piece(text, begin, last, most - len(found))
        found += row
        begin = end + 1
    return found


def _piece(text: bytes, begin: int, last: int, most: int) -> tuple[int, Elements]:
    """Where a piece ends, and its elements, `most` at most. Raises Unsure, DecodeError, TooMany."""
    end, row = pieces.cut(text, begin, last, follow=False)
    if row is None and text.count(b",", begin, end) < most:
        row = slices.elements(b"[%b]" % text[begin:end])
    if row is None or len(row) > most:
        raise TooMany
    assert isinstance(row, list)
    return end, row
