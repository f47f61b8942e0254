"""What RxDB and WatermelonDB are answered."""

import msgspec

from delta_server.core.sync.watermelon import MAX_TABLES as MAX_TABLES
from delta_server.core.sync.watermelon import Migration, Named, Timestamp


class RxdbCheckpoint(msgspec.Struct, frozen=True):
    """Always this one member: RxDB merges checkpoints member by member."""

    cursor: str


class RxdbPage(msgspec.Struct, frozen=True):
    documents: list[msgspec.Raw]
    checkpoint: RxdbCheckpoint


class WatermelonTable(msgspec.Struct, frozen=True):
    """`created` is always empty."""

    created: list[msgspec.Raw]
    updated: list[msgspec.Raw]
    deleted: list[str]


class WatermelonChanges(msgspec.Struct, frozen=True):
    """What pullChanges returns."""

    changes: dict[str, WatermelonTable]
    timestamp: int
    experimental_strategy: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="experimentalStrategy")


class WatermelonPull(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What pullChanges is handed, and the tables of the client's schema."""

    last_pulled_at: Timestamp | None = None
    schema_version: int | None = None
    migration: Migration | None = None
    tables: list[Named] | None = None


class WatermelonPushed(msgspec.Struct, frozen=True):
    rows: int


EXAMPLE_DOCUMENT = {"id": "note-1", "text": "Milk", "_deleted": False}
EXAMPLE_PAGE = {"documents": [EXAMPLE_DOCUMENT], "checkpoint": {"cursor": "k1pWQpSkc3luYw"}}
EXAMPLE_ROWS = [{"newDocumentState": EXAMPLE_DOCUMENT, "assumedMasterState": {**EXAMPLE_DOCUMENT, "text": "Mil"}}]
EXAMPLE_RESYNC = """retry: 2000

id: 9f86d081884c7d65-42
data: "RESYNC"
"""
EXAMPLE_CHANGES = {
    "changes": {"notes": {"created": [], "updated": [{"id": "note-1", "text": "Milk"}], "deleted": ["note-2"]}},
    "timestamp": 5_497_558_138_922,
}
EXAMPLE_PULL = {"lastPulledAt": None, "schemaVersion": 1, "migration": None, "tables": ["notes"]}
EXAMPLE_PUSH = {
    "changes": {
        "notes": {
            "created": [{"id": "note-3", "_status": "created", "_changed": "text", "text": "Tea"}],
            "updated": [],
            "deleted": ["note-1"],
        }
    },
    "lastPulledAt": 5_497_558_138_922,
}

FIELDS = {
    "RxdbPage.documents": "Documents with `_deleted`, in the order of their changes; of a deleted one the id alone",
    "RxdbPage.checkpoint": "RxDB's checkpoint",
    "RxdbCheckpoint.cursor": "What the next pull brings as `cursor`",
    "WatermelonChanges.changes": "By tables",
    "WatermelonChanges.timestamp": "What the next pull brings as lastPulledAt; no time",
    "WatermelonChanges.experimentalStrategy": "`replacement`: rows that are not in it are gone",
    "WatermelonTable.created": "Always empty",
    "WatermelonTable.updated": "Rows that came or changed",
    "WatermelonTable.deleted": "Ids of deleted rows",
    "WatermelonPushed.rows": "How many rows came",
}
