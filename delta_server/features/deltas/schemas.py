"""Deltas on the wire."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import ids, times
from delta_server.core.diff.compare import DiffSettings
from delta_server.features.deltas.rows import Summary

Format = Literal["json-patch", "merge-patch", "changes"]


class FieldChanges(msgspec.Struct, frozen=True):
    """How many values changed under one field pattern, `*` standing for any element."""

    path: str
    changes: int


class FieldOfMost(msgspec.Struct, frozen=True):
    """A field that most elements of an array gained or lost at once."""

    op: str
    path: str
    elements: int


class Note(msgspec.Struct, frozen=True):
    """What a reader should know of how the values at the pattern `path` were compared."""

    path: str
    message: str


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """What changed from one snapshot to another. A stored delta has the id of the snapshot it leads to.

    `kind` is `content`, `reorder` (only order differs), `format` (only whitespace, escapes, key order), `ignored`
    (only ignored fields) or, in a comparison, `none`. `similarity_score` is the share of leaf values unchanged;
    members that an object has twice count twice in it. `notes` say where a key of the settings could not match all, a
    value was too large to be compared in detail, or a pattern of the settings met nothing. `changes` are operations in
    the format `changes`, where a list was requested them: the first 100 of each delta, and 256 kB of them;
    `changes_complete` tells whether these are all.
    """

    id: str | UnsetType = UNSET
    endpoint_id: str
    from_snapshot_id: str
    to_snapshot_id: str
    captured_at: str
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
    format: Format | UnsetType = UNSET
    diff: msgspec.Raw | UnsetType = UNSET
    changes: msgspec.Raw | UnsetType = UNSET
    changes_complete: bool | UnsetType = UNSET


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two snapshots by id, or two times of one endpoint (`to_time` absent: now).

    `diff` takes the place of the endpoint's settings.
    """

    from_snapshot_id: str | None = None
    to_snapshot_id: str | None = None
    endpoint_id: str | None = None
    from_time: str | None = None
    to_time: str | None = None
    format: Format = "json-patch"
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
    "Delta.changes_complete": "Whether `changes` are all",
    "FieldChanges.path": "The field pattern; `*` stands for any element",
    "FieldChanges.changes": "How many values changed under it",
    "FieldOfMost.op": "`add` or `remove`",
    "FieldOfMost.path": "Pattern of the field",
    "FieldOfMost.elements": "How many elements gained or lost it",
    "Note.path": "The pattern that the note is about",
    "Note.message": "The note",
}
