"""An event as answers show it: the names that clients send, times written out."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from delta_server.core import times
from delta_server.core.events.event import FLAG_NAMES, Event, key_of


class EventJson(msgspec.Struct, frozen=True, rename="camel"):
    """`originalTimestamp` is there when the sender's clock was corrected; `flags` tell what was odd about its times.
    `key` is the id of the API key it came with."""

    message_id: str
    event_type: str
    timestamp: str
    received_at: str
    source: str | None
    user_id: str | None
    anonymous_id: str | None
    session_id: str | None
    duration: float | None
    priority: int | None
    status: str | None
    tags: list[str] | None
    data: msgspec.Raw | None
    metadata: msgspec.Raw | None
    original_timestamp: str | UnsetType = UNSET
    flags: list[str] | UnsetType = UNSET
    key: str | UnsetType = UNSET


NO_KEYS: Mapping[int, str] = {}


def to_json(found: Mapping[str, Any], keys: Mapping[int, str] = NO_KEYS) -> EventJson:
    """An event from a row of the event log's relation, by column; `data` and `metadata` are JSON texts. `keys` are the
    ids of keys by their numbers."""
    flags = found["flags"] or 0
    original_at = found["original_at"]
    return EventJson(
        message_id=found["message_id"],
        event_type=found["event_type"],
        timestamp=times.format(found["time_ms"]),
        received_at=times.format(found["received_at"]),
        source=found["source"],
        user_id=found["user_id"],
        anonymous_id=found["anonymous_id"],
        session_id=found["session_id"],
        duration=found["duration"],
        priority=found["priority"],
        status=found["status"],
        tags=found["tags"],
        data=_raw(found["data"]),
        metadata=_raw(found["metadata"]),
        original_timestamp=UNSET if original_at is None else times.format(original_at),
        flags=[name for bit, name in FLAG_NAMES.items() if flags & bit] or UNSET,
        key=keys.get(key_of(flags), UNSET),
    )


def _raw(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())


_RAW = {"data", "metadata"}
_Line: Any = msgspec.defstruct(
    "_Line",
    [
        (
            field.name,
            msgspec.Raw if field.name in _RAW else field.type,
            msgspec.field(name=field.encode_name, default=msgspec.Raw(b"") if field.name in _RAW else field.default),
        )
        for field in sorted(msgspec.structs.fields(Event), key=lambda field: not field.required)
    ],
)
"""An Event that can be decoded: Raw cannot be one type of several there."""

_decode = msgspec.json.Decoder(_Line).decode_lines
_COLUMNS = {"at": "time_ms", "type": "event_type"}


def of_lines(lines: bytes, keys: Mapping[int, str] = NO_KEYS) -> list[tuple[int, EventJson]]:
    """(seq, event) of each line of a hot block."""
    return [(line.seq, to_json(_row(line), keys)) for line in _decode(lines)]


def _row(line: Any) -> dict[str, Any]:
    found = {_COLUMNS.get(name, name): getattr(line, name) for name in line.__struct_fields__}
    found |= {name: found[f"{name}_text"] or bytes(found[name]).decode() or None for name in _RAW}
    return found if found["message_id"] else {**found, "message_id": f"e-{line.seq:x}"}
