"""Longest increasing and longest common subsequences, bounded in work."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from itertools import compress, count, islice
from operator import lt, ne

from delta_server.core.arrays import bit_parallel

Pair = tuple[int, int]

MAX_CELLS = 1 << 27  # of a table for elements that repeat: 16 MB
_MATCHES_AN_ELEMENT = 8  # matches an element that are listed one by one
_MATCHES_ALWAYS = 10_000
_MAX_CUTS = 3


def increasing(values: Sequence[int]) -> list[int]:
    """The places of a longest strictly increasing subsequence, in order. O(n log n)."""
    if all(map(lt, values, islice(values, 1, None))):
        return list(range(len(values)))
    tails: list[int] = []  # smallest last value of a subsequence of each length
    tail_places: list[int] = []
    before: list[int] = []  # for each place, the place before it in its subsequence
    for place, value in enumerate(values):
        length = bisect_left(tails, value)
        before.append(tail_places[length - 1] if length else -1)
        if length == len(tails):
            tails.append(value)
            tail_places.append(place)
        else:
            tails[length], tail_places[length] = value, place
    places = []
    place = tail_places[-1]
    while place >= 0:
        places.append(place)
        place = before[place]
    return places[::-1]


def common(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Pair]:
    """Pairs (place in a, place in b) of a longest common subsequence, both increasing.

    Exact where the matches are few (Hunt and Szymanski: a longest increasing subsequence of all matches) and where the
    table of both has at most MAX_CELLS (core/arrays/bit_parallel.py). Else elements that are unique on both sides cut
    the sequences into pieces, as in a patience diff, and in a piece without them and too large the first `x` of `a`
    only matches the first `x` of `b`, and so on: near the longest, and linear.
    """
    head = _equal_head(a, b)
    tail = min(_equal_head(a[head:][::-1], b[head:][::-1]), min(len(a), len(b)) - head)
    middle = _common(a[head : len(a) - tail], b[head : len(b) - tail], MAX_CELLS, _MAX_CUTS)
    pairs = list(zip(range(head), range(head), strict=True))
    pairs += [(head + i, head + j) for i, j in middle]
    pairs += zip(range(len(a) - tail, len(a)), range(len(b) - tail, len(b)), strict=True)
    return pairs


def _equal_head(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    shorter = min(len(a), len(b))
    return next(compress(count(), map(ne, a, b)), shorter)


def _common(a: Sequence[Hashable], b: Sequence[Hashable], cells: int, cuts: int) -> list[Pair]:
    """As `common`, with tables of `cells` cells in all, and pieces cut into pieces `cuts` times."""
    counts_a, counts_b = Counter(a), Counter(b)
    matches = sum([times * counts_b[value] for value, times in counts_a.items() if value in counts_b])
    if not matches:
        return []
    if matches <= _MATCHES_ALWAYS + _MATCHES_AN_ELEMENT * (len(a) + len(b)):
        return _increasing(_all_matches(a, b))
    if len(a) * len(b) <= cells:
        return bit_parallel.longest_common(a, b)
    unique = {value for value, times in counts_a.items() if times == 1 and counts_b[value] == 1}
    anchors = _increasing(_all_matches([x if x in unique else None for x in a], b)) if unique and cuts else []
    if not anchors:
        return _increasing(paired(a, b))
    pairs: list[Pair] = []
    i = j = 0
    for x, y in [*anchors, (len(a), len(b))]:
        if i < x and j < y:
            inner = _common(a[i:x], b[j:y], cells // len(anchors), cuts - 1)
            pairs += [(i + piece_x, j + piece_y) for piece_x, piece_y in inner]
        pairs.append((x, y))
        i, j = x + 1, y + 1
    return pairs[:-1]


def _all_matches(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Pair]:
    """In the order of `a`; of one element the last place in `b` first, so that an increasing row takes one of them."""
    places: defaultdict[Hashable, list[int]] = defaultdict(list)
    for j in range(len(b) - 1, -1, -1):
        places[b[j]].append(j)
    return [(i, j) for i, value in enumerate(a) if value in places for j in places[value]]


def _increasing(pairs: list[Pair]) -> list[Pair]:
    return [pairs[place] for place in increasing([j for _, j in pairs])] if pairs else []


def paired(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Pair]:
    """Each value's first place in `a` with its first in `b`, second with second ..., ordered by the place in `a`."""
    places: defaultdict[Hashable, list[int]] = defaultdict(list)
    for j in range(len(b) - 1, -1, -1):
        places[b[j]].append(j)
    pairs = []
    for i, value in enumerate(a):
        if waiting := places.get(value):
            pairs.append((i, waiting.pop()))
    return pairs
