"""Data types on the wire."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core.sync.judging import Conflicts


class TypeChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens when two devices changed a record, `last_write`, `reject` or `manual`, and the JSON Schema that
    records are to fit, null for none. What is left out stays."""

    conflicts: Conflicts | UnsetType = UNSET
    schema: dict[str, Any] | UnsetType | None = UNSET


class SyncType(msgspec.Struct, frozen=True):
    """`records` and the other counts are of the space of whoever asks."""

    data_type: str
    conflicts: Conflicts
    schema: dict[str, Any] | None
    updated_at: str | None
    records: int
    tombstones: int
    bytes: int


class TypeAnswer(msgspec.Struct, frozen=True):
    type: SyncType


EXAMPLE_CHANGE = {"conflicts": "manual", "schema": {"type": "object", "required": ["text"]}}
EXAMPLE = {
    "data_type": "notes",
    "conflicts": "manual",
    "schema": {"type": "object", "required": ["text"]},
    "updated_at": "2026-05-01T12:00:00.000Z",
    "records": 120,
    "tombstones": 4,
    "bytes": 48_210,
}

FIELDS = {
    "SyncType.data_type": "Its name",
    "SyncType.conflicts": "What happens when two devices changed a record: `last_write` wins, the later one is"
    " `reject`ed, or both wait for a choice (`manual`)",
    "SyncType.schema": "The JSON Schema that records are to fit; null for none",
    "SyncType.updated_at": "When it was set up; null for one that never was",
    "SyncType.records": "How many records there are",
    "SyncType.tombstones": "How many deletions are remembered",
    "SyncType.bytes": "How many bytes the records have",
    "TypeAnswer.type": "The data type as it is now",
}
"""What the API's description says of the fields of answers."""
