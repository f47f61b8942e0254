"""The texts of records on pages, of those that were pulled last, joined as pages have them.

A version never changes, nor does its text. Once it is not the newest of its record it never is again, and new versions
have numbers above all others: of the numbers of a stretch some go, but none come.
"""

from array import array
from bisect import bisect_right
from collections.abc import Container, Hashable, Sequence
from itertools import accumulate, compress
from operator import attrgetter, sub
from threading import Lock

import msgspec

from delta_server.features.sync.store import Space

LIMIT_BYTES = 16 << 20
"""Of all of them."""
OVERHEAD_BYTES, OF_EACH_BYTES = 1000, 24
"""What a stretch takes besides its text, and each record in it."""
MOST_JOINED_BYTES = 256 << 10
_NONE: "tuple[tuple[Stretch, ...], int]" = ((), 0)

_until = attrgetter("until")


class Stretch(msgspec.Struct, frozen=True):
    """All newest versions with numbers above `after` and up to `until`, as they were once. `text` is that of their
    records, with commas between; `ends` are where each ends in it, `contents` how many bytes of content there are up to
    then. `deletions` are the numbers of those that are."""

    after: int
    until: int
    numbers: "array[int]"
    ends: "array[int]"
    contents: "array[int]"
    text: bytes
    deletions: frozenset[int] = frozenset()

    @property
    def size_bytes(self) -> int:
        return len(self.text) + OVERHEAD_BYTES + OF_EACH_BYTES * len(self.numbers)

    def first(self, count: int) -> "Stretch":
        """As many of its records."""
        numbers = self.numbers[:count]
        return self.with_only(set(numbers), self.after, numbers[-1] if numbers else self.after)

    def with_only(self, numbers: Container[int], after: int, until: int) -> "Stretch":
        """Of those of its records that have these numbers, which are all that there are from `after` to `until`."""
        is_kept = [number in numbers for number in self.numbers]
        starts = [0, *[end + 1 for end in self.ends[:-1]]]
        places = [slice(*place) for place in compress(zip(starts, self.ends, strict=True), is_kept)]
        sizes = compress(map(sub, self.contents, [0, *self.contents[:-1]]), is_kept)
        kept = [*compress(self.numbers, is_kept)]
        return of_texts(
            after, until, kept, [self.text[place] for place in places], [*sizes], self.deletions.intersection(kept)
        )


def of_texts(
    after: int,
    until: int,
    numbers: Sequence[int],
    texts: Sequence[bytes],
    sizes: Sequence[int],
    deletions: frozenset[int] = frozenset(),
) -> Stretch:
    """`sizes` are those of their contents."""
    ends, end = array("q"), -1
    for text in texts:
        end += 1 + len(text)
        ends.append(end)
    contents = array("q", accumulate(sizes))
    return Stretch(after, until, array("q", numbers), ends, contents, b",".join(texts), deletions)


def joined(stretches: Sequence[Stretch], most: int) -> list[Stretch]:
    """With those that follow each other in one, where it has no more than `most` records."""
    found: list[Stretch] = []
    for stretch in stretches:
        if found and _can_join(found[-1], stretch, most):
            found[-1] = _both(found[-1], stretch)
        else:
            found.append(stretch)
    return found


def _can_join(one: Stretch, next_one: Stretch, most: int) -> bool:
    is_small = len(one.text) + len(next_one.text) <= MOST_JOINED_BYTES
    return one.until == next_one.after and len(one.numbers) + len(next_one.numbers) <= most and is_small


def _both(one: Stretch, next_one: Stretch) -> Stretch:
    if not (one.numbers and next_one.numbers):
        rest = one if one.numbers else next_one
        return msgspec.structs.replace(rest, after=one.after, until=next_one.until)
    behind, size = len(one.text) + 1, one.contents[-1]
    return Stretch(
        one.after,
        next_one.until,
        one.numbers + next_one.numbers,
        one.ends + array("q", [behind + end for end in next_one.ends]),
        one.contents + array("q", [size + content for content in next_one.contents]),
        b"%b,%b" % (one.text, next_one.text),
        one.deletions | next_one.deletions,
    )


def next_behind(stretches: Sequence[Stretch], number: int) -> int:
    """The place of the first that goes on behind a number."""
    return bisect_right(stretches, number, key=_until)


def key(epoch: bytes, space: Space, collection: int) -> Hashable:
    """An id comes again after the last space is deleted, but not with this time."""
    return epoch, space.id, space.created_at, collection


class KnownTexts:
    """Of collections, by what names one: stretches in their order, of which none overlap. Those collections that were
    used longest ago go where it becomes too much. Safe on any thread."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._collections: dict[Hashable, tuple[tuple[Stretch, ...], int]] = {}
        self._lock = Lock()
        self.size_bytes = 0

    def of(self, collection: Hashable) -> tuple[Stretch, ...]:
        with self._lock:
            found, _ = self._collections.get(collection, _NONE)
        return found

    def add(self, collection: Hashable, made: Sequence[Stretch]) -> None:
        """Of stretches that follow each other; they take the place of what was known there."""
        with self._lock:
            known, _ = self._collections.get(collection, _NONE)
            if made:
                before = [stretch for stretch in known if stretch.until <= made[0].after]
                behind = [stretch for stretch in known if stretch.after >= made[-1].until]
                known = (*before, *made, *behind)
            self._keep(collection, known, made)

    def extend(self, collection: Hashable, newest: int, made: Sequence[Stretch], most: int) -> None:
        """By what is behind all that there was: the newest number of the collection before was `newest`. They are
        joined to the last one that is known, where all has no more than `most` records."""
        with self._lock:
            known, _ = self._collections.get(collection, _NONE)
            if known and newest <= known[-1].until <= made[0].after:
                begin = msgspec.structs.replace(made[0], after=known[-1].until)
                made = joined([known[-1], begin, *made[1:]], most)
                known = known[:-1]
            elif known and known[-1].until > made[0].after:  # a pull was faster
                return
            self._keep(collection, (*known, *made), made)

    def _keep(self, collection: Hashable, stretches: tuple[Stretch, ...], made: Sequence[Stretch]) -> None:
        """One that is too large for all of it begins anew."""
        _, size_before = self._collections.pop(collection, _NONE)
        if (size := _size_of(stretches)) > self._limit_bytes:
            stretches, size = tuple(made), _size_of(made)
        self._collections[collection] = stretches, size
        self.size_bytes += size - size_before
        while self.size_bytes > self._limit_bytes:
            _, size = self._collections.pop(next(iter(self._collections)))
            self.size_bytes -= size


def _size_of(stretches: Sequence[Stretch]) -> int:
    return sum([stretch.size_bytes for stretch in stretches])
