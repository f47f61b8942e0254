"""Records and spaces as people see them, on the wire."""

from typing import Annotated

import msgspec
from msgspec import Meta

from delta_server.features.deltas.service import FormatOrRows, RowOptions


class RecordComparison(RowOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two versions of the record's history. All from `start` on is for the format `rows`."""

    from_version: Annotated[int, Meta(ge=1, le=1 << 62)]
    to_version: Annotated[int, Meta(ge=1, le=1 << 62)]
    format: FormatOrRows = "json-patch"


class RecordRestore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`version` is one of the record's history."""

    version: Annotated[int, Meta(ge=1, le=1 << 62)]


class Restored(msgspec.Struct, frozen=True):
    version: int


class SyncSpace(msgspec.Struct, frozen=True):
    owner: str
    version: int
    records: int
    bytes: int
    devices: int
    conflicts: int
    changed_at: str
    created_at: str


EXAMPLE_COMPARISON = {"from_version": 3, "to_version": 4, "format": "json-patch"}
EXAMPLE_COMPARED = {
    "kind": "content",
    "changes_count": 1,
    "added": 0,
    "removed": 0,
    "replaced": 1,
    "moved": 0,
    "similarity_score": 0.5,
    "fields": [{"path": "/text", "changes": 1}],
    "schema_changes": [],
    "notes": [],
    "format": "json-patch",
    "diff": [{"op": "replace", "path": "/text", "value": "Milk, eggs"}],
}
EXAMPLE_SPACE = {
    "owner": "ann",
    "version": 812,
    "records": 120,
    "bytes": 48_210,
    "devices": 3,
    "conflicts": 2,
    "changed_at": "2026-05-01T12:00:00.000Z",
    "created_at": "2026-03-01T12:00:00.000Z",
}

FIELDS = {
    "RecordComparison.from_version": "The version before",
    "RecordComparison.to_version": "The version after; it may be the older one",
    "RecordComparison.format": "As what the operations are written",
    "Restored.version": "The record's version now",
    "SyncSpace.owner": "Whose it is: a person's id, what a key says in x-sync-user, or nothing for the project's own",
    "SyncSpace.version": "The number of its newest change",
    "SyncSpace.records": "How many records it has",
    "SyncSpace.bytes": "How many bytes they have",
    "SyncSpace.devices": "How many devices push to it",
    "SyncSpace.conflicts": "How many conflicts wait for a choice",
    "SyncSpace.changed_at": "When it changed last",
    "SyncSpace.created_at": "When something was first pushed to it",
}
"""What the API's description says of the fields of answers."""
