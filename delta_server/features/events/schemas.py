"""What is sent to the routes that take events, by example, and what they answer."""

from typing import Any

import msgspec

from delta_server.core.events.event_batch import Rejected


class Taken(msgspec.Struct, frozen=True):
    """`duplicates` had the message id of an event that is there; `rejected` are told by their place in the request."""

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
    """What analytics-next asks its CDN for before it sends anything: the one destination, which is the sender itself,
    and no plan that would hold an event back. Where to send stays what the page said (`apiHost`): no answer may
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
