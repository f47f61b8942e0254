"""Longest increasing and longest common subsequences, bounded in work."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import islice
from operator import lt

Pair = tuple[int, int]

_MATCHES_AN_ELEMENT = 8  # candidate matches allowed per element; more, and repeated values are told apart by count
_MATCHES_ALWAYS = 10_000


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

    Hunt and Szymanski: a longest increasing subsequence of all matches. Where values repeat so much that the matches
    would be too many, the first `x` of `a` only matches the first `x` of `b`, and so on: near the longest, and linear.
    """
    places: defaultdict[Hashable, list[int]] = defaultdict(list)
    for j, value in enumerate(b):
        places[value].append(j)
    matches = sum([len(places[value]) for value in a if value in places])
    if not matches:
        return []
    if matches > _MATCHES_ALWAYS + _MATCHES_AN_ELEMENT * (len(a) + len(b)):
        pairs = paired(a, b)
    else:
        pairs = [(i, j) for i, value in enumerate(a) if value in places for j in reversed(places[value])]
    return [pairs[place] for place in increasing([j for _, j in pairs])]


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
