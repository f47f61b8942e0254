"""What the next number of a series is expected to be, and how far off it may be: the way to expect that was least wrong
so far, and limits that follow from how wrong it was.

There are five ways: as the last one; as the last one and what came between the same hours of the days before; as the
median of the last day; of the same hour of the days before; of the same hour of the week in the weeks before. Each is
known by the distances between what it expected and what came, in the last two weeks. A limit is so many deviations
(deviations.py), and so many times what is reached in the worst twentieth and fiftieth of hours: distances of real
series have heavy tails. It is wider while few are known.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from math import nan

import msgspec

from delta_server.core.anomalies.deviations import LEAST_SHARE, TO_SIGMA

DAY, WEEK = 24, 168
JUDGED_BY = 2 * WEEK
"""Hours whose distances are kept."""
KEPT = JUDGED_BY + 4 * WEEK
"""Hours of a series that are kept: those, and four weeks before the first of them."""
FEWEST = 48
"""Distances of a way that must be known before it is relied on."""
DEVIATIONS = 4.5
TAILS = ((0.95, 2.3), (0.98, 1.3))
_WIDER = 12.0
"""With n distances known a limit is 1 + 12/n times as wide: by a fifth at FEWEST, by a thirtieth at the most."""
_FEWEST_DAYS, _DAYS, _FEWEST_WEEKS, _WEEKS, _FEWEST_HOURS = 4, 14, 3, 4, 6
_NO_LIMIT = 1e-9
COUNT = 5
"""Ways."""


class Expected(msgspec.Struct, frozen=True):
    """`limit` is how far off `middle` is usual still."""

    middle: float
    limit: float

    @property
    def low(self) -> float:
        return self.middle - self.limit

    @property
    def high(self) -> float:
        return self.middle + self.limit

    def deviations(self, value: float) -> float:
        """How far off a number is, DEVIATIONS at the limit; below 0 under the middle."""
        return (value - self.middle) / self.limit * DEVIATIONS


def ways(known: Sequence[float], at: int) -> tuple[float, ...]:
    """What each way expects at a place behind those that are known (nan: not known). nan where too few are."""
    day = [value for place in range(at - 1, max(-1, at - 1 - DAY), -1) if (value := known[place]) == value]
    before = range(at - 1, max(-1, at - 1 - _WEEKS * WEEK), -1)
    last = next((place for place in before if known[place] == known[place]), None)
    days = [back for back in range(DAY, DAY * _DAYS + 1, DAY) if back <= at]
    by_day = [value for back in days if (value := known[at - back]) == value]
    weeks = [back for back in range(WEEK, WEEK * _WEEKS + 1, WEEK) if back <= at]
    by_week = [value for back in weeks if (value := known[at - back]) == value]
    steps = (
        []
        if last is None
        else [step for back in days if back <= last and (step := known[at - back] - known[last - back]) == step]
    )
    return (
        nan if last is None else known[last],
        known[last] + middle(steps) if last is not None and len(steps) >= _FEWEST_DAYS else nan,
        middle(day) if len(day) >= _FEWEST_HOURS else nan,
        middle(by_day) if len(by_day) >= _FEWEST_DAYS else nan,
        middle(by_week) if len(by_week) >= _FEWEST_WEEKS else nan,
    )


def middle(values: Sequence[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


class Distances:
    """Of one way, those of the last JUDGED_BY hours in which it and the number were known."""

    def __init__(self) -> None:
        self._in_order: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, distance: float) -> None:
        """nan is none, and takes an hour too."""
        self._in_order.append(distance)
        if distance == distance:
            insort(self._sorted, distance)
        if len(self._in_order) > JUDGED_BY:
            gone = self._in_order.popleft()
            if gone == gone:
                del self._sorted[bisect_left(self._sorted, gone)]

    def __len__(self) -> int:
        return len(self._sorted)

    def quantile(self, share: float) -> float:
        return self._sorted[int(share * (len(self._sorted) - 1))]

    def wrong(self) -> float:
        """How wrong the way was: half of the time, and in the worst fifth, twentieth and fiftieth of it."""
        ordered, last = self._sorted, len(self._sorted) - 1
        return ordered[last // 2] + ordered[last * 4 // 5] + ordered[last * 19 // 20] + ordered[last * 49 // 50]


def expected(guesses: Sequence[float], distances: Sequence[Distances], *, least: float) -> Expected | None:
    """By the way that was least wrong; None while none is known well enough. `least` is a deviation that there is
    anyway, as of counts."""
    usable = [way for way, guess in enumerate(guesses) if guess == guess and len(distances[way]) >= FEWEST]
    if not usable:
        return None
    way = min(usable, key=lambda each: (distances[each].wrong(), -each))
    guess, past = guesses[way], distances[way]
    deviation = TO_SIGMA * past.quantile(0.5)
    deviation = max(deviation or LEAST_SHARE * abs(guess), least)
    limit = max(DEVIATIONS * deviation, *(times * past.quantile(share) for share, times in TAILS))
    limit *= 1 + _WIDER / len(past)
    return Expected(guess, limit or _NO_LIMIT)


def is_usual_in_the_week(known: Sequence[float], guesses: Sequence[float], number: float, limit: float) -> bool:
    """Whether it is as far off as is usual from what was at this hour of the week, whichever way is the best otherwise:
    the first hours of a weekend surprise others. While three weeks are not known, that is what was a week ago."""
    then = guesses[-1] if guesses[-1] == guesses[-1] else known[-WEEK]
    return abs(number - then) <= limit
