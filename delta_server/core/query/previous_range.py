"""The range that one is compared with: as long, just before it."""

from datetime import tzinfo

from delta_server.core.query import months, time_buckets
from delta_server.core.query.plan import Interval, Span
from delta_server.core.times import DAY_MS, EARLIEST_MS

_LONGER_MS = 4 * DAY_MS
"""So much longer than a range of whole months those before it can be: a day for each month of three, for clocks one."""


def before(within: Span, zone: tzinfo, interval: Interval | None) -> Span:
    """By the calendar wherever that says it: whole months when months are counted, whole days (the same time of day at
    both ends) always, what days and longer are counted of as well. All else by its hours."""
    length_ms = within.end_ms - within.start_ms
    wide = Span(max(EARLIEST_MS, within.start_ms - length_ms - _LONGER_MS), within.end_ms)
    clock = Interval(time_buckets.NAME, DAY_MS, time_buckets.offsets(zone, wide))
    first, end = (at + time_buckets.offset_at(clock, at) for at in (within.start_ms, within.end_ms))
    count = months.whole(first, end) if interval is not None and interval.months else None
    if count is not None:
        return Span(time_buckets.begins(clock, months.moved(first, -count)), within.start_ms)
    by_days = interval is not None and (interval.months > 0 or interval.step_ms % DAY_MS == 0)
    if by_days or (end - first) % DAY_MS == 0:
        return Span(time_buckets.begins(clock, 2 * first - end), within.start_ms)
    return Span(within.start_ms - length_ms, within.start_ms)
