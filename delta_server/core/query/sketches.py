"""Estimates of percentiles and of distinct counts that can be merged in any order: plain numbers in, plain numbers out.

A histogram counts values >= 0 in buckets whose borders grow by the factor GAMMA: whatever value of a bucket was meant,
the bucket's own is within RELATIVE_ERROR of it (C. Masson, J. E. Rim, H. K. Lee, DDSketch, 2019). Values up to TINY,
and what is negative, are counted as 0.

A set is a HyperLogLog of REGISTERS registers: 64 bits of a text's MD5 choose a register by the lowest 12 and a rank by
the place of the lowest one among the others; a register keeps the largest rank. A `code` is both, register << 6 | rank.
Sketches are lists of codes in any order, several of one register being as good as the largest of them.
The estimator has no bias at any size: O. Ertl, New cardinality estimation algorithms for HyperLogLog sketches, 2017.

storage/events/rollups/sketches.py has the same formulas in SQL.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping

RELATIVE_ERROR = 0.01
GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
TINY = 1e-6
SHIFT = math.floor(-math.log(TINY) / math.log(GAMMA)) + 1
"""Added to the exponents, so that the bucket of the least value above TINY is 1 and 0 is that of nothing."""
MOST_BUCKET = math.floor(709 / math.log(GAMMA)) + SHIFT
"""For all above 1e307, too: of a larger bucket no value is known."""

PRECISION = 12
REGISTERS = 1 << PRECISION
STANDARD_ERROR = 1.04 / math.sqrt(REGISTERS)
RANK_BITS = 6
ALPHA = 1 / (2 * math.log(2))
SIGMA_TERMS = 18
"""Of the sum for empty registers: when only one of 4,096 is filled, the 19th is below 1e-22."""


def bucket(value: float) -> int:
    if value <= TINY:
        return 0
    return min(max(0, math.ceil(math.log(value) / math.log(GAMMA)) + SHIFT), MOST_BUCKET)


def value(bucket: int) -> float:
    """In the middle of what the bucket counts, by ratio."""
    return 0.0 if bucket == 0 else 2 * math.exp((bucket - SHIFT) * math.log(GAMMA)) / (GAMMA + 1)


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """The value that `share` of all are below, between the two nearest where it falls between; None of nothing."""
    total = sum(counts.values())
    if not total:
        return None
    place = share * (total - 1)
    low, high = _nth(counts, math.floor(place)), _nth(counts, math.ceil(place))
    return low + (high - low) * (place - math.floor(place))


def _nth(counts: Mapping[int, int], number: int) -> float:
    """The value number `number` from 0 in ascending order."""
    for each in sorted(counts):
        number -= counts[each]
        if number < 0:
            return value(each)
    raise IndexError(number)


def code(text: str) -> int:
    return code_of(int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[8:], "little"))


def code_of(number: int) -> int:
    """The code of 64 random bits."""
    rest = number >> PRECISION
    rank = (rest ^ (rest - 1)).bit_count() if rest else 64 - PRECISION + 1
    return (number & (REGISTERS - 1)) << RANK_BITS | rank


def merged(codes: Iterable[int]) -> set[int]:
    """One code a register."""
    largest: dict[int, int] = {}
    for each in codes:
        register = each >> RANK_BITS
        largest[register] = max(largest.get(register, 0), each)
    return set(largest.values())


def distinct(codes: Iterable[int]) -> float:
    """How many different texts the codes are of."""
    ranks = [each & ((1 << RANK_BITS) - 1) for each in merged(codes)]
    if not ranks:
        return 0.0
    return ALPHA * REGISTERS**2 / (REGISTERS * sigma(1 - len(ranks) / REGISTERS) + sum(0.5**rank for rank in ranks))


def sigma(empty: float) -> float:
    """What registers that are empty add, when they are this share of all (below 1)."""
    return empty + sum(empty ** (1 << n) * (1 << (n - 1)) for n in range(1, SIGMA_TERMS + 1))
