"""Usage on the wire."""

import msgspec

from delta_server.core import times
from delta_server.core.errors import Quota
from delta_server.features.usage.store import Occupied, Usage, UsedHour


class UsageAnswer(msgspec.Struct, frozen=True):
    usage: Usage
    plan: str
    quotas: list[Quota]
    occupied: Occupied | None


class UsageRow(msgspec.Struct, frozen=True):
    start: str
    snapshots: int
    events: int
    storage_bytes: int | None


def row(used: UsedHour) -> UsageRow:
    return UsageRow(times.format(used.start), used.snapshots, used.events, used.storage_bytes)


EXAMPLE = {
    "usage": {"endpoints": 4, "snapshots": 48211, "contents": 3127, "raw_bytes": 406001223, "stored_bytes": 1402113},
    "plan": "free",
    "quotas": [
        {"name": "snapshots_per_hour", "use": 61, "limit": 100, "resets_at": "2026-05-01T13:00:00.000Z"},
        {"name": "storage_bytes", "use": 9022113, "limit": 100000000, "resets_at": None},
        {"name": "endpoints", "use": 4, "limit": 5, "resets_at": None},
        {"name": "events_per_month", "use": 20331, "limit": 100000, "resets_at": "2026-06-01T00:00:00.000Z"},
    ],
    "occupied": {"document_bytes": 6120113, "event_bytes": 2700000, "key_bytes": 202000, "profile_bytes": 0}
    | {"dataset_bytes": 0, "record_bytes": 0},
}
EXAMPLE_ROW = {"start": "2026-05-01T12:00:00.000Z", "snapshots": 61, "events": 412, "storage_bytes": 9022113}
FIELDS = {
    "UsageAnswer.usage": "What the project stores",
    "UsageAnswer.plan": "The plan it has",
    "UsageAnswer.quotas": "What it has used of each row of its plan",
    "UsageAnswer.occupied": "What it takes as storage; null until what an older version stored is counted",
    "Usage.endpoints": "How many endpoints it has",
    "Usage.snapshots": "How many snapshots it has",
    "Usage.contents": "How many different documents it has, equal ones in a row counted once",
    "Usage.raw_bytes": "Size of the documents as they were sent",
    "Usage.stored_bytes": "Size that they take in the database",
    "Quota.name": "The row of the plan",
    "Quota.use": "How much of it is used; null where nothing is counted yet",
    "Quota.limit": "How much the plan allows; null is unlimited",
    "Quota.resets_at": "When the count begins again; null where it does not by itself",
    "Occupied.document_bytes": "Documents with the rows of their snapshots, those that are being deleted too",
    "Occupied.event_bytes": "Events and the counts kept of them",
    "Occupied.key_bytes": "Keys by which duplicate events are known",
    "Occupied.profile_bytes": "Profiles of persons and groups",
    "Occupied.dataset_bytes": "Deliveries of datasets, as they are stored",
    "Occupied.record_bytes": "The newest versions of synced records",
    "UsageRow.start": "When the hour or the day began",
    "UsageRow.snapshots": "Snapshots that requests added in it",
    "UsageRow.events": "Events that were stored in it",
    "UsageRow.storage_bytes": "The most that was stored in all; null where that did not change",
}
