"""Events on their way from one server to another: lines that keep everything but their number in the old one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from delta_server.core import times
from delta_server.core.errors import Invalid
from delta_server.core.events import validate
from delta_server.core.events.event import Event
from delta_server.core.events.persons import identifies
from delta_server.core.events.profile_update import Alias, ProfileUpdate, TraitsUpdate

_NULL = msgspec.Raw(b"null")


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
_decode = msgspec.json.Decoder(_Line).decode_lines


def encoded(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """From rows of the event log's relation."""
    places = {name: columns.index(name) for name in _NAMES}
    return _encode([_Line(**{name: row[place] for name, place in places.items()}) for row in rows])


def decoded(lines: bytes) -> list[Event]:
    """Raises Invalid."""
    try:
        return [_event(line) for line in _decode(lines)]
    except (msgspec.DecodeError, ValueError) as error:
        raise Invalid(f"this is no event: {error}") from None


def _event(line: _Line) -> Event:
    if not all(times.EARLIEST_MS <= at <= times.LATEST_MS for at in (line.time_ms, line.received_at)):
        raise ValueError("its time is out of range")
    return Event(
        line.time_ms,
        line.received_at,
        line.event_type,
        source=line.source,
        user_id=line.user_id,
        anonymous_id=line.anonymous_id,
        session_id=line.session_id,
        duration=line.duration,
        priority=line.priority,
        status=line.status,
        tags=line.tags,
        data=_object(line.data, "data"),
        metadata=_object(line.metadata, "metadata"),
        message_id=line.message_id,
        original_at=line.original_at,
        flags=line.flags or 0,
    )


def _object(text: str | None, field: str) -> msgspec.Raw | None:
    if text is None:
        return None
    msgspec.json.decode(text)
    return validate.json_object(msgspec.Raw(text.encode()), field)


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
    if event.type == "group" and isinstance(named, str) and named:
        traits = {name: value for name, value in data.items() if name != "groupId"}
        yield TraitsUpdate("group", named, traits, event.at)
    previous = data.get("previousId") if event.type == "alias" else None
    if user and event.type in ("identify", "alias"):
        if isinstance(previous, str) and previous != user and identifies(previous):
            yield Alias(previous, user, event.at)
        if anonymous and anonymous != previous:
            yield Alias(anonymous, user, event.at, anonymous=True)
