"""Summaries of endpoints: what each has and what happened to it lately, from counters and look-ups."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from delta_server.core import times
from delta_server.core.history.activity import HOUR_MS
from delta_server.core.times import DAY_MS, EARLIEST_MS, LATEST_MS
from delta_server.features.activity import service as activity
from delta_server.features.deltas import service as deltas
from delta_server.features.deltas.service import CountedDelta
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointWithHead
from delta_server.features.overview import schemas, timelines
from delta_server.features.overview.schemas import EndpointSummary, EndpointTotals
from delta_server.features.overview.timelines import Buckets
from delta_server.features.snapshots import service as snapshots
from delta_server.features.usage import service as usage
from delta_server.storage.database import Tx

Sort = Literal["name", "changed", "size"]
_UNUSED = (0, 0, 0)
Place: TypeAlias = tuple[int, int]
"""Where an endpoint stands in a list that is not by name: what it is sorted by, and its row."""


class Spark(msgspec.Struct, frozen=True):
    """`count` equal buckets, all of them whole hours."""

    buckets: Buckets
    count: int

    @property
    def ends_ms(self) -> int:
        return self.buckets.begins(self.count)


def spark_of(from_ms: int | None, to_ms: int, count: int) -> Spark:
    """`count` buckets up to a time: of an hour each without a begin."""
    end = -(-to_ms // HOUR_MS) * HOUR_MS
    begin = max(EARLIEST_MS, end - count * HOUR_MS) if from_ms is None else min(from_ms, end - 1)
    buckets = timelines.buckets_of(begin, end, count, least_ms=HOUR_MS)
    return Spark(buckets, min(count, buckets.number(end - 1) + 1))


def sorted_page(
    tx: Tx, project: int, prefix: str, by: Sort, after: Place | None, limit: int
) -> list[tuple[Place, EndpointWithHead]]:
    """Up to `limit` of those whose name begins with `prefix`, after a place: most first, those alike by age."""
    found = endpoints.all_of_project(tx, project, prefix)
    value = _changed_at(tx, found) if by == "changed" else _stored_bytes(tx, found)
    every = [((value[one.endpoint.id], one.endpoint.id), one) for one in found]
    every.sort(key=_most_first)
    if after is not None:
        every = [one for one in every if _most_first(one) > (-after[0], after[1])]
    return every[:limit]


def _most_first(one: tuple[Place, EndpointWithHead]) -> Place:
    (value, row), _ = one
    return -value, row


def _changed_at(tx: Tx, found: Sequence[EndpointWithHead]) -> dict[int, int]:
    """Or when the last snapshot was captured, of those that never changed: a new one stands on top as well."""
    changed = _last_changes(tx, endpoints.counted_deltas(tx, [one.endpoint.id for one in found]))
    nothing = EARLIEST_MS - 1
    captured = {one.endpoint.id: nothing if one.last_captured_at is None else one.last_captured_at for one in found}
    return captured | changed


def _stored_bytes(tx: Tx, found: Sequence[EndpointWithHead]) -> dict[int, int]:
    rows = [one.endpoint.id for one in found]
    used = usage.of_endpoints(tx, rows)
    return {row: used.get(row, _UNUSED)[2] for row in rows}


def _last_changes(tx: Tx, counted: Mapping[int, tuple[int, bool]]) -> dict[int, int]:
    """When, by endpoint: of the last day that has one, where days are counted."""
    days = activity.last_days_with_content(tx, [row for row, (_, is_whole) in counted.items() if is_whole])
    stretches = [(row, day * DAY_MS, (day + 1) * DAY_MS - 1) for row, day in days.items()]
    stretches += [(row, EARLIEST_MS, LATEST_MS) for row, (_, is_whole) in counted.items() if not is_whole]
    return deltas.last_changes(tx, stretches)


def summarize(tx: Tx, found: Sequence[EndpointWithHead], spark: Spark) -> list[EndpointSummary]:
    """Of all of them, with one statement for each thing to look up."""
    rows = [one.endpoint.id for one in found]
    used, counted = usage.of_endpoints(tx, rows), endpoints.counted_deltas(tx, rows)
    last, extents = deltas.counted(tx, _last_changes(tx, counted)), snapshots.extents(tx, rows)
    sparks = _sparks(tx, rows, spark)
    return [
        _summary(one, used.get(row, _UNUSED), counted[row][0], extents.get(row), last.get(row), sparks[row])
        for row, one in zip(rows, found, strict=True)
    ]


def totals(tx: Tx, found: Sequence[EndpointWithHead], ends_ms: int) -> EndpointTotals:
    """Of all of them together; what changed in a day is that of the 24 hours before `ends_ms`."""
    rows = [one.endpoint.id for one in found]
    used = list(usage.of_endpoints(tx, rows).values())
    firsts = [first for first, _, _ in snapshots.extents(tx, rows).values()]
    lately = timelines.summed(tx, rows, timelines.buckets_of(ends_ms - DAY_MS, ends_ms, 24, least_ms=HOUR_MS))
    return EndpointTotals(
        endpoints=len(rows),
        versions=sum(versions for versions, _, _ in used),
        changes=sum(changes for changes, _ in endpoints.counted_deltas(tx, rows).values()),
        raw_bytes=sum(raw for _, raw, _ in used),
        stored_bytes=sum(stored for _, _, stored in used),
        first_captured_at=times.format(min(firsts)) if firsts else None,
        edits_last_day=sum(sum(counts.edits) for counts in lately.values()),
    )


def _summary(
    one: EndpointWithHead,
    used: tuple[int, int, int],
    changes: int,
    extent: tuple[int, int, int] | None,
    last: CountedDelta | None,
    spark: list[tuple[int, int]],
) -> EndpointSummary:
    versions, raw_bytes, stored_bytes = used
    return EndpointSummary(
        *msgspec.structs.astuple(endpoints.view(one)),
        versions=versions,
        changes=changes,
        raw_bytes=raw_bytes,
        stored_bytes=stored_bytes,
        size_bytes=None if extent is None else extent[2],
        first_captured_at=None if extent is None else times.format(extent[0]),
        last_delta=None if last is None else schemas.last_delta(last),
        spark=spark,
    )


def _sparks(tx: Tx, rows: Sequence[int], spark: Spark) -> dict[int, list[tuple[int, int]]]:
    sums = timelines.summed_each(tx, rows, spark.buckets)
    nothing = [(0, 0)] * spark.count
    found = {}
    for row in rows:
        counts = sums.get(row)
        bars = nothing if counts is None else nothing.copy()
        for number, each in (counts or {}).items():
            bars[number] = each.added + each.replaced + each.moved, each.removed
        found[row] = bars
    return found
