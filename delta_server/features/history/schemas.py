"""History, fields, blame and stats on the wire."""

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import ids, times
from delta_server.core.json import surrogates
from delta_server.features.deltas.service import TYPES
from delta_server.features.fields.service import Field as FieldRow
from delta_server.features.history.series import Series as SeriesFound
from delta_server.features.history.store import StorageTotals
from delta_server.features.snapshots.service import Extent


class Change(msgspec.Struct, frozen=True):
    """`value` is the field's from this snapshot on, as its document writes it. Where the field is gone it is absent,
    and `exists` is there and false: not to be taken for null."""

    snapshot_id: str
    captured_at: str
    value: msgspec.Raw | UnsetType = UNSET
    exists: bool | UnsetType = UNSET


class History(msgspec.Struct, frozen=True):
    """With `has_more` and few rows the search was stopped for its length: go on with `next_cursor`. Only the last page
    may be empty.

    `total` to `share` are of all rows within `from` and `to`: how many, the least and the greatest number among their
    values, and (without a range) in which share of the endpoint's deltas the value changed. They are null where they
    are not known: where more rows follow and `include=totals` does not ask for them, or where these take too long."""

    path: str
    data: list[Change]
    has_more: bool
    next_cursor: str | None
    total: int | None
    min: msgspec.Raw | None
    max: msgspec.Raw | None
    share: float | None


class HistoryTotals(msgspec.Struct, frozen=True):
    """Of all rows of a history, as History has them."""

    rows: int
    least: bytes | None
    greatest: bytes | None
    share: float | None


class SeriesLine(msgspec.Struct, frozen=True):
    """The numbers of one record, null where it has none; `record` and `label` are null for a path without `*`."""

    record: str | None
    label: str | None
    values: list[float | None]


class Series(msgspec.Struct, frozen=True):
    """A number of `values` holds from its place in `times` until the next. `left_off` records are left out, those that
    changed least. `exact` is false where not all versions in which a number may have changed were read."""

    path: str
    times: list[str]
    series: list[SeriesLine]
    left_off: int
    exact: bool


class EncodedSeries(msgspec.Struct, frozen=True):
    """A Series whose numbers are those of the documents, as written there."""

    path: str
    times: list[str]
    series: msgspec.Raw
    left_off: int
    exact: bool


class Field(msgspec.Struct, frozen=True):
    """A field pattern. `share_of_deltas`: in how many of the endpoint's deltas it changed, from 0 to 1."""

    path: str
    changes: int
    last_changed_at: str | None
    last_snapshot_id: str | None
    types: list[str]
    share_of_deltas: float


class PreviousValue(msgspec.Struct, frozen=True):
    """What a leaf was before it got its value: `value`, cut to some 400 bytes where `cut` is true. Where it was not
    there `value` is absent, and `exists` is there and false. `snapshot_id` is a snapshot of that version."""

    snapshot_id: str
    captured_at: str
    value: msgspec.Raw | UnsetType = UNSET
    cut: bool | UnsetType = UNSET
    exists: bool | UnsetType = UNSET


class Leaf(msgspec.Struct, frozen=True):
    """`snapshot_id` is the snapshot since which the leaf has had its value. It changed `changes` times at least:
    so often the record index has it for certain; absent where that does not tell. `previous` is there where it was
    asked for and read; null where no version came before."""

    path: str
    value: msgspec.Raw
    snapshot_id: str
    captured_at: str
    changes: int | UnsetType = UNSET
    previous: PreviousValue | UnsetType | None = UNSET


class Blame(msgspec.Struct, frozen=True):
    """`complete` is false when the search was stopped for its length: the leaves left out come with `next_cursor`."""

    path: str
    snapshot_id: str
    captured_at: str
    data: list[Leaf]
    complete: bool
    has_more: bool
    next_cursor: str | None


class Totals(msgspec.Struct, frozen=True):
    """`contents` are the different documents, equal ones in a row counted once; `raw_bytes` is their size together,
    `stored_bytes` what they take. `deltas` counts those of the kind `content`, `deltas_failed` those that could not
    be computed, or ended the server twice: the log says why, and new diff settings have them tried again."""

    snapshots: int
    contents: int
    deltas: int
    deltas_failed: int
    raw_bytes: int
    stored_bytes: int
    first_captured_at: str | None
    last_captured_at: str | None


class Bucket(msgspec.Struct, frozen=True):
    """`time` is where it begins. `changes` counts deltas of the kind `content`, `bytes` the new documents' size."""

    time: str
    snapshots: int
    changes: int
    bytes: int


class Stats(msgspec.Struct, frozen=True):
    totals: Totals
    interval: str
    buckets: list[Bucket]


def history(path: str, changes: list[Change], next_cursor: str | None, totals: HistoryTotals | None) -> History:
    known = totals or HistoryTotals(0, None, None, None)
    least, greatest = (None if raw is None else msgspec.Raw(raw) for raw in (known.least, known.greatest))
    rows = None if totals is None else totals.rows
    return History(path, changes, next_cursor is not None, next_cursor, rows, least, greatest, known.share)


def series(path: str, found: SeriesFound) -> bytes:
    """As JSON; to be encoded beside the event loop."""
    lines = [
        {
            "record": line.record or None,
            "label": line.label,
            "values": [None if value is None else msgspec.Raw(value) for value in line.values],
        }
        for line in found.lines
    ]
    encoded = surrogates.restore(msgspec.json.encode(lines))
    times_of = list(map(times.format, found.times))
    return msgspec.json.encode(EncodedSeries(path, times_of, msgspec.Raw(encoded), found.left_off, found.is_exact))


def field(row: FieldRow, content_deltas: int) -> Field:
    return Field(
        path=row.pattern,
        changes=row.changes,
        last_changed_at=None if row.changed_at is None else times.format(row.changed_at),
        last_snapshot_id=None if row.snapshot is None else ids.text(row.snapshot),
        types=[name for bit, name in enumerate(TYPES) if row.types >> bit & 1],
        share_of_deltas=round(min(1.0, row.deltas / max(1, content_deltas)), 6),
    )


def totals(extent: Extent, stored: StorageTotals, content_deltas: int) -> Totals:
    first, last = extent.first_captured_at, extent.last_captured_at
    return Totals(
        extent.count,
        stored.contents,
        content_deltas,
        stored.failed,
        stored.raw_bytes,
        stored.stored_bytes,
        None if first is None else times.format(first),
        None if last is None else times.format(last),
    )


_SNAPSHOT = "01890a5d-ac96-774b-bcce-b302099a8057"
_NEXT = "i0Zp0JRkZWx0YXM"
_WHEN = {"snapshot_id": _SNAPSHOT, "captured_at": "2026-05-01T12:00:00.000Z"}
EXAMPLE_HISTORY = {
    "path": "/items/[sku=A7]/price",
    "data": [
        {**_WHEN, "value": 12.50},
        {
            "snapshot_id": "01890a5d-ac96-774b-bcce-b302099a8058",
            "captured_at": "2026-05-02T08:00:00.000Z",
            "exists": False,
        },
    ],
    "has_more": True,
    "next_cursor": _NEXT,
    "total": 2,
    "min": 12.50,
    "max": 12.50,
    "share": 0.04,
}
EXAMPLE_FIELDS = {
    "data": [
        {
            "path": "/items/*/price",
            "changes": 640,
            "last_changed_at": "2026-05-02T08:00:00.000Z",
            "last_snapshot_id": _SNAPSHOT,
            "types": ["number"],
            "share_of_deltas": 0.42,
        }
    ],
    "has_more": False,
    "next_cursor": None,
}
_PREVIOUS = {
    "snapshot_id": "01890a5d-ac96-774b-bcce-b302099a8056",
    "captured_at": "2026-04-30T12:00:00.000Z",
    "value": 11.90,
}
EXAMPLE_BLAME = {
    "path": "/items/[sku=A7]",
    **_WHEN,
    "data": [{"path": "/items/[sku=A7]/price", "value": 12.50, **_WHEN, "previous": _PREVIOUS}],
    "complete": True,
    "has_more": False,
    "next_cursor": None,
}
EXAMPLE_SERIES = {
    "path": "/items/*/price",
    "times": ["2026-05-01T12:00:00.000Z", "2026-05-02T08:00:00.000Z"],
    "series": [{"record": "/items/[sku=A7]", "label": "Lamp", "values": [12.5, 13.0]}],
    "left_off": 0,
    "exact": True,
}
EXAMPLE_STATS = {
    "totals": {
        "snapshots": 1440,
        "contents": 310,
        "deltas": 290,
        "deltas_failed": 0,
        "raw_bytes": 40300000,
        "stored_bytes": 91000,
        "first_captured_at": "2026-05-01T12:00:00.000Z",
        "last_captured_at": "2026-05-02T12:00:00.000Z",
    },
    "interval": "1d",
    "buckets": [{"time": "2026-05-01T00:00:00.000Z", "snapshots": 720, "changes": 150, "bytes": 20150000}],
}


FIELDS = {
    "Change.snapshot_id": "The snapshot that brought the value",
    "Change.captured_at": "When that was captured",
    "Change.value": "The value from this snapshot on; absent where the field is gone",
    "Change.exists": "False where the field is gone; else absent",
    "History.path": "The path that was asked for",
    "History.total": "How many rows there are within `from` and `to`; null where that is not known",
    "History.min": "The least number among all their values, as written; null without any, or where it is not known",
    "History.max": "The greatest number among all their values, as written",
    "History.share": "In which share of the endpoint's deltas the value changed; null within a range",
    "Field.path": "The field pattern; `*` stands for any element",
    "Field.changes": "How many of its values changed, over all deltas",
    "Field.last_changed_at": "When it last changed",
    "Field.last_snapshot_id": "The snapshot with its last change",
    "Field.types": "JSON types that its values had",
    "Field.share_of_deltas": "In how many of the endpoint's deltas it changed, from 0 to 1",
    "Series.path": "The path that was asked for",
    "Series.times": "From when each column of numbers holds",
    "Series.series": "A line for each record, those that changed most first",
    "Series.left_off": "How many records are left out",
    "Series.exact": "False where not all versions in which a number may have changed were read",
    "SeriesLine.record": "The record's path, by its key where it has one; null for a path without `*`",
    "SeriesLine.label": "The text that people know the record by",
    "SeriesLine.values": "A number for each of `times`, as the documents write it; null where there is none",
    "Leaf.path": "Path of the leaf value",
    "Leaf.value": "The value",
    "Leaf.snapshot_id": "The snapshot since which it has had its value",
    "Leaf.changes": "How often it changed at least; absent where the record index does not tell",
    "Leaf.captured_at": "When that was captured",
    "Leaf.previous": "What it was before, with `include=previous`; null where no version came before",
    "PreviousValue.snapshot_id": "A snapshot of the version before the one that gave the leaf its value",
    "PreviousValue.captured_at": "When that was captured",
    "PreviousValue.value": "The value then, cut where it is long; absent where it was not there",
    "PreviousValue.cut": "True where the value is longer: GET /v1/snapshots/{snapshot_id}/value has all of it",
    "PreviousValue.exists": "False where the leaf was not there",
    "Blame.path": "The path that was asked for",
    "Blame.snapshot_id": "The snapshot whose leaves these are",
    "Blame.captured_at": "When that was captured",
    "Blame.data": "The leaf values",
    "Blame.complete": "False when the search ended early: the leaves left out come with `next_cursor`",
    "Totals.snapshots": "How many snapshots there are",
    "Totals.contents": "How many different documents, equal ones in a row counted idempotency_key",
    "Totals.deltas": "How many deltas of the kind `content`",
    "Totals.deltas_failed": "Deltas that could not be computed: the log says why",
    "Totals.raw_bytes": "Size of the documents as they were sent",
    "Totals.stored_bytes": "Size that they take in the database",
    "Totals.first_captured_at": "When the first snapshot was captured",
    "Totals.last_captured_at": "When the latest snapshot was captured",
    "Bucket.time": "When the bucket begins",
    "Bucket.snapshots": "Snapshots captured in it",
    "Bucket.changes": "Deltas of the kind `content` in it",
    "Bucket.bytes": "Size of the new documents in it",
    "Stats.totals": "Of all time",
    "Stats.interval": "Length of a bucket",
    "Stats.buckets": "Counts along time",
}
