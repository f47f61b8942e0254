"""Records and spaces as people see them, on the wire."""

from typing import Annotated

import msgspec
from msgspec import Meta


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
