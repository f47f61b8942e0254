"""Equal stretches of time, aligned to UTC, for counts along a timeline."""

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.times import DAY_MS, EARLIEST_MS, parse_length

MOST = 1_000

_WEEK_MS = 7 * DAY_MS
_MONDAY_MS = 4 * DAY_MS  # the first Monday after the epoch, which was a Thursday
_COMMON = ("1m", "5m", "15m", "1h", "6h", "1d", "1w", "4w", "52w")


class TimelineBuckets(msgspec.Struct, frozen=True):
    """Bucket n begins at `origin_ms + n * interval_ms`; counted is from `first_ms` and before `end_ms`."""

    origin_ms: int
    interval_ms: int
    first_ms: int
    end_ms: int

    @property
    def count(self) -> int:
        return max(0, -(-(self.end_ms - self.origin_ms) // self.interval_ms)) if self.end_ms > self.first_ms else 0

    def begins(self, number: int) -> int:
        return max(EARLIEST_MS, self.origin_ms + number * self.interval_ms)


def aligned(time_ms: int, interval_ms: int) -> int:
    """The beginning of the interval a time lies in, counted from the epoch; whole weeks begin on Mondays."""
    shift = _MONDAY_MS if interval_ms % _WEEK_MS == 0 else 0
    return time_ms - (time_ms - shift) % interval_ms


def buckets_between(first_ms: int, end_ms: int, interval: str) -> TimelineBuckets:
    """Buckets from `first_ms` and before `end_ms`. Raises Invalid when they are too many or `interval` is no length."""
    interval_ms = parse_length(interval, field="interval")
    found = TimelineBuckets(aligned(first_ms, interval_ms), interval_ms, first_ms, end_ms)
    if found.count > MOST:
        raise Invalid(
            f"an interval of {interval} makes {found.count} buckets, at most {MOST} are given: "
            f"take {_next_longer_interval(first_ms, end_ms)} or a shorter range",
            field="interval",
        )
    return found


def _next_longer_interval(first_ms: int, end_ms: int) -> str:
    """The shortest common interval that makes few enough buckets."""
    for interval in _COMMON:
        length_ms = parse_length(interval, field="interval")
        if TimelineBuckets(aligned(first_ms, length_ms), length_ms, first_ms, end_ms).count <= MOST:
            return interval
    return f"{-(-(end_ms - first_ms) // ((MOST - 1) * DAY_MS))}d"
