"""What the parts of an event may be, whichever protocol brings it. All raise Invalid."""

from typing import Any

import msgspec

from delta_server.core.errors import Invalid, TooLarge
from delta_server.core.events.event_time import Arrival
from delta_server.core.json import json_text

MOST_TYPE = 200
MOST_ID = 512
MOST_MESSAGE_ID = 200
MOST_STATUS = 200
MOST_TAGS = 100
MOST_TAG = 200
MOST_DEPTH = 100
LARGEST_DURATION = 1e15

PRIORITIES = {"low": 10, "normal": 20, "high": 30, "critical": 40}

KEY_NAMES = frozenset({"writeKey", "write_key"})
"""Where a body may hold its sender's key, which is kept with no event."""

NULL = msgspec.Raw(b"null")
"""The default of fields that hold JSON: a union with None would let msgspec take null alone."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def size(raw: msgspec.Raw | bytes, arrival: Arrival, beside_bytes: int = 0) -> None:
    """Raise TooLarge if an event, with what is kept with it that others have too, is larger than events.event_bytes."""
    size_bytes = len(raw) + beside_bytes
    if size_bytes > arrival.event_bytes:
        raise TooLarge(f"the event has {size_bytes} bytes, more than events.event_bytes = {arrival.event_bytes}")


def text(value: Any, field: str, most: int) -> str | None:
    """A text of at most `most` characters, of a number its digits; None for null and the empty text."""
    if value is None or (type(value) is str and 0 < len(value) <= most and "\0" not in value):
        return value
    if type(value) is int or type(value) is float:
        value = digits(value)
    if type(value) is not str:
        raise Invalid(f"{field} must be a string or a number", field=field)
    if len(value) > most:
        raise Invalid(f"{field} has {len(value)} characters: at most {most} are allowed", field=field)
    if "\0" in value:
        raise Invalid(f"{field} contains the character U+0000, which is not allowed", field=field)
    return value or None


def event_type(value: Any, field: str = "eventType") -> str:
    found = text(value, field, MOST_TYPE)
    if found is None:
        raise Invalid(f"{field} is missing: say what happened, in up to {MOST_TYPE} characters", field=field)
    return found


def digits(value: float) -> str:
    """A number as text: 1 and 1.0 are one id."""
    if type(value) is int:
        return str(value) if abs(value) < 10**MOST_ID else "9" * (MOST_ID + 1)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def duration(value: Any) -> float | None:
    if value is None:
        return None
    if (type(value) is int or type(value) is float) and 0 <= value <= LARGEST_DURATION:
        found: float = value
        return found
    raise Invalid(f"duration must be a number from 0 to {LARGEST_DURATION:g}, in ms", field="duration")


def priority(value: Any) -> int | None:
    if value is None or (type(value) is int and 0 <= value <= 100):
        return value
    if type(value) is str and (number := PRIORITIES.get(value.lower())) is not None:
        return number
    raise Invalid(f"priority must be a whole number from 0 to 100, or {', '.join(PRIORITIES)}", field="priority")


def tags(value: Any) -> list[str] | None:
    """Texts, each once, in their order. One text is a list of one."""
    if value is None:
        return None
    found = [value] if type(value) is str else value
    if type(found) is not list:
        raise Invalid("tags must be a list of strings", field="tags")
    if len(found) > MOST_TAGS:
        raise Invalid(f"there are {len(found)} tags: at most {MOST_TAGS} are allowed", field="tags")
    texts = [text(tag, f"tags[{number}]", MOST_TAG) for number, tag in enumerate(found)]
    return list(dict.fromkeys(tag for tag in texts if tag is not None)) or None


def json_object(raw: msgspec.Raw, field: str) -> msgspec.Raw | None:
    """A JSON object, None for null and for one without members."""
    if raw is NULL:
        return None
    body = bytes(raw)
    if body.startswith(b"{"):
        if len(body) > 2 * MOST_DEPTH:
            _refuse_deep(body, field)
        return raw if len(body) > 2 else None
    if body == b"null":
        return None
    raise Invalid(f"{field} must be a JSON object", field=field)


def json_data(raw: msgspec.Raw, field: str = "data") -> msgspec.Raw | None:
    """As `json_object`; any other value becomes the member `value` of one."""
    if raw is NULL:
        return None
    body = bytes(raw)
    if len(body) > 2 * MOST_DEPTH:
        _refuse_deep(body, field)
    if body.startswith(b"{"):
        return raw if len(body) > 2 else None
    return None if body == b"null" else msgspec.Raw(b'{"value":' + body + b"}")


def _refuse_deep(body: bytes, field: str) -> None:
    """Counting what opens is enough for nearly all."""
    if body.count(b"{") + body.count(b"[") > MOST_DEPTH and json_text.deeper_than(MOST_DEPTH, body):
        raise Invalid(f"{field} is nested more than {MOST_DEPTH} levels deep", field=field)


def members(raw: msgspec.Raw | bytes | None) -> dict[str, msgspec.Raw]:
    """The members of a JSON object, none of None."""
    return {} if raw is None else _members(raw)


def joined(parts: dict[str, Any]) -> msgspec.Raw | None:
    """A JSON object of `parts` that are not None; None without any."""
    kept = {name: value for name, value in parts.items() if value is not None}
    return msgspec.Raw(msgspec.json.encode(kept)) if kept else None
