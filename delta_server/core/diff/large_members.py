"""Splits two large objects that have few and large members, as most long lists of an API come: `{"count":2,"data":[]}`.

Both are followed member by member. A value is skipped to find where it ends, in the new object only where the texts are
not the same at both ends; of a large array that differs the elements are found on the way (core/arrays/equal_ends.py).
"""

import re
from typing import NamedTuple

import msgspec

from delta_server.core.arrays import equal_ends
from delta_server.core.json import pieces, slices
from delta_server.core.json.shapes import Value

FEW, MOST, LARGE_MEMBER = 32, 256, 1 << 13
"""So many members, or if large ones follow the second number, and one more for so many bytes, are followed one by one,
which takes 2 us each: where there are more it is faster to split them all at once."""

_KEY = re.compile(rb'[ \t\r\n]*("(?:[^"\\]++|\\.)*+")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_CHUNK = 4096
_decode_name = msgspec.json.Decoder(str).decode

Members = dict[str, Value]


class _Many(Exception):
    """The members are too many to be followed."""


class _Key(NamedTuple):
    name: str
    value: int  # where it begins


def split(old: bytes, new: bytes, *, most_elements: int) -> tuple[Members, Members] | None:
    """The members of both; None where they are many. Those that are large arrays and differ may come as lists, if these
    have no more than `most_elements` together."""
    pair = _Pair(old, new, most_elements)
    try:
        pair.follow()
    except _Many:
        return None
    return pair.before.members, pair.after.members


class _Object:
    """An object that is being read: its members so far, and where the next one begins."""

    def __init__(self, text: bytes) -> None:
        self.text, self.view = text, memoryview(text)
        self.at = 1
        self.members: Members = {}
        self._count = 0

    def key(self) -> _Key | None:
        """The name of the next member; None at the end."""
        found = _KEY.match(self.text, self.at)
        return found and _Key(_decode_name(found[1]), found.end())

    def end_of(self, key: _Key) -> int:
        """Where the comma or bracket behind its value is."""
        return pieces.end_of_value(self.view, key.value)

    def is_large_array(self, key: _Key) -> bool:
        if self.text[key.value] != slices.OPEN_ARRAY:
            return False
        try:
            pieces.end_of_value(self.view[: key.value + pieces.LARGE_BYTES], key.value)
        except msgspec.DecodeError:
            return True
        return False

    def slice(self, key: _Key, end: int) -> msgspec.Raw:
        return msgspec.Raw(self.view[key.value : _without_space(self.text, end)])

    def add(self, key: _Key, value: Value, end: int) -> None:
        self.members[key.name] = value
        self.at = end + 1
        self._count += 1
        few = FEW + end // LARGE_MEMBER
        if (self._count == few + 1 and self._small_ones_follow()) or self._count > few + MOST:
            raise _Many

    def _small_ones_follow(self) -> bool:
        """Whether the next piece has only members that are smaller than it, as far as is guessed."""
        try:
            pieces.cut(self.text, self.at, len(self.text), is_object=True, follow=False)
        except (pieces.Uncertain, msgspec.DecodeError):
            return False
        return True

    def follow(self) -> None:
        """What is left."""
        while key := self.key():
            end = self.end_of(key)
            self.add(key, self.slice(key, end), end)


class _Pair:
    def __init__(self, old: bytes, new: bytes, most_elements: int) -> None:
        self.before, self.after = _Object(old), _Object(new)
        self._further = len(new) - len(old)
        self._head, self._tail = pieces.equal_ends(old, new)
        self._most_elements = most_elements

    def follow(self) -> None:
        """Both side by side as long as their names are the same, then each by itself."""
        before, after = self.before, self.after
        while (one := before.key()) and (other := after.key()) and one.name == other.name:
            if not self._added_arrays(one, other):
                self._add(one, other)
        before.follow()
        after.follow()

    def _add(self, one: _Key, other: _Key) -> None:
        before, after = self.before, self.after
        end = before.end_of(one)
        value = before.slice(one, end)
        if before.at == after.at and end < self._head:
            after.add(other, value, end)
        elif self._in_tail():
            after.add(other, value, end + self._further)
        else:
            new_end = after.end_of(other)
            after.add(other, after.slice(other, new_end), new_end)
        before.add(one, value, end)

    def _in_tail(self) -> bool:
        """Whether from here on both texts are the same."""
        at, text = self.after.at, self.after.text
        return at - self.before.at == self._further and at >= len(text) - self._tail

    def _added_arrays(self, one: _Key, other: _Key) -> bool:
        """Whether the values were large arrays that could be split together."""
        before, after = self.before, self.after
        if self._most_elements <= 0 or after.text[other.value] != slices.OPEN_ARRAY or self._in_tail():
            return False
        if not before.is_large_array(one):
            return False
        begins = one.value + 1, other.value + 1
        try:
            found = equal_ends.split_within(before.text, after.text, begins, self._most_elements)
        except equal_ends.TooMany:
            return False
        if found is None:
            return False
        self._most_elements -= max(len(found.before), len(found.after))
        before.add(one, found.before, _behind(before.text, found.last))
        after.add(other, found.after, _behind(after.text, found.new_last))
        return True


def _behind(text: bytes, last: int) -> int:
    """Where the comma or bracket behind an array is that ends at `last`."""
    end = last + 1
    while text[end] in slices.WHITESPACE:
        end += 1
    return end


def _without_space(text: bytes, end: int) -> int:
    """Where what ends before `end` does so without whitespace."""
    while text[end - 1] in slices.WHITESPACE:
        begin = max(0, end - _CHUNK)
        end = begin + len(text[begin:end].rstrip(slices.WHITESPACE))
    return end
