"""Values at the moments of a chart: of counts by bucket, and of values that hold until the next."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from math import gcd

from delta_server.core.errors import Invalid
from delta_server.core.times import DAY_MS

MINUTE_MS = 60_000
MOST_POINTS = 11_000
"""As Prometheus has it."""
Labels = tuple[tuple[str, str], ...]
"""(name, value) in order of names."""
Samples = list[tuple[int, float]]


def moments(start_ms: int, end_ms: int, step_ms: int) -> range:
    """Raises Invalid."""
    if step_ms < 1000:
        raise Invalid("step has a second at least", field="step")
    if end_ms < start_ms:
        raise Invalid("end lies before start", field="end")
    if (end_ms - start_ms) // step_ms >= MOST_POINTS:
        raise Invalid(f"that is more than {MOST_POINTS} points: use a longer step", field="step")
    return range(start_ms, end_ms + 1, step_ms)


def minute_of(moment: int) -> int:
    """Where the minute begins that a moment lies in: up to there is counted."""
    return moment - moment % MINUTE_MS


def whole_minutes(range_ms: int) -> int:
    """The length that is counted for a range."""
    return -(-range_ms // MINUTE_MS) * MINUTE_MS


def bucket_ms(at: range, range_ms: int) -> int:
    """The longest parts of a day that begin and end with all that is counted at the moments."""
    return gcd(DAY_MS, whole_minutes(range_ms), *map(minute_of, at))


def bucket_count(at: range, range_ms: int) -> int:
    return (minute_of(at[-1]) - minute_of(at[0]) + whole_minutes(range_ms)) // bucket_ms(at, range_ms)


def increases(counts: Mapping[int, float], at: range, range_ms: int) -> Samples:
    """How much was counted in the whole minutes of a range before each moment, by buckets that begin at the keys."""
    begins = sorted(counts)
    sums = [0.0, *accumulate(counts[begin] for begin in begins)]
    span_ms = whole_minutes(range_ms)
    found = []
    for moment in at:
        end = minute_of(moment)
        found.append((moment, sums[bisect_left(begins, end)] - sums[bisect_left(begins, end - span_ms)]))
    return found


def holding(times: Sequence[int], values: Sequence[float | None], at: range) -> Samples:
    """The value that holds at each moment, where there is one."""
    found = []
    for moment in at:
        place = bisect_right(times, moment) - 1
        value = values[place] if place >= 0 else None
        if value is not None:
            found.append((moment, value))
    return found


def summed(series: Iterable[tuple[Labels, Samples]], by: Sequence[str]) -> list[tuple[Labels, Samples]]:
    """Those with the same values of the labels `by`, added up."""
    groups: dict[Labels, dict[int, float]] = {}
    for labels, samples in series:
        kept = tuple((name, value) for name, value in labels if name in by)
        group = groups.setdefault(kept, {})
        for moment, value in samples:
            group[moment] = group.get(moment, 0.0) + value
    return [(labels, sorted(group.items())) for labels, group in groups.items()]
