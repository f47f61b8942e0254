"""What is sent to the routes that take events, by example, and what they answer."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from delta_server.core.events.event_batch import Rejected


class Taken(msgspec.Struct, frozen=True):
    """`duplicates` had the message id of an event that is there; `rejected` are listed by their place in the
    request."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]
    success: bool = True


class PartialSuccess(msgspec.Struct, frozen=True, rename="camel"):
    """The number is a string: JSON's are not large enough for OTLP's."""

    rejected_log_records: str
    error_message: str


class LogsTaken(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    partial_success: PartialSuccess | None = None


Kept = Annotated[int, Meta(ge=0, le=36_500)]


class NewRetention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days; 0 keeps for ever. What is absent or null is the server's default."""

    days: Kept | None = None
    types: dict[Annotated[str, Meta(min_length=1, max_length=1000)], Kept] | None = None
    rollups: "NewRollups | None" = None


class NewRollups(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days that counts are kept, by their interval; they outlive the events. 0 keeps for ever. 15m are kept at
    least as long as 1h: where clocks are half an hour off, days and hours are made of them."""

    every_1m: Kept | None = msgspec.field(name="1m", default=None)
    every_5m: Kept | None = msgspec.field(name="5m", default=None)
    every_15m: Kept | None = msgspec.field(name="15m", default=None)
    every_1h: Kept | None = msgspec.field(name="1h", default=None)
    every_1d: Kept | None = msgspec.field(name="1d", default=None)


class StatsShown(msgspec.Struct, frozen=True):
    """Events that wait to be sealed, sealed ones, and rollups. Bytes are what is in the database file; `json_bytes`
    what the sealed events were as JSON."""

    waiting_events: int
    waiting_bytes: int
    sealed_events: int
    segments: int
    segment_bytes: int
    json_bytes: int
    rollups: int
    rollup_bytes: int
    first_at: str | None
    last_at: str | None
    refused: list["RefusedShown"]


class RefusedShown(msgspec.Struct, frozen=True):
    """Events refused since the server started; a request that was refused as a whole counts as one."""

    key: str
    reason: str
    count: int
    last_at: str


EXAMPLE_EVENT: dict[str, Any] = {
    "messageId": "0b0d5a9e-3c7e-4a55-9a2e-6f2f7f9a1c11",
    "timestamp": "2026-05-01T12:00:00.000Z",
    "eventType": "purchase",
    "source": "web",
    "userId": "user-17",
    "sessionId": "s-4711",
    "duration": 182.5,
    "priority": "normal",
    "status": "ok",
    "tags": ["checkout"],
    "data": {"plan": "pro", "amount": 29.9},
    "metadata": {"region": "eu"},
}
EXAMPLE_TAKEN: dict[str, Any] = {"success": True, "accepted": 1, "duplicates": 0, "rejected": []}
EXAMPLE_BATCH_TAKEN: dict[str, Any] = {
    "success": True,
    "accepted": 1,
    "duplicates": 0,
    "rejected": [
        {
            "index": 1,
            "messageId": "0b0d5a9e-3c7e-4a55-9a2e-6f2f7f9a1c12",
            "code": "VALIDATION_ERROR",
            "message": "userId must be a string or a number",
        }
    ],
}
_WHO: dict[str, Any] = {
    "messageId": "ajs-next-1777636800000-6f2f7f9a-1c11",
    "userId": "user-17",
    "anonymousId": None,
    "timestamp": "2026-05-01T12:00:00.000Z",
    "context": {"library": {"name": "analytics.js", "version": "npm:next-1.84.0"}},
}
EXAMPLE_CALLS: dict[str, dict[str, Any]] = {
    "track": {"event": "Order Completed", "properties": {"total": 29.9}, **_WHO},
    "identify": {"traits": {"email": "ada@example.com", "plan": "pro"}, **_WHO},
    "page": {"name": "Pricing", "category": "Docs", "properties": {"path": "/pricing"}, **_WHO},
    "screen": {"name": "Settings", "properties": {"tab": "billing"}, **_WHO},
    "group": {"groupId": "acme", "traits": {"seats": 12}, **_WHO},
    "alias": {"previousId": "anonymous-4711", **_WHO},
}
EXAMPLE_CALL_BATCH: dict[str, Any] = {
    "batch": [{"type": "track", **EXAMPLE_CALLS["track"]}],
    "sentAt": "2026-05-01T12:00:01.000Z",
    "writeKey": "dk_write_...",
}
EXAMPLE_LOGS: dict[str, Any] = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "checkout"}}]},
            "scopeLogs": [
                {
                    "logRecords": [
                        {
                            "timeUnixNano": "1777636800000000000",
                            "severityNumber": 17,
                            "eventName": "payment.failed",
                            "body": {"stringValue": "card declined"},
                            "attributes": [{"key": "user.id", "value": {"stringValue": "user-17"}}],
                        }
                    ]
                }
            ],
        }
    ]
}


EXAMPLE_RETENTION = {"days": 365, "types": {"debug": 7, "purchase": 0}, "rollups": {"1m": 14}}
EXAMPLE_STATS = {
    "waiting_events": 4200,
    "waiting_bytes": 190_000,
    "sealed_events": 1_310_720,
    "segments": 2,
    "segment_bytes": 38_000_000,
    "json_bytes": 367_000_000,
    "rollups": 40,
    "rollup_bytes": 2_400_000,
    "first_at": "2026-05-01T12:00:00.000Z",
    "last_at": "2026-05-31T08:30:00.000Z",
    "refused": [{"key": "key_3f", "reason": "PAYLOAD_TOO_LARGE", "count": 3, "last_at": "2026-05-31T08:30:00.000Z"}],
}


def source_config(write_key: str) -> dict[str, Any]:
    """What RudderStack's clients ask their control plane for: a source that is switched on, with no destinations but
    the data plane that the page names."""
    off = {"enabled": False}
    return {
        "source": {
            "id": "delta",
            "name": "delta",
            "writeKey": write_key,
            "enabled": True,
            "workspaceId": "delta",
            "config": {"statsCollection": {"errors": off, "metrics": off}},
            "destinations": [],
            "updatedAt": "2026-01-01T00:00:00.000Z",
            "dataplanes": {},
        }
    }


def browser_settings(write_key: str) -> dict[str, Any]:
    """What analytics-next requests from its CDN before it sends anything: the one destination, which is the sender
    itself, and no plan that would hold an event back. Where to send stays what the page said (`apiHost`): no answer may
    depend on the Host header. Metrics of its own are switched off."""
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": write_key,
                "unbundledIntegrations": [],
                "addBundledMetadata": True,
                "maybeBundledConfigIds": {},
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            }
        },
        "plan": {
            "track": {"__default": {"enabled": True, "integrations": {}}},
            "identify": {"__default": {"enabled": True}},
            "group": {"__default": {"enabled": True}},
        },
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }


FIELDS = {
    "Taken.accepted": "How many events were stored",
    "Taken.duplicates": "How many had the message id of a stored event",
    "Taken.rejected": "The events that were refused, by their place in the request",
    "Taken.success": "True: the request was taken",
    "Rejected.index": "The event's place in the request, from 0",
    "Rejected.messageId": "Its message id, if it has one",
    "Rejected.code": "Why it was refused, for programs",
    "Rejected.message": "Why it was refused",
    "partialSuccess": "What was refused; absent when nothing was",
    "rejectedLogRecords": "How many log records were refused, as a string",
    "errorMessage": "Why",
    "waiting_events": "Events that are not in files yet",
    "waiting_bytes": "What they take in the database",
    "sealed_events": "Events in Parquet files",
    "StatsShown.segments": "How many such files there are",
    "segment_bytes": "What these take in the database",
    "json_bytes": "What the events in files were as JSON",
    "StatsShown.rollups": "How many files of counts there are",
    "rollup_bytes": "What these take in the database",
    "StatsShown.first_at": "Time of the first event",
    "StatsShown.last_at": "Time of the latest event",
    "StatsShown.refused": "What was refused since the server started",
    "RefusedShown.key": "Id of the key that sent it",
    "RefusedShown.reason": "Why, for programs",
    "RefusedShown.count": "How many events",
    "RefusedShown.last_at": "When it was last",
    "EventRetention.days": "Days that events are kept: 0 for ever, null as the server says",
    "EventRetention.types": "Days by event type, where they differ",
    "EventRetention.rollups": "Days that counts are kept, by their interval",
}
