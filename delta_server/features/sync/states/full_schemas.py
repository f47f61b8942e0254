"""Full sync on the wire: status, digests, what differs."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from delta_server.core.sync.changes import RecordId
from delta_server.features.sync.states.comparing import MOST_BUCKETS, MOST_RECORDS


class TypeStatus(msgspec.Struct, frozen=True):
    """`cursor` is that of whoever has all of it."""

    data_type: str
    version: int
    records: int
    tombstones: int
    bytes: int
    digest: str
    cursor: str


class SpaceUse(msgspec.Struct, frozen=True):
    used: int
    limit: int


class SyncStatus(msgspec.Struct, frozen=True):
    version: int
    types: Sequence[TypeStatus]
    records: SpaceUse
    bytes: SpaceUse
    devices: SpaceUse


class SyncDigestQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without `records` the digests of so many buckets are asked for; with them what differs, in one bucket or all."""

    data_type: Annotated[str, Meta(min_length=1, max_length=100)]
    buckets: Annotated[int, Meta(ge=1, le=MOST_BUCKETS)] = 1
    bucket: Annotated[int, Meta(ge=0, lt=MOST_BUCKETS)] | None = None
    records: Annotated[dict[RecordId, int], Meta(max_length=MOST_RECORDS)] | None = None


class SyncDigest(msgspec.Struct, frozen=True, omit_defaults=True):
    buckets: Sequence[str] | UnsetType = UNSET
    missing: Mapping[str, int] | UnsetType = UNSET
    different: Mapping[str, int] | UnsetType = UNSET
    unknown: Sequence[str] | UnsetType = UNSET
    has_more: bool | UnsetType = UNSET


EXAMPLE_STATUS = {
    "version": 42,
    "types": [
        {
            "data_type": "notes",
            "version": 42,
            "records": 3,
            "tombstones": 1,
            "bytes": 420,
            "digest": "9f86d081884c7d659a2feaa0c55ad015",
            "cursor": "k1pWQpSkc3luYw",
        }
    ],
    "records": {"used": 3, "limit": 1_000_000},
    "bytes": {"used": 420, "limit": 1_073_741_824},
    "devices": {"used": 2, "limit": 100},
}
EXAMPLE_QUESTION = {"data_type": "notes", "records": {"note-1": 4, "note-9": 2}}
EXAMPLE_DIFFERENCE = {"missing": {"note-2": 7}, "different": {"note-1": 9}, "unknown": ["note-9"], "has_more": False}
EXAMPLE_DOWNLOAD = """{"snapshot":"k1pWQpSkc3luYw","until":42}
{"data_type":"notes","record_id":"note-1","operation":"upsert","version":4,"data":{"text":"Milk"}}
{"cursor":{"notes":"k1pWQpSkc3luYw"},"counts":{"notes":1},"digest":{"notes":"9f86d081884c7d659a2feaa0c55ad015"}}
"""

FIELDS = {
    "SyncStatus.version": "The newest number of the space",
    "SyncStatus.types": "Its data types, by name",
    "SyncStatus.records": "Of all types",
    "SyncStatus.bytes": "Of all types",
    "SyncStatus.devices": "Those that were not removed",
    "SpaceUse.used": "How much there is",
    "SpaceUse.limit": "How much there may be",
    "TypeStatus.data_type": "What the records are",
    "TypeStatus.version": "The newest number of the type",
    "TypeStatus.records": "Records that are not deleted",
    "TypeStatus.tombstones": "Deletions that are remembered",
    "TypeStatus.bytes": "Bytes of the records",
    "TypeStatus.digest": "Exclusive or of the first 16 bytes of SHA-256(id, a byte 0, checksum) of all records, in hex",
    "TypeStatus.cursor": "Where who has all of it goes on",
    "SyncDigest.buckets": "Digests of the buckets. A record is in that of the first four bytes of its id's SHA-256, "
    "as a number, modulo their count",
    "SyncDigest.missing": "Records that are here and were not named, with their versions",
    "SyncDigest.different": "Records that are here in another version, which it says",
    "SyncDigest.unknown": "Records that were named and are not here, or are deleted",
    "SyncDigest.has_more": "Whether more are missing than are named: ask bucket by bucket",
}
