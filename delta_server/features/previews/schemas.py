"""Previews on the wire."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from delta_server.features.endpoints.service import DiffChange, RetentionChange

MOST_LAST = 1000


class PreviewRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`diff` or `retention` as they would be sent to change the endpoint: what is absent stays, null is the default."""

    diff: DiffChange | UnsetType | None = UNSET
    retention: RetentionChange | UnsetType | None = UNSET
    last: Annotated[int, Meta(ge=1, le=MOST_LAST)] = 200


class PreviewField(msgspec.Struct, frozen=True):
    path: str
    changes: int
    left: int


class DiffPreview(msgspec.Struct, frozen=True):
    """`of` deltas of the kind `content` were compared again, `silenced` of them would be of another kind, `loud` of the
    others would become one."""

    silenced: int
    of: int
    loud: int
    changes: int
    changes_left: int
    fields: list[PreviewField]
    snapshots: list[str]
    complete: bool


class RetentionPreview(msgspec.Struct, frozen=True):
    versions: int
    of: int
    bytes: int
    before: str | None


EXAMPLE_REQUEST = {"diff": {"ignore": ["/generated_at"]}, "last": 200}
EXAMPLE_DIFF = {
    "silenced": 12,
    "of": 199,
    "loud": 0,
    "changes": 611,
    "changes_left": 412,
    "fields": [{"path": "/generated_at", "changes": 199, "left": 0}],
    "snapshots": ["01985f0c-3f1a-7cc2-9a52-2f3b7f0c9d11"],
    "complete": True,
}

FIELDS = {
    "PreviewField.path": "The field pattern",
    "PreviewField.changes": "How many of its values changed in these deltas",
    "PreviewField.left": "How many would have been counted with the new settings",
    "DiffPreview.silenced": "Deltas of the kind `content` that would be of another kind: nothing that counts changed",
    "DiffPreview.of": "Deltas of the kind `content` among those that were compared again",
    "DiffPreview.loud": "Deltas of other kinds that would become one of the kind `content`",
    "DiffPreview.changes": "Changes in all of these deltas, as they are",
    "DiffPreview.changes_left": "As many as there would be",
    "DiffPreview.fields": "Fields whose counts would differ, what falls most first; a hundred at most",
    "DiffPreview.snapshots": "The snapshots that the silenced deltas lead to, the newest first",
    "DiffPreview.complete": "False when there was time for the newest of the deltas only",
    "RetentionPreview.versions": "Snapshots that would be deleted at once",
    "RetentionPreview.of": "Snapshots there are",
    "RetentionPreview.bytes": "About how many bytes of storage would become free",
    "RetentionPreview.before": "Snapshots captured before this moment would be deleted; null when all stay",
}
