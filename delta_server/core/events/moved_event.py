"""Events on their way from one server to another: lines that keep everything but their number in the old one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from delta_server.core import times
from delta_server.core.errors import DeltaError, Invalid
from delta_server.core.events import validate
from delta_server.core.events.event import ODD, Event
from delta_server.core.events.persons import identifies
from delta_server.core.events.profile_update import Alias, ProfileUpdate, TraitsUpdate
from delta_server.core.events.validate import MOST_ID, MOST_MESSAGE_ID, MOST_STATUS, text

MOST_LINES = 10_000
"""Of a part of a file: they are stored together."""
_MOST_FLAGS = (1 << 31) - 1
_GROWN = 2
"""What is kept of an event may be longer than what was sent: bytes become base64, control characters are escaped."""


class _Line(msgspec.Struct, omit_defaults=True):
    """As Event; `data` and `metadata` are the texts of JSON objects, letter by letter."""

    time_ms: int
    received_at: int
    event_type: str
    source: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    duration: float | None = None
    priority: int | None = None
    status: str | None = None
    tags: list[str] | None = None
    data: str | None = None
    metadata: str | None = None
    message_id: str | None = None
    original_at: int | None = None
    flags: int | None = None


_NAMES = _Line.__struct_fields__
_encode = msgspec.json.Encoder().encode_lines
_decode = msgspec.json.Decoder(_Line).decode


def encoded(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """From rows of the event log's relation."""
    places = {name: columns.index(name) for name in _NAMES}
    lines = [_Line(**{name: row[place] for name, place in places.items()}) for row in rows]
    for line in lines:
        line.flags = (line.flags or 0) & ODD or None  # the other server has other keys
    return _encode(lines)


def lines(events: Iterable[Event]) -> bytes:
    """Of events that are in no log yet."""
    return _encode([_line(event) for event in events])


def _line(event: Event) -> _Line:
    return _Line(
        event.at,
        event.received_at,
        event.type,
        event.source,
        event.user_id,
        event.anonymous_id,
        event.session_id,
        event.duration,
        event.priority,
        event.status,
        event.tags,
        None if event.data is None else bytes(event.data).decode(),
        None if event.metadata is None else bytes(event.metadata).decode(),
        event.message_id,
        event.original_at,
        event.flags & ODD or None,
    )


def decoded(lines: bytes, event_bytes: int, before: int = 0) -> list[Event]:
    """What ingest would refuse is refused here too, by its line's number, counted from `before`. Raises Invalid."""
    if lines.count(b"\n") > MOST_LINES:
        raise Invalid(f"there are more than {MOST_LINES} events in a part of the file")
    found = []
    for number, line in enumerate(lines.splitlines(), before + 1):
        try:
            found.append(_event(_decode(line), event_bytes))
        except RecursionError:
            raise Invalid(f"event {number} of the file is nested too deep") from None
        except DeltaError as error:
            raise Invalid(f"event {number} of the file: {error.message}") from None
        except ValueError as error:  # msgspec's too
            raise Invalid(f"event {number} of the file is no event: {error}") from None
    return found


def _event(line: _Line, event_bytes: int) -> Event:
    size_bytes = len(line.data or "") + len(line.metadata or "")
    if size_bytes > _GROWN * event_bytes:
        raise ValueError(f"it has {size_bytes} bytes, more than {_GROWN} times events.event_bytes = {event_bytes}")
    if line.flags is not None and not 0 <= line.flags <= _MOST_FLAGS:
        raise ValueError("its flags are out of range")
    return Event(
        _time(line.time_ms),
        _time(line.received_at),
        validate.event_type(line.event_type, "event_type"),
        source=text(line.source, "source", MOST_ID),
        user_id=text(line.user_id, "user_id", MOST_ID),
        anonymous_id=text(line.anonymous_id, "anonymous_id", MOST_ID),
        session_id=text(line.session_id, "session_id", MOST_ID),
        duration=validate.duration(line.duration),
        priority=validate.priority(line.priority),
        status=text(line.status, "status", MOST_STATUS),
        tags=validate.tags(line.tags),
        data=_object(line.data, "data"),
        metadata=_object(line.metadata, "metadata"),
        message_id=text(line.message_id, "message_id", MOST_MESSAGE_ID),
        original_at=None if line.original_at is None else _time(line.original_at),
        flags=(line.flags or 0) & ODD,
    )


def _time(at: int) -> int:
    if not times.EARLIEST_MS <= at <= times.LATEST_MS:
        raise ValueError("its time is out of range")
    return at


def _object(said: str | None, field: str) -> msgspec.Raw | None:
    """Its depth is bounded before it is read."""
    if said is None:
        return None
    found = validate.json_object(msgspec.Raw(said.encode()), field)
    msgspec.json.decode(said)
    return found


def profile_updates(events: Sequence[Event]) -> list[tuple[int, ProfileUpdate]]:
    """What identify, group and alias calls among them said of people, each with the place of its event."""
    return [(place, update) for place, event in enumerate(events) for update in _updates(event)]


def _updates(event: Event) -> Iterable[ProfileUpdate]:
    if event.type not in ("identify", "group", "alias"):
        return
    data: Mapping[str, Any] = msgspec.json.decode(event.data) if event.data is not None else {}
    user = event.user_id if identifies(event.user_id) else None
    anonymous = event.anonymous_id if identifies(event.anonymous_id) else None
    person, named = user or anonymous, data.get("groupId")
    if event.type == "identify" and person:
        yield TraitsUpdate("user", person, dict(data), event.at, anonymous=user is None)
    if event.type == "group" and isinstance(named, str) and _is_id(named):
        traits = {name: value for name, value in data.items() if name != "groupId"}
        yield TraitsUpdate("group", named, traits, event.at)
    previous = data.get("previousId") if event.type == "alias" else None
    if user and event.type in ("identify", "alias"):
        if isinstance(previous, str) and previous != user and identifies(previous) and _is_id(previous):
            yield Alias(previous, user, event.at)
        if anonymous and anonymous != previous:
            yield Alias(anonymous, user, event.at, anonymous=True)


def _is_id(said: str) -> bool:
    return 0 < len(said) <= MOST_ID and "\0" not in said
