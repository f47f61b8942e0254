"""What happens in a space, on the wire."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import times
from delta_server.core.sync.judging import DELETED
from delta_server.features.sync.people.activity import Active, RecentPage
from delta_server.features.sync.people.store import Recent


class SyncDay(msgspec.Struct, frozen=True):
    day: str
    changes: int
    deletions: int


class DeviceChanges(msgspec.Struct, frozen=True):
    device_id: str | None
    changes: int


class TypeStats(msgspec.Struct, frozen=True):
    """`changes_by_day` and `devices` are of the days for which history is kept."""

    data_type: str
    records: int
    tombstones: int
    bytes: int
    last_changed_at: str | None
    changes_by_day: Sequence[SyncDay]
    devices: Sequence[DeviceChanges]


class RecentChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """A version without its content."""

    version: int
    data_type: str
    record_id: str
    operation: Literal["insert", "update", "delete"]
    bytes: int
    changed_at: str
    previous: int | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    device_id: str | UnsetType = UNSET


def stats(found: Active) -> TypeStats:
    of, days = found.collection, found.days
    return TypeStats(
        of.data_type,
        of.records,
        of.tombstones,
        of.size_bytes,
        None if found.changed_at is None else times.format(found.changed_at),
        [SyncDay(times.format(day * times.DAY_MS)[:10], *counts) for day, counts in sorted(days.by_day.items())],
        [
            DeviceChanges(found.device_ids.get(device), changes)
            for device, changes in sorted(days.by_device.items(), key=lambda each: (-each[1], each[0]))
        ],
    )


def recent(page: RecentPage) -> list[RecentChange]:
    return [_recent(change, page) for change in page.found]


def _recent(change: Recent, page: RecentPage) -> RecentChange:
    return RecentChange(
        change.seq,
        change.data_type,
        change.record_id,
        "delete" if change.kind == DELETED else "insert" if change.previous is None else "update",
        change.size_bytes,
        times.format(change.changed_at),
        UNSET if change.previous is None else change.previous,
        UNSET if change.updated_at is None else times.format(change.updated_at),
        UNSET if change.device is None else page.device_ids.get(change.device, UNSET),
    )


EXAMPLE_STATS = {
    "data_type": "notes",
    "records": 3,
    "tombstones": 1,
    "bytes": 420,
    "last_changed_at": "2026-05-01T12:00:00.000Z",
    "changes_by_day": [{"day": "2026-05-01", "changes": 5, "deletions": 1}],
    "devices": [{"device_id": "phone-1", "changes": 5}],
}
EXAMPLE_RECENT = {
    "version": 42,
    "data_type": "notes",
    "record_id": "note-1",
    "operation": "update",
    "bytes": 15,
    "changed_at": "2026-05-01T12:00:00.000Z",
    "previous": 41,
    "device_id": "phone-1",
}
FIELDS = {
    "TypeStats.data_type": "The data type",
    "TypeStats.records": "Living records",
    "TypeStats.tombstones": "Deletions that are remembered",
    "TypeStats.bytes": "Of the living records",
    "TypeStats.last_changed_at": "When the newest change came; null when it is not kept any more",
    "TypeStats.changes_by_day": "Days with changes, of the last `sync.history_days`, the oldest first",
    "TypeStats.devices": "Those that changed something in these days, the most active first",
    "SyncDay.day": "In UTC",
    "SyncDay.changes": "Changes of the day, deletions among them",
    "SyncDay.deletions": "Deletions of the day",
    "DeviceChanges.device_id": "What the device calls itself; null for the server itself",
    "DeviceChanges.changes": "Changes that it made",
    "RecentChange.version": "The number of the change",
    "RecentChange.data_type": "The record's data type",
    "RecentChange.record_id": "The record",
    "RecentChange.operation": "`insert`, `update` or `delete`",
    "RecentChange.bytes": "Of the record since then",
    "RecentChange.changed_at": "When the server took it",
    "RecentChange.previous": "The version before",
    "RecentChange.updated_at": "When the device says it changed",
    "RecentChange.device_id": "The device that pushed it; absent for what the server itself changed",
}
