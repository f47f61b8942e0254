"""History, fields, blame and stats on the wire."""

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import ids, times
from delta_server.features.deltas.service import TYPES
from delta_server.features.fields.service import Field as FieldRow
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
    may be empty."""

    path: str
    data: list[Change]
    has_more: bool
    next_cursor: str | None


class Field(msgspec.Struct, frozen=True):
    """A field pattern. `share_of_deltas`: in how many of the endpoint's deltas it changed, from 0 to 1."""

    path: str
    changes: int
    last_changed_at: str | None
    last_snapshot_id: str | None
    types: list[str]
    share_of_deltas: float


class Leaf(msgspec.Struct, frozen=True):
    """`snapshot_id` is the snapshot since which the leaf has had its value."""

    path: str
    value: msgspec.Raw
    snapshot_id: str
    captured_at: str


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
EXAMPLE_BLAME = {
    "path": "/items/[sku=A7]",
    **_WHEN,
    "data": [{"path": "/items/[sku=A7]/price", "value": 12.50, **_WHEN}],
    "complete": True,
    "has_more": False,
    "next_cursor": None,
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
    "Field.path": "The field pattern; `*` stands for any element",
    "Field.changes": "How many of its values changed, over all deltas",
    "Field.last_changed_at": "When it last changed",
    "Field.last_snapshot_id": "The snapshot with its last change",
    "Field.types": "JSON types that its values had",
    "Field.share_of_deltas": "In how many of the endpoint's deltas it changed, from 0 to 1",
    "Leaf.path": "Path of the leaf value",
    "Leaf.value": "The value",
    "Leaf.snapshot_id": "The snapshot since which it has had its value",
    "Leaf.captured_at": "When that was captured",
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
