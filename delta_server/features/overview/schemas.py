"""Timelines and summaries of endpoints on the wire."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import ids, times
from delta_server.features.deltas.service import CountedDelta
from delta_server.features.endpoints import service as endpoints
from delta_server.features.endpoints.service import EndpointView
from delta_server.features.overview import timelines


class TimelineMark(msgspec.Struct, frozen=True):
    """A version, or a bucket that begins at `time`. `kind` of a version is its delta's, or `first`, `unchanged`,
    `pending`, `failed`; of a bucket the one that tells most, null without deltas. `snapshot_id` is the version, or the
    last one in the bucket; null in a project's timeline, whose `versions` are those with a delta."""

    time: str
    snapshot_id: str | None
    kind: str | None
    versions: int
    added: int
    removed: int
    replaced: int
    moved: int


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """`data` has a row for each version, or for each bucket of `interval_ms` in which there is something."""

    unit: Literal["version", "bucket"]
    interval_ms: int | None
    begins_at: str = msgspec.field(name="from")
    ends_at: str = msgspec.field(name="to")
    first_captured_at: str | None
    last_captured_at: str | None
    data: list[TimelineMark]
    complete: bool


class LastDelta(msgspec.Struct, frozen=True):
    """The newest delta of the kind `content`, in numbers."""

    id: str
    from_snapshot_id: str
    to_snapshot_id: str
    captured_at: str
    kind: str
    changes_count: int
    added: int
    removed: int
    replaced: int
    moved: int


class EndpointSummary(EndpointView, frozen=True, kw_only=True):
    """An endpoint with what it has and what happened lately; the fields beside those of an endpoint are there with
    `include=summary`."""

    versions: int | UnsetType = UNSET
    changes: int | UnsetType = UNSET
    raw_bytes: int | UnsetType = UNSET
    stored_bytes: int | UnsetType = UNSET
    size_bytes: int | UnsetType | None = UNSET
    first_captured_at: str | UnsetType | None = UNSET
    last_delta: LastDelta | UnsetType | None = UNSET
    spark: list[tuple[int, int]] | UnsetType = UNSET


class EndpointTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What all endpoints of a list have together, whatever page of it is asked for."""

    endpoints: int
    versions: int
    changes: int
    raw_bytes: int
    stored_bytes: int
    first_captured_at: str | None
    edits_last_day: int


class EndpointPage(msgspec.Struct, frozen=True):
    """`spark_from` and `spark_to` are the ends of all sparks, with `include=summary`."""

    data: list[EndpointSummary]
    has_more: bool
    next_cursor: str | None
    spark_from: str | UnsetType = UNSET
    spark_to: str | UnsetType = UNSET
    totals: EndpointTotals | UnsetType = UNSET


class EncodedPage(msgspec.Struct, frozen=True):
    """An EndpointPage whose `data` is encoded already: of a thousand endpoints that takes a while."""

    data: msgspec.Raw
    has_more: bool
    next_cursor: str | None
    spark_from: str | UnsetType = UNSET
    spark_to: str | UnsetType = UNSET
    totals: EndpointTotals | UnsetType = UNSET


def timeline(found: timelines.Timeline) -> Timeline:
    first, last = found.ends or (None, None)
    return Timeline(
        unit="version" if found.interval_ms is None else "bucket",
        interval_ms=found.interval_ms,
        begins_at=times.format(found.from_ms),
        ends_at=times.format(found.to_ms),
        first_captured_at=None if first is None else times.format(first),
        last_captured_at=None if last is None else times.format(last),
        data=[_mark(mark) for mark in found.marks],
        complete=found.is_complete,
    )


def _mark(mark: timelines.Mark) -> TimelineMark:
    snapshot = None if mark.snapshot is None else ids.text(mark.snapshot)
    return TimelineMark(times.format(mark.time), snapshot, mark.kind, mark.versions, *mark.edits)


def last_delta(found: CountedDelta) -> LastDelta:
    after = ids.text(found.after)
    edits = found.added, found.removed, found.replaced, found.moved
    before, at = ids.text(found.before), times.format(found.captured_at)
    return LastDelta(after, before, after, at, "content", sum(edits), *edits)


_SNAPSHOT = "01985f0c-3f1a-7cc2-9a52-2f3b7f0c9d11"
_TIME = "2026-05-01T12:00:00.000Z"
_EDITS = {"added": 1, "removed": 0, "replaced": 11, "moved": 0}
EXAMPLE_TIMELINE: dict[str, Any] = {
    "unit": "version",
    "interval_ms": None,
    "from": _TIME,
    "to": "2026-05-02T12:00:00.000Z",
    "first_captured_at": _TIME,
    "last_captured_at": "2026-05-02T12:00:00.000Z",
    "data": [{"time": _TIME, "snapshot_id": _SNAPSHOT, "kind": "content", "versions": 1, **_EDITS}],
    "complete": True,
}
EXAMPLE_PROJECT_TIMELINE = EXAMPLE_TIMELINE | {
    "unit": "bucket",
    "interval_ms": 3_600_000,
    "data": [{"time": _TIME, "snapshot_id": None, "kind": "content", "versions": 8, **_EDITS}],
}
EXAMPLE_ENDPOINTS: dict[str, Any] = {"data": [endpoints.EXAMPLE], "has_more": False, "next_cursor": None}

FIELDS = {
    "Timeline.unit": "What a row of `data` is: a `version`, or a `bucket` of time",
    "Timeline.interval_ms": "Length of a bucket; null where rows are versions",
    "Timeline.from": "Where what is shown begins",
    "Timeline.to": "Where it ends",
    "Timeline.first_captured_at": "When the first version of all was captured",
    "Timeline.last_captured_at": "When the last version of all was captured",
    "Timeline.data": "In order of time; buckets in which there is nothing are left out",
    "Timeline.complete": "False where finding the changes of a field took too long: older ones may be missing",
    "TimelineMark.time": "When the version was captured, or the bucket begins",
    "TimelineMark.snapshot_id": "The version, or the last one in the bucket; null in a project's timeline",
    "TimelineMark.kind": (
        "Kind of the version's delta, or `first`, `unchanged`, `pending`, `failed`; of a bucket what tells most"
    ),
    "TimelineMark.versions": "How many versions: in a project's timeline those with a delta",
    "TimelineMark.added": "How many values were added",
    "TimelineMark.removed": "How many values were removed",
    "TimelineMark.replaced": "How many values were replaced",
    "TimelineMark.moved": "How many elements of arrays moved",
    "EndpointSummary.versions": "How many snapshots it has",
    "EndpointSummary.changes": "How many deltas of the kind `content`",
    "EndpointSummary.raw_bytes": "Size of its documents as they were sent",
    "EndpointSummary.stored_bytes": "Size that they take in the database",
    "EndpointSummary.size_bytes": "Size of its latest document",
    "EndpointSummary.first_captured_at": "When its first snapshot was captured",
    "EndpointSummary.last_delta": "Its newest delta of the kind `content`, in numbers",
    "EndpointSummary.spark": "By bucket from `spark_from` to `spark_to`: what was added, changed or moved, and removed",
    "EndpointPage.data": "The endpoints",
    "EndpointPage.spark_from": "Where the first bucket of each `spark` begins",
    "EndpointPage.spark_to": "Where the last bucket of each `spark` ends",
    "EndpointPage.totals": "What all of them have together; with `include=summary,totals`",
    "EndpointTotals.endpoints": "How many endpoints",
    "EndpointTotals.versions": "How many snapshots they have",
    "EndpointTotals.changes": "How many deltas of the kind `content`",
    "EndpointTotals.raw_bytes": "Size of their documents as they were sent",
    "EndpointTotals.stored_bytes": "Size that they take in the database",
    "EndpointTotals.first_captured_at": "When the first snapshot of all was captured",
    "EndpointTotals.edits_last_day": "Values added, changed, moved or removed in the 24 hours until `spark_to`",
    "LastDelta.id": "Id of the delta: that of the snapshot it leads to",
    "LastDelta.captured_at": "When that was captured",
    "LastDelta.kind": "`content`",
    "LastDelta.changes_count": "`added`, `removed`, `replaced` and `moved` together",
    "LastDelta.added": "How many values were added",
    "LastDelta.removed": "How many values were removed",
    "LastDelta.replaced": "How many values were replaced",
    "LastDelta.moved": "How many elements of arrays moved",
}
FIELDS |= {
    text.replace("Endpoint.", "EndpointSummary."): said
    for text, said in endpoints.FIELDS.items()
    if text.startswith("Endpoint.")
}
