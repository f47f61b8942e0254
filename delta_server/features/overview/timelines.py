"""Timelines: what changed along an endpoint's or a project's time, as many marks as a screen has room for.

While an endpoint has no more versions than marks are wanted each is a mark. Else time is cut into equal buckets: of
whole hours or days, whose counts are kept (features/activity), or shorter ones, for which the deltas in them are
counted. So nothing grows with the size of documents, and little with the number of versions.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from delta_server.core.history.activity import HOUR_MS, NOTHING, Counts, Tally, day_of
from delta_server.core.times import DAY_MS
from delta_server.features.activity import service as activity
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas.service import Version
from delta_server.features.snapshots import service as snapshots
from delta_server.storage.database import Tx

MOST_COUNTED = 20_000
"""Deltas counted one by one: 30 ms. Where there are more in shorter buckets than hours, these are of hours."""


class Mark(msgspec.Struct, frozen=True):
    """A version, or a bucket that begins at `time`; `snapshot` is its last one."""

    time: int
    snapshot: bytes | None
    kind: str | None
    versions: int
    edits: tuple[int, int, int, int]


class Timeline(msgspec.Struct, frozen=True):
    """`interval_ms` is the length of a bucket, None where each mark is a version. Buckets begin at `from_ms`; `ends`
    are when the first and the last version of all were captured."""

    interval_ms: int | None
    from_ms: int
    to_ms: int
    ends: tuple[int, int] | None
    marks: list[Mark]
    is_complete: bool = True


class Buckets(msgspec.Struct, frozen=True):
    origin_ms: int
    interval_ms: int
    end_ms: int

    def number(self, at: int) -> int:
        return (at - self.origin_ms) // self.interval_ms

    def begins(self, number: int) -> int:
        return self.origin_ms + number * self.interval_ms

    @property
    def is_of_days(self) -> bool:
        return self.interval_ms % DAY_MS == 0

    @property
    def days(self) -> tuple[int, int]:
        """The first and the last day they touch."""
        return day_of(self.origin_ms), day_of(self.end_ms - 1)


def buckets_of(from_ms: int, to_ms: int, most: int, *, least_ms: int) -> Buckets:
    """Up to `most` equal ones from one time to another: of whole days or hours, or where `least_ms` says so of less."""
    width = max(least_ms, -(-(to_ms - from_ms) // most))
    while True:
        unit = least_ms if width < HOUR_MS else HOUR_MS if width < DAY_MS else DAY_MS
        width = -(-width // unit) * unit
        origin = from_ms - (from_ms % unit if unit >= HOUR_MS else 0)
        if -(-(to_ms - origin) // width) <= most:
            return Buckets(origin, width, max(to_ms, origin + 1))
        width += 1


def of_endpoint(tx: Tx, endpoint: int, from_ms: int | None, to_ms: int | None, most: int) -> Timeline:
    ends = snapshots.ends(tx, endpoint)
    if ends is None:
        return Timeline(None, from_ms or 0, to_ms or from_ms or 0, None, [])
    first = ends[0] if from_ms is None else max(from_ms, ends[0])
    end = ends[1] + 1 if to_ms is None else min(to_ms, ends[1] + 1)
    if first >= end:
        return Timeline(None, first, max(first, end), ends, [])
    versions = deltas.versions(tx, endpoint, first, end, most + 1)
    if len(versions) <= most:
        return Timeline(None, first, end, ends, list(map(mark_of, versions)))
    buckets, counts = _counted(tx, endpoint, first, end, most)
    return Timeline(buckets.interval_ms, buckets.origin_ms, end, ends, _marks(tx, endpoint, buckets, counts, first))


def mark_of(version: Version) -> Mark:
    edits = version.added, version.removed, version.replaced, version.moved
    return Mark(version.captured_at, version.uid, version.kind, 1, edits)


def only_at(found: Timeline, times: Iterable[int], *, is_complete: bool) -> Timeline:
    """The marks at some times alone; the `versions` of a bucket are those."""
    width = found.interval_ms or 1
    counts = Counter((at - found.from_ms) // width for at in times)
    at_mark = [(mark, counts[(mark.time - found.from_ms) // width]) for mark in found.marks]
    marks = [msgspec.structs.replace(mark, versions=count) for mark, count in at_mark if count]
    return msgspec.structs.replace(found, marks=marks, is_complete=is_complete)


def _counted(tx: Tx, endpoint: int, first: int, end: int, most: int) -> tuple[Buckets, dict[int, Counts]]:
    buckets = buckets_of(first, end, most, least_ms=1)
    is_whole = activity.is_whole(tx, endpoint)
    if buckets.interval_ms < HOUR_MS or not is_whole:
        found = deltas.counts_between(tx, endpoint, first, end, MOST_COUNTED + 1)
        if len(found) <= MOST_COUNTED or not is_whole:
            tally = Tally()
            for at, counts in found.items():
                tally.add(buckets.number(at), msgspec.structs.astuple(counts))
            return buckets, tally.counts()
        buckets = buckets_of(first, end, most, least_ms=HOUR_MS)
    return buckets, summed(tx, [endpoint], buckets)


def summed(tx: Tx, endpoints: Sequence[int], buckets: Buckets) -> dict[int, Counts]:
    """By bucket of whole hours or days, the counts of these endpoints together."""
    tally = Tally()
    _add_counts(tx, endpoints, buckets, lambda _: tally)
    return _within(tally, buckets)


def summed_each(tx: Tx, endpoints: Sequence[int], buckets: Buckets) -> dict[int, dict[int, Counts]]:
    """As `summed`, of each of them in which something happened."""
    tallies: defaultdict[int, Tally] = defaultdict(Tally)
    _add_counts(tx, endpoints, buckets, tallies.__getitem__)
    return {endpoint: _within(tally, buckets) for endpoint, tally in tallies.items()}


def _add_counts(tx: Tx, endpoints: Sequence[int], buckets: Buckets, tally_of: Callable[[int], Tally]) -> None:
    first, last = buckets.days
    if buckets.is_of_days:
        each = buckets.interval_ms // DAY_MS
        for endpoint, number, counts in activity.sums_by_days(tx, endpoints, first, last, origin=first, each=each):
            tally_of(endpoint).add(number, counts)
    else:
        origin, each = buckets.origin_ms // HOUR_MS, buckets.interval_ms // HOUR_MS
        for endpoint, day in activity.days(tx, endpoints, first, last):
            tally_of(endpoint).add_hours(day.hours, day.day, origin=origin, each=each)


def _within(tally: Tally, buckets: Buckets) -> dict[int, Counts]:
    most = buckets.number(buckets.end_ms - 1)
    return {number: counts for number, counts in tally.counts().items() if 0 <= number <= most}


def _marks(tx: Tx, endpoint: int, buckets: Buckets, counts: dict[int, Counts], first: int) -> list[Mark]:
    versions = _versions(tx, endpoint, buckets, first)
    marks: list[Mark] = []
    for number in sorted({*versions, *counts}):
        begins, of = buckets.begins(number), counts.get(number, NOTHING)
        last = snapshots.uid_before(tx, endpoint, min(begins + buckets.interval_ms, buckets.end_ms))
        marks.append(Mark(begins, last, of.kind, versions.get(number, 0), of.edits))
    return marks


def _versions(tx: Tx, endpoint: int, buckets: Buckets, first: int) -> dict[int, int]:
    """Snapshots by bucket: of whole days they are counted already, else an index is run along."""
    if buckets.is_of_days and activity.is_whole(tx, endpoint):
        day, last = buckets.days
        return activity.snapshots_by_days(tx, endpoint, day, last, origin=day, each=buckets.interval_ms // DAY_MS)
    origin, interval = buckets.origin_ms, buckets.interval_ms
    return snapshots.by_bucket(tx, endpoint, origin_ms=origin, interval_ms=interval, first=first, end=buckets.end_ms)


def of_project(tx: Tx, endpoints: Sequence[int], from_ms: int | None, to_ms: int, most: int) -> Timeline:
    """Of all these endpoints together, by whole hours or days."""
    days = [day for endpoint in endpoints if (day := activity.first_day(tx, endpoint)) is not None]
    if not days:
        return Timeline(HOUR_MS, from_ms or to_ms, to_ms, None, [])
    first = min(days) * DAY_MS
    buckets = buckets_of(first if from_ms is None else max(from_ms, first), to_ms, most, least_ms=HOUR_MS)
    marks = [
        Mark(buckets.begins(number), None, counts.kind, counts.deltas, counts.edits)
        for number, counts in summed(tx, endpoints, buckets).items()
    ]
    return Timeline(buckets.interval_ms, buckets.origin_ms, to_ms, (first, to_ms), marks)
