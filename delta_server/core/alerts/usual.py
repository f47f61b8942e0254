"""What is usual at an hour of the week: how far from the median of the four weeks before, in deviations.

A deviation is that of core/anomalies/deviations.py: one odd week moves neither it nor the median. It is a twentieth of
the median at least, as four equal weeks would make every other number odd.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from delta_server.core import times
from delta_server.core.anomalies.deviations import middle_and_deviation
from delta_server.core.query.time_buckets import time_zone

WEEKS = 4
WINDOW_MS = WEEKS * 7 * times.DAY_MS
FEWEST = 3
"""Hours that are known: with fewer, nothing is unusual."""
HOUR_MS = 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def usual_range(samples: Sequence[float], deviations: float) -> tuple[float, float] | None:
    """None where too few are known."""
    if len(samples) < FEWEST:
        return None
    middle, deviation = middle_and_deviation(samples)
    return middle - deviations * deviation, middle + deviations * deviation


def widened(range_: tuple[float, float], times_as_wide: float) -> tuple[float, float]:
    """The range of so many times the deviations."""
    middle, half = (range_[0] + range_[1]) / 2, (range_[1] - range_[0]) / 2 * times_as_wide
    return middle - half, middle + half


def usual_ranges(
    hours: Sequence[tuple[int, float | None]], deviations: float, zone: str
) -> list[tuple[float, float] | None]:
    """Of each of some hours, by when they begin, in order. Those before the first in which anything was are unknown."""
    known: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
    found: list[tuple[float, float] | None] = []
    has_begun = False
    for at_ms, value in hours:
        local = (_EPOCH + at_ms * _MILLISECOND).astimezone(time_zone(zone))
        alike = known[local.weekday(), local.hour]
        first_ms = at_ms - WINDOW_MS - HOUR_MS  # the clock may have changed since
        found.append(usual_range([sample for at, sample in alike if at >= first_ms], deviations))
        has_begun = has_begun or bool(value)
        if has_begun and value is not None:
            alike.append((at_ms, value))
    return found
