"""Deltas on the wire."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from delta_server.core import ids, times
from delta_server.core.diff.compare import DiffSettings
from delta_server.core.diff.record_rows import RowOp
from delta_server.core.diff.row_table import KEPT_BYTES, KEPT_TEXT_BYTES
from delta_server.core.diff.row_windows import ChangeRow, Window
from delta_server.features.deltas.rows import Summary

Format = Literal["json-patch", "merge-patch", "changes"]
FormatOrRows = Literal["json-patch", "merge-patch", "changes", "rows"]

MOST_ROWS = 2000
FEWEST_CHARACTERS, MOST_CHARACTERS = 16, KEPT_BYTES
MOST_TEXT = KEPT_TEXT_BYTES
DEFAULT_WINDOW = Window(start=0, count=500, value_limit=400, text_from=0)

Start = Annotated[int, Meta(ge=0, le=1 << 40)]
Count = Annotated[int, Meta(ge=1, le=MOST_ROWS)]
ValueLimit = Annotated[int, Meta(ge=FEWEST_CHARACTERS, le=MOST_CHARACTERS)]
TextFrom = Annotated[int, Meta(ge=0, le=MOST_TEXT)]


class FieldChanges(msgspec.Struct, frozen=True):
    """How many values changed under one field pattern, `*` standing for any element; with format=rows the rows of each
    kind too, and moved elements are changes."""

    path: str
    changes: int
    added: int | UnsetType = UNSET
    removed: int | UnsetType = UNSET
    replaced: int | UnsetType = UNSET
    moved: int | UnsetType = UNSET


class KeyUsed(msgspec.Struct, frozen=True):
    """The fields that identify the records of an array, and where that comes from."""

    fields: list[str]
    from_: Literal["found", "settings"] = msgspec.field(name="from")


class RowOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows, and how much of each."""

    start: Start | UnsetType = UNSET
    count: Count | UnsetType = UNSET
    ops: list[RowOp] | UnsetType = UNSET
    fields: list[str] | UnsetType = UNSET
    q: str | UnsetType = UNSET
    value_limit: ValueLimit | UnsetType = UNSET
    text_from: TextFrom | UnsetType = UNSET
    row: str | UnsetType = UNSET
    unchanged: bool | UnsetType = UNSET


class FieldOfMost(msgspec.Struct, frozen=True):
    """A field that most elements of an array gained or lost at once."""

    op: str
    path: str
    elements: int


class Note(msgspec.Struct, frozen=True):
    """What a reader should know of how the values at the pattern `path` were compared."""

    path: str
    message: str


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two documents.

    `kind` is `content`, `reorder` (only order differs), `format` (only whitespace, escapes, key order), `ignored`
    (only ignored fields) or, in a comparison, `none`. `similarity_score` is the share of leaf values unchanged;
    members that an object has twice count twice in it. `notes` say where a key of the settings could not match all, a
    value was too large to be compared in detail, or a pattern of the settings met nothing. `changes` are operations in
    the format `changes`, where a list was requested them: the first 100 of each delta, and 256 kB of them;
    `changes_complete` tells whether these are all.

    With the format `rows`: `total` rows, of which the filter leaves `matched`, of `records` records, on `lines` lines
    with the records' heads. With `unchanged` so many rows of what is the `same` are listed too, which count in `lines`
    and in nothing else. `place` is where the row that was asked for stands. `rail` is in base64 a byte for each
    thousandth of the lines, in which bits say what is there: 1 added, 2 removed, 4 replaced, 8 moved. `rows` are those
    of the window.
    """

    kind: str
    changes_count: int
    added: int
    removed: int
    replaced: int
    moved: int
    similarity_score: float
    fields: list[FieldChanges]
    schema_changes: list[FieldOfMost]
    notes: list[Note]
    format: FormatOrRows | UnsetType = UNSET
    diff: msgspec.Raw | UnsetType = UNSET
    changes: msgspec.Raw | UnsetType = UNSET
    changes_complete: bool | UnsetType = UNSET
    first: list[ChangeRow] | UnsetType = UNSET
    total: int | UnsetType = UNSET
    matched: int | UnsetType = UNSET
    records: int | UnsetType = UNSET
    lines: int | UnsetType = UNSET
    unchanged: int | UnsetType = UNSET
    place: int | UnsetType | None = UNSET
    keys: dict[str, KeyUsed] | UnsetType = UNSET
    rail: str | UnsetType = UNSET
    rows: list[ChangeRow] | UnsetType = UNSET


class Delta(Compared, frozen=True, kw_only=True):
    """What changed from one snapshot to another. A stored delta has the id of the snapshot it leads to."""

    id: str | UnsetType = UNSET
    endpoint_id: str
    from_snapshot_id: str
    to_snapshot_id: str
    captured_at: str


class Comparison(RowOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two snapshots by id, or two times of one endpoint (`to_time` absent: now).

    `diff` takes the place of the endpoint's settings. All from `start` on is for the format `rows`.
    """

    from_snapshot_id: str | None = None
    to_snapshot_id: str | None = None
    endpoint_id: str | None = None
    from_time: str | None = None
    to_time: str | None = None
    format: FormatOrRows = "json-patch"
    diff: DiffSettings | None = None


EXAMPLE: dict[str, Any] = {
    "id": "01985f0c-3f1a-7cc2-9a52-2f3b7f0c9d11",
    "endpoint_id": "01985f0c-3e00-7a40-8c11-5d2f6f5b0a01",
    "from_snapshot_id": "01985f0c-3e55-7b01-8f00-0a1b2c3d4e5f",
    "to_snapshot_id": "01985f0c-3f1a-7cc2-9a52-2f3b7f0c9d11",
    "captured_at": "2026-05-01T12:00:00.000Z",
    "kind": "content",
    "changes_count": 1,
    "added": 0,
    "removed": 0,
    "replaced": 1,
    "moved": 0,
    "similarity_score": 0.95,
    "fields": [{"path": "/prices/EUR", "changes": 1}],
    "schema_changes": [],
    "notes": [],
}
EXAMPLE_WITH_DIFF: dict[str, Any] = EXAMPLE | {
    "format": "json-patch",
    "diff": [{"op": "replace", "path": "/prices/EUR", "value": 1.0834}],
}
EXAMPLE_ROWS: dict[str, Any] = EXAMPLE | {
    "fields": [{"path": "/items/*/price", "changes": 1, "added": 0, "removed": 0, "replaced": 1, "moved": 0}],
    "format": "rows",
    "total": 1,
    "matched": 1,
    "records": 1,
    "lines": 2,
    "keys": {"/items": {"fields": ["sku"], "from": "found"}},
    "rail": "AAAA",
    "rows": [
        {
            "n": 0,
            "line": 1,
            "group": 0,
            "op": "replace",
            "field": "/items/*/price",
            "record": "/items/[sku=A7]",
            "at": "price",
            "cut": False,
            "label": "Ash table",
            "key": {"sku": "A7"},
            "before": 3,
            "after": 3,
            "old": 129,
            "new": 119.5,
        }
    ],
}
EXAMPLE_COMPARISON: dict[str, Any] = {
    "from_snapshot_id": "01985f0c-3e55-7b01-8f00-0a1b2c3d4e5f",
    "to_snapshot_id": "01985f0c-3f1a-7cc2-9a52-2f3b7f0c9d11",
    "format": "json-patch",
}


def delta(summary: Summary, *, endpoint: bytes, ends: tuple[bytes, bytes], captured_at: int, stored: bool) -> Delta:
    """`ends` are the ids of the two snapshots."""
    before, after = ends
    return Delta(
        id=ids.text(after) if stored else UNSET,
        endpoint_id=ids.text(endpoint),
        from_snapshot_id=ids.text(before),
        to_snapshot_id=ids.text(after),
        captured_at=times.format(captured_at),
        **msgspec.structs.asdict(compared(summary)),
    )


def compared(summary: Summary) -> Compared:
    return Compared(
        kind=summary.kind,
        changes_count=summary.changes_count,
        added=summary.added,
        removed=summary.removed,
        replaced=summary.replaced,
        moved=summary.moved,
        similarity_score=summary.similarity,
        fields=[FieldChanges(field.pattern, field.changes) for field in summary.fields],
        schema_changes=[FieldOfMost(change.op, change.pattern, change.elements) for change in summary.schema_changes],
        notes=[Note(note.pattern, note.message) for note in summary.notes],
    )


FIELDS = {
    "Delta.id": "Id of a stored delta: that of the snapshot it leads to",
    "from_snapshot_id": "The snapshot before",
    "to_snapshot_id": "The snapshot that the delta leads to",
    "Delta.captured_at": "When the snapshot it leads to was captured",
    "Delta.kind": (
        "`content`, `reorder` (only order differs), `format` (only whitespace, escapes or key order), `ignored` (only"
        " what the settings ignore) or, in a comparison, `none`"
    ),
    "Delta.changes_count": "`added`, `removed`, `replaced` and `moved` together",
    "Delta.added": "How many values were added",
    "Delta.removed": "How many values were removed",
    "Delta.replaced": "How many values were replaced",
    "Delta.moved": "How many elements of arrays moved",
    "Delta.similarity_score": "Share of the leaf values that are unchanged, from 0 to 1",
    "Delta.fields": "How many values changed, by field pattern",
    "Delta.schema_changes": "Fields that most elements of an array gained or lost at idempotency_key",
    "Delta.notes": "What to know of how the documents were compared",
    "Delta.format": "The format of `diff`",
    "Delta.diff": "The operations, in the format asked for",
    "Delta.changes": "The first operations, where a list was asked for them by `include=changes`",
    "Delta.first": "The first rows of the format `rows`, where a list was asked for them by `include=first:N`",
    "Delta.changes_complete": "Whether `changes` are all",
    "Delta.total": "Rows in all",
    "Delta.matched": "Rows that the filter leaves",
    "Delta.records": "Records that have some of these rows",
    "Delta.lines": "Lines of these rows, with a head for each record",
    "Delta.unchanged": "Rows of what is the same, of those that the filter leaves; with `unchanged`",
    "Delta.place": "Where the `row` asked for stands among the rows, from 0; null where the filter leaves none there",
    "Delta.keys": "By pattern of an array, the key its records were matched and named by",
    "Delta.rail": "Base64: a byte for each thousandth of the lines; 1 added, 2 removed, 4 replaced, 8 moved",
    "Delta.rows": "The rows of the window",
    "KeyUsed.fields": "The fields of the key",
    "KeyUsed.from": "`found`, or `settings`",
    "ChangeRow.n": "The row's number among all rows of the comparison",
    "ChangeRow.line": "Its line among those that the filter leaves; a record that moved is said by the head's line",
    "ChangeRow.group": "Number of its record among all of the comparison",
    "ChangeRow.op": "`add`, `remove`, `replace` or `move`; `same` for what did not change, with `unchanged`",
    "ChangeRow.field": "The field pattern",
    "ChangeRow.record": "Path of the record, by key where it has one; empty for the document",
    "ChangeRow.at": "The place in the record; empty for the record itself",
    "ChangeRow.label": "What people call the record",
    "ChangeRow.key": "The fields of its key, with their values",
    "ChangeRow.before": "Place in its array before, of the record, or of another element that came, went or moved",
    "ChangeRow.after": "The same after",
    "ChangeRow.old": "The value before, as it is written",
    "ChangeRow.new": "The value after; of a moved element that is no record too",
    "ChangeRow.old_text": "The number before as it is written, where a double would round it",
    "ChangeRow.new_text": "The number after, likewise",
    "ChangeRow.leaves": "How many leaf values an object or array has",
    "ChangeRow.text": "Of two texts: runs kept `=`, removed `-`, added `+`; `…` counts characters that are left out",
    "ChangeRow.cut": "Whether a value is longer than shown: GET /v1/snapshots/{id}/value has all of it",
    "Comparison.start": "The first row, of those that the filter leaves",
    "Comparison.count": "How many rows; fewer come where they are large",
    "Comparison.ops": "Only rows of these kinds",
    "Comparison.fields": "Only rows of fields that one of these patterns means",
    "Comparison.q": "Only rows with this text in their path, label or values, whatever its case and accents",
    "Comparison.value_limit": "Characters of a value",
    "Comparison.text_from": "Words of texts are compared from so many bytes on",
    "Comparison.row": "A path: `place` has where its row stands",
    "Comparison.unchanged": "With rows of the records and of the document's members that did not change",
    "FieldChanges.added": "Rows that add a value; with format=rows",
    "FieldChanges.removed": "Rows that remove one",
    "FieldChanges.replaced": "Rows that replace one",
    "FieldChanges.moved": "Rows that move an element",
    "FieldChanges.path": "The field pattern; `*` stands for any element",
    "FieldChanges.changes": "How many values changed under it",
    "FieldOfMost.op": "`add` or `remove`",
    "FieldOfMost.path": "Pattern of the field",
    "FieldOfMost.elements": "How many elements gained or lost it",
    "Note.path": "The pattern that the note is about",
    "Note.message": "The note",
}
FIELDS |= {f"Compared.{name}": FIELDS[f"Delta.{name}"] for name in Compared.__struct_fields__}
