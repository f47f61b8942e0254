"""Schemas of event types on the wire."""

import msgspec

from delta_server.core import times
from delta_server.core.schemas.changes import Level, SchemaChange
from delta_server.core.schemas.writing import ListedField
from delta_server.features.event_schemas.store import ChangeRow, ListedType


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    event_type: str
    events: int
    learned_until: str
    changes: int
    changed_at: str


class EventTypeSchema(msgspec.Struct, frozen=True, kw_only=True):
    event_type: str
    events: int
    learned_until: str
    is_behind: bool
    changes: int
    fields: list[ListedField]
    complete: bool


class EventTypeChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What events did to the schema of their type; `level` is null of the first ones."""

    changed_at: str
    level: Level | None
    count: int
    changes: list[SchemaChange]


def event_type(row: ListedType) -> EventType:
    return EventType(
        event_type=row.event_type,
        events=row.events,
        learned_until=times.format(row.learned_at),
        changes=row.changes,
        changed_at=times.format(row.changed_at),
    )


def changes(row: ChangeRow) -> EventTypeChanges:
    return EventTypeChanges(
        changed_at=times.format(row.changed_at), level=row.level, count=row.count, changes=list(row.changes)
    )


FIELDS = {
    "EventType.event_type": "The type, as events name it",
    "EventType.events": "How many of its events were looked at",
    "EventType.learned_until": "When the last of these was received",
    "EventType.changes": "How often its schema changed, the first time among them",
    "EventType.changed_at": "When it changed last",
    "EventTypeSchema.event_type": "The type, as events name it",
    "EventTypeSchema.events": "How many of its events it was learned from, a sample of all",
    "EventTypeSchema.learned_until": "When the last of these was received; with `at`, the one that made it so",
    "EventTypeSchema.is_behind": "Whether the project has events that are still to be looked at",
    "EventTypeSchema.changes": "How often it changed, the first time among them",
    "EventTypeSchema.fields": "Each place in the events, behind the one it is in; 5,000 at most",
    "EventTypeSchema.complete": "False when it has more places",
    "EventTypeChanges.changed_at": "When the event was received that did not fit, the last one of several",
    "EventTypeChanges.level": "`breaking` when what readers relied on no longer holds; null of the first events",
    "EventTypeChanges.count": "How many changes there were",
    "EventTypeChanges.changes": "The first 200 of them",
}
EXAMPLE_TYPE = {
    "event_type": "purchase",
    "events": 1200,
    "learned_until": "2026-05-01T12:00:00.000Z",
    "changes": 2,
    "changed_at": "2026-04-30T09:00:00.000Z",
}
EXAMPLE = {
    "event_type": "purchase",
    "events": 1200,
    "learned_until": "2026-05-01T12:00:00.000Z",
    "is_behind": False,
    "changes": 2,
    "fields": [
        {
            "path": "/data/currency",
            "types": ["string"],
            "optional": False,
            "nullable": False,
            "is_map": False,
            "format": None,
            "values": ["EUR", "USD"],
            "examples": [],
            "minimum": None,
            "maximum": None,
            "changed_at": None,
        }
    ],
    "complete": True,
}
EXAMPLE_CHANGES = {
    "changed_at": "2026-04-30T09:00:00.000Z",
    "level": "breaking",
    "count": 1,
    "changes": [{"path": "/data/price", "what": "nullable", "level": "breaking", "now": None}],
}
