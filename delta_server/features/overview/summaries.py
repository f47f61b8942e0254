"""Summaries of endpoints: what each has and what happened to it lately, from counters and single look-ups."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from delta_server.core import times
from delta_server.core.history.activity import HOUR_MS, day_of
from delta_server.core.times import DAY_MS, EARLIEST_MS, LATEST_MS
from delta_server.features.activity import service as activity
from delta_server.features.deltas import service as deltas
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointWithHead
from delta_server.features.overview import schemas, timelines
from delta_server.features.overview.schemas import EndpointSummary
from delta_server.features.overview.timelines import Buckets
from delta_server.features.snapshots import service as snapshots
from delta_server.features.usage import service as usage
from delta_server.storage.database import Tx

Sort = Literal["name", "changed", "size"]
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
    value: Callable[[Tx, int], int] = _changed_at if by == "changed" else _stored_bytes
    every = [
        ((value(tx, one.endpoint.id), one.endpoint.id), one) for one in endpoints.all_of_project(tx, project, prefix)
    ]
    every.sort(key=_most_first)
    if after is not None:
        every = [one for one in every if _most_first(one) > (-after[0], after[1])]
    return every[:limit]


def _most_first(one: tuple[Place, EndpointWithHead]) -> Place:
    (value, row), _ = one
    return -value, row


def _changed_at(tx: Tx, endpoint: int) -> int:
    at = _last_change(tx, endpoint)
    return EARLIEST_MS - 1 if at is None else at


def _stored_bytes(tx: Tx, endpoint: int) -> int:
    used = usage.of_endpoint(tx, endpoint)
    return 0 if used is None else used[2]


def _last_change(tx: Tx, endpoint: int) -> int | None:
    """When: of the last day that has one, where days are counted."""
    if not activity.is_whole(tx, endpoint):
        return deltas.last_change(tx, endpoint, EARLIEST_MS, LATEST_MS)
    day = activity.last_with_content(tx, endpoint, day_of(LATEST_MS))
    return None if day is None else deltas.last_change(tx, endpoint, day * DAY_MS, (day + 1) * DAY_MS - 1)


def summary(tx: Tx, one: EndpointWithHead, spark: Spark) -> EndpointSummary:
    endpoint = one.endpoint.id
    versions, raw_bytes, stored_bytes = usage.of_endpoint(tx, endpoint) or (0, 0, 0)
    changed_at = _last_change(tx, endpoint)
    last = None if changed_at is None else deltas.counted(tx, endpoint, changed_at)
    ends = snapshots.ends(tx, endpoint)
    return EndpointSummary(
        *msgspec.structs.astuple(endpoints.view(one)),
        versions=versions,
        changes=endpoints.content_deltas(tx, endpoint),
        raw_bytes=raw_bytes,
        stored_bytes=stored_bytes,
        size_bytes=snapshots.newest_size(tx, endpoint),
        first_captured_at=None if ends is None else times.format(ends[0]),
        last_delta=None if last is None else schemas.last_delta(last),
        spark=_spark(tx, endpoint, spark),
    )


def _spark(tx: Tx, endpoint: int, spark: Spark) -> list[tuple[int, int]]:
    found = [(0, 0)] * spark.count
    for number, counts in timelines.summed(tx, [endpoint], spark.buckets).items():
        found[number] = counts.added + counts.replaced + counts.moved, counts.removed
    return found
