"""Ours and the peer's measured in turn (A B A B), so that a busy moment of the machine falls on both; and sizes, which
a test makes tiny to run every bench.

rounds = in_turn(ours_ms, peer_ms)
yield compared("diff of ca-fires", "ms", rounds, "fast-json-patch", bar=1.0)
"""

import os
from collections.abc import Callable, Sequence
from statistics import median
from typing import TypeVar

from tests.bench.table import Row

TINY = os.environ.get("DELTA_BENCH_TINY") == "1"
ROUNDS = 1 if TINY else 5

T = TypeVar("T")
U = TypeVar("U")


def sized(full: T, tiny: T) -> T:
    """How much a bench measures: `tiny` where a test only sees that it runs."""
    return tiny if TINY else full


def in_turn(ours: Callable[[], T], peer: Callable[[], U], *, rounds: int = ROUNDS) -> list[tuple[T, U]]:
    """What both answer in each round; which goes first alternates, for the second finds warmer caches."""
    measured = []
    for number in range(rounds):
        if number % 2:
            theirs = peer()
            measured.append((ours(), theirs))
        else:
            mine = ours()
            measured.append((mine, peer()))
    return measured


def compared(
    name: str,
    unit: str,
    rounds: Sequence[tuple[float, float]],
    peer_name: str = "",
    *,
    bar: float | None = None,
    at_least: bool = False,
    note: str = "",
) -> Row:
    """The row of such rounds: the medians of both, and the median and the spread of the rounds' ratios."""
    ours, theirs = (median(side) for side in zip(*rounds, strict=True))
    ratios = tuple(mine / other for mine, other in rounds)
    return Row(name, ours, unit, theirs, peer_name, bar=bar, at_least=at_least, note=note, ratios=ratios)
