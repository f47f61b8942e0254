"""Exact alignments of two sequences by bit-parallel dynamic programming: a row of the table is one Python integer.

A table of n x m cells costs m steps of a few machine operations per 64 elements, and its bits are kept for the way
back, so callers bound n * m. Formulas: Hyyrö, "Bit-parallel LCS-length computation revisited" (2004) and "A bit-vector
algorithm for computing Levenshtein and Damerau edit distances" (2003); the way back as in rapidfuzz.
"""

from collections.abc import Hashable, Sequence


def longest_common(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Pairs of places of a longest common subsequence. One bit a cell."""
    places = _places(a)
    full = (1 << len(a)) - 1
    row, rows = full, [full]  # a bit is 0 where the subsequence grows by that element of `a`
    for value in b:
        matching = row & places.get(value, 0)
        row = ((row + matching) | (row - matching)) & full
        rows.append(row)
    pairs: list[tuple[int, int]] = []
    i, j = len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif rows[j] >> (i - 1) & 1:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def fewest_edits(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Pairs of places of the elements kept by the fewest removals, additions and replacements. Two bits a cell."""
    places = _places(a)
    full = (1 << len(a)) - 1
    up, down = full, 0  # where the distance grows, or falls, by one from an element of `a` to the next
    rows = [(up, down)]
    for value in b:
        reached = places.get(value, 0) | down
        diagonal = ((((reached & up) + up) ^ up) | reached) & full
        across_up = (down | (full & ~(up | diagonal))) << 1 | 1
        across_down = (up & diagonal) << 1
        up = (across_down | ~(diagonal | across_up)) & full
        down = across_up & diagonal & full
        rows.append((up, down))
    pairs: list[tuple[int, int]] = []
    i, j = len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif rows[j][0] >> (i - 1) & 1:
            i -= 1
        else:
            j -= 1
            if not rows[j][1] >> (i - 1) & 1:
                i -= 1
    return pairs[::-1]


def _places(a: Sequence[Hashable]) -> dict[Hashable, int]:
    """Each value's places in `a` as bits."""
    places: dict[Hashable, int] = {}
    for i, value in enumerate(a):
        places[value] = places.get(value, 0) | 1 << i
    return places
