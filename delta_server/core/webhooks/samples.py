"""What a test of a webhook says: as a real message of the type, about nothing."""

from typing import Any

from delta_server.core.webhooks.kinds import TEST

_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
_TIME = "2026-05-01T12:00:00.000Z"
_ENDPOINT = {"id": _ID, "name": "a test"}
_SNAPSHOT = {"id": _ID, "captured_at": _TIME, "received_at": _TIME, "size_bytes": 2, "source": "test"}
_DELTA = {
    "id": _ID,
    "from_snapshot_id": _ID,
    "to_snapshot_id": _ID,
    "captured_at": _TIME,
    "kind": "content",
    "changes_count": 1,
    "added": 0,
    "removed": 0,
    "replaced": 1,
    "moved": 0,
    "similarity_score": 0.98,
}
_ALERT = {
    "id": _ID,
    "rule_id": _ID,
    "rule": "A test",
    "kind": "threshold",
    "record": None,
    "label": None,
    "limit": "over 137",
    "value": 140,
    "most": 140,
    "text": "A test: 140, over 137",
    "raised_at": _TIME,
    "cleared_at": None,
    "snapshot_id": _ID,
}
_ANOMALY: dict[str, Any] = {
    "id": _ID,
    "kind": "spike",
    "series": "field",
    "name": "/metadata/count",
    "endpoint_id": _ENDPOINT["id"],
    "endpoint": _ENDPOINT["name"],
    "state": "open",
    "began_at": _TIME,
    "ended_at": None,
    "peak_at": _TIME,
    "value": 320.0,
    "expected": {"low": 118.0, "high": 141.0},
    "deviations": 38.8,
    "new_value": None,
    "breakdown": [],
    "text": "/metadata/count: 320, where 118 to 141 are usual",
}
_LINE = {"alert_id": _ID, "what": "raised", "text": _ALERT["text"], "held": False}
_POLL = {"time": _TIME, "status": 200, "class": None, "detail": None, "failures": 0, "since": None, "state": "on"}
_FAILING = {"failures": 3, "since": _TIME, "state": "backing_off"}
_SCHEMA = {
    "level": "breaking",
    "snapshot_id": _ID,
    "captured_at": _TIME,
    "count": 1,
    "changes": [{"path": "/items/*/price", "what": "nullable", "level": "breaking", "now": None}],
}
_QUOTA = {"name": "endpoints", "use": 10, "limit": 10, "resets_at": None}
_EVENT = {"eventType": "page_view", "timestamp": _TIME, "messageId": "m-1"}

_OF_FAMILY: dict[str, dict[str, Any]] = {
    "snapshot": {"endpoint": _ENDPOINT, "snapshot": {**_SNAPSHOT, "unchanged": False}},
    "delta": {
        "endpoint": _ENDPOINT,
        "delta": _DELTA,
        "fields": [{"path": "/items/*/price", "changes": 1}],
        "fields_count": 1,
    },
    "endpoint": {"endpoint": _ENDPOINT},
    "event": {"events": [_EVENT], "count": 1},
    "poll": {"endpoint": _ENDPOINT, "poll": _POLL},
    "alert": {"endpoint": _ENDPOINT, "alert": _ALERT, "tell": []},
    "anomaly": {"anomaly": _ANOMALY, "endpoint": _ENDPOINT},
    "schema": {"endpoint": _ENDPOINT, "schema": _SCHEMA},
    "webhook": {"webhook": {"id": _ID, "name": "A test", "reason": "it answered 410"}},
    "quota": {"quota": _QUOTA, "message": "the plan allows 10 endpoints, of which 10 are used"},
}
_OF_KIND: dict[str, dict[str, Any]] = {
    "snapshot.unchanged": {"endpoint": _ENDPOINT, "snapshot": {**_SNAPSHOT, "unchanged": True}},
    "field.changed": _OF_FAMILY["delta"],
    "poll.failed": {
        "endpoint": _ENDPOINT,
        "poll": {
            **_POLL,
            "status": 503,
            "class": "status",
            "detail": "503",
            "failures": 3,
            "since": _TIME,
            "state": "backing_off",
        },
    },
    "alert.cleared": {"endpoint": _ENDPOINT, "alert": {**_ALERT, "cleared_at": _TIME}, "tell": []},
    "alert.digest": {"digest": {"count": 1, "lines": [_LINE]}},
}
_MISFIT = {"path": "/items/0/price", "reason": '"12" is not of type "number"'}
_OF_KIND["schema.violated"] = {"endpoint": _ENDPOINT, "snapshot_id": _ID, "captured_at": _TIME, "misfits": [_MISFIT]}
_ANY = {"message": "this is a test"}


def sample(kind: str) -> dict[str, Any]:
    if kind == TEST:
        return _ANY
    return _OF_KIND.get(kind) or _OF_FAMILY[kind.partition(".")[0]]
