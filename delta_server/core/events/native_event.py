"""Delta's own events: `{"eventType": "signup", "userId": "u1", "data": {...}, ...}`, one, many, or one a line."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from itertools import repeat
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from delta_server.core.errors import BadRequest, Invalid
from delta_server.core.events import event_batch, validate
from delta_server.core.events.event import Event
from delta_server.core.events.event_batch import ITEM_ERRORS, Item, Parsed, Read, Split
from delta_server.core.events.event_time import Arrival, resolve, resolve_usual
from delta_server.core.events.profile_update import ProfileUpdate
from delta_server.core.events.validate import (
    LARGEST_DURATION,
    MOST_DEPTH,
    MOST_ID,
    MOST_MESSAGE_ID,
    MOST_STATUS,
    MOST_TYPE,
    NULL,
)
from delta_server.core.json import json_text, salvage
from delta_server.core.json.salvage import Repaired

_Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MOST_ID)]
_ESCAPED_NUL = b"\\u0000"


class _StrictEvent(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """As nearly all events are: msgspec checks the fields by itself. It knows nothing of NUL: see `_ESCAPED_NUL`."""

    event_type: Annotated[str, Meta(min_length=1, max_length=MOST_TYPE)]
    timestamp: datetime | int | float | None = None
    source: _Id | None = None
    data: msgspec.Raw = NULL
    user_id: _Id | None = None
    anonymous_id: _Id | None = None
    session_id: _Id | None = None
    duration: Annotated[float, Meta(ge=0, le=LARGEST_DURATION)] | None = None
    priority: Annotated[int, Meta(ge=0, le=100)] | None = None
    status: Annotated[str, Meta(min_length=1, max_length=MOST_STATUS)] | None = None
    tags: list[str] | None = None
    metadata: msgspec.Raw = NULL
    message_id: Annotated[str, Meta(min_length=1, max_length=MOST_MESSAGE_ID)] | None = None
    original_timestamp: datetime | int | float | None = None
    sent_at: Any = None


class _LenientEvent(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """The same fields of an event that has something else in them."""

    event_type: Any = None
    timestamp: Any = None
    source: Any = None
    data: msgspec.Raw = NULL
    user_id: Any = None
    anonymous_id: Any = None
    session_id: Any = None
    duration: Any = None
    priority: Any = None
    status: Any = None
    tags: Any = None
    metadata: msgspec.Raw = NULL
    message_id: Any = None
    original_timestamp: Any = None
    sent_at: Any = None


class _NativeBatch(msgspec.Struct, rename="camel"):
    events: list[msgspec.Raw]
    sent_at: Any = None


class _StrictBatch(msgspec.Struct, rename="camel"):
    events: list[_StrictEvent]
    sent_at: Any = None


_NAMES = {field.encode_name for field in msgspec.structs.fields(_StrictEvent)}
_ALIASES = {field.name: field.encode_name for field in msgspec.structs.fields(_StrictEvent)}
_decode = msgspec.json.Decoder(_StrictEvent).decode
_decode_all = msgspec.json.Decoder(list[_StrictEvent]).decode
_decode_odd = msgspec.json.Decoder(_LenientEvent).decode
_decode_batch = msgspec.json.Decoder(_NativeBatch).decode
_decode_strict_batch = msgspec.json.Decoder(_StrictBatch).decode
_TYPE_NAME = b'"eventType"'
"""Stands in each event, unless it is escaped there."""
_NO_BATCH = 'send {"events": [...]}, an array of events, or one event a line'


def parse_one(body: bytes, arrival: Arrival, message_id: str | None = None) -> Parsed:
    """One event, with `message_id` if it has none of its own. Raises BadRequest, Invalid, TooLarge."""
    found = event_batch.read_one(body, _reader(body, arrival))
    [event] = found.events
    if event.message_id is None:
        event.message_id = message_id
    return found


def parse_many(body: bytes, arrival: Arrival, *, lines: bool = False) -> Parsed:
    """`{"events": [...]}`, a bare array, or NDJSON if it is called so or looks so.

    Raises BadRequest, Invalid, TooLarge for the request as a whole."""
    if lines or _looks_like_lines(body):
        return event_batch.read_each(list(map(_line, event_batch.lines(body))), _reader(body, arrival))
    usual = None if _has_escaped_nul(body) else _read_strictly(body, arrival)
    if usual is not None:
        return usual
    try:
        items, sent_at = event_batch.read_items(body, _split, b"events")
    except msgspec.ValidationError:
        raise Invalid(_NO_BATCH, field="events") from None
    return event_batch.read_each(items, _reader(body, arrival.sent(sent_at)))


def _split(body: bytes) -> Split:
    if body.lstrip().startswith(b"["):
        return event_batch.decode_items(body), None
    batch = _decode_batch(body)
    event_batch.refuse_too_many(len(batch.events))
    return list[Item](batch.events), batch.sent_at


def _looks_like_lines(body: bytes) -> bool:
    """Whether the first line is an object by itself and another follows, or it ends as one and the next begins as one:
    within JSON there would be a comma between them."""
    first, _, rest = body.strip().partition(b"\n")
    if not rest or not first.startswith(b"{"):
        return False
    return (first.rstrip().endswith(b"}") and rest.lstrip().startswith(b"{")) or event_batch.is_json(first)


def _reader(body: bytes, arrival: Arrival) -> Read:
    return partial(_event, arrival, _has_escaped_nul(body))


def _has_escaped_nul(body: bytes) -> bool:
    """Most bodies escape nothing, which shows in a tenth of the time."""
    return b"\\" in body and _ESCAPED_NUL in body


def _read_strictly(body: bytes, arrival: Arrival) -> Parsed | None:
    """What `event_batch.read_each` makes of the events of a JSON body, in half of the time; None if one of them is
    wrong or odd, or the body is."""
    names = body.count(_TYPE_NAME)
    if names > event_batch.MOST_EVENTS:
        return None
    try:
        body = event_batch.without_line_breaks(body)
        events, sent_at = json_text.read(body, _decode_strictly)
        surely_small = names == len(events) and event_batch.are_surely_small(body, arrival.event_bytes, _TYPE_NAME)
        if not events or not (surely_small or max(map(len, _split(body)[0])) <= arrival.event_bytes):
            return None
        return _made(arrival.sent(sent_at), events)
    except ITEM_ERRORS:
        return None


def _decode_strictly(body: bytes) -> tuple[list[_StrictEvent], Any]:
    if body.lstrip().startswith(b"["):
        return _decode_all(body), None
    batch = _decode_strict_batch(body)
    return batch.events, batch.sent_at


def _made(arrival: Arrival, sent: list[_StrictEvent]) -> Parsed:
    """All in one go: a call for each would take as long again. Raises Invalid."""
    received_at = arrival.received_at
    data = [one.data for one in sent]
    has_metadata = bool([True for one in sent if one.metadata is not NULL])
    is_plain = not has_metadata and event_batch.are_plain([raw for raw in data if raw is not NULL])
    events = [
        Event(
            at,
            received_at,
            one.event_type,
            0,
            one.source,
            one.user_id,
            one.anonymous_id,
            one.session_id,
            one.duration,
            one.priority,
            one.status,
            validate.tags(one.tags) if one.tags else None,
            # Of a plain one only the depth is left to be looked at, where there is room for it
            None if raw is NULL else raw if is_plain and 2 < len(raw) <= 2 * MOST_DEPTH else validate.json_data(raw),
            validate.json_object(one.metadata, "metadata") if has_metadata else None,
            one.message_id,
            original_at,
            flags,
        )
        for one, raw, (at, original_at, flags) in zip(sent, data, _moments(arrival, sent), strict=True)
    ]
    if not is_plain:
        event_batch.drop_repeated_names(events)
    return Parsed(events, [], [])


def _moments(arrival: Arrival, sent: list[_StrictEvent]) -> Iterable[tuple[int, int | None, int]]:
    """As `resolve` of each. Raises Invalid."""
    if not [True for one in sent if one.original_timestamp is not None or one.sent_at is not None]:
        usual = resolve_usual(arrival, [one.timestamp for one in sent])
        if usual is not None:
            return zip(usual, repeat(None), repeat(arrival.flags))
    return [resolve(arrival, one.timestamp, one.original_timestamp, one.sent_at) for one in sent]


def _line(line: Item) -> Item:
    """What no mending helps is left as it is, for the reader to refuse."""
    text = bytes(line).strip()
    try:
        return salvage.item(text)
    except BadRequest:
        return text


def _event(arrival: Arrival, odd: bool, item: Item, profile_updates: list[ProfileUpdate]) -> Event:
    if len(item) > arrival.event_bytes:
        validate.size(item, arrival)
    try:
        sent = _lenient(item) if odd or type(item) is Repaired else _decode(item)
    except msgspec.ValidationError:
        sent = _lenient(item)
    at, original_at, flags = resolve(arrival, sent.timestamp, sent.original_timestamp, sent.sent_at)
    return Event(
        at,
        arrival.received_at,
        sent.event_type,
        0,
        sent.source,
        sent.user_id,
        sent.anonymous_id,
        sent.session_id,
        sent.duration,
        sent.priority,
        sent.status,
        validate.tags(sent.tags) if sent.tags else None,
        validate.json_data(sent.data),
        None if sent.metadata is NULL else validate.json_object(sent.metadata, "metadata"),
        sent.message_id,
        original_at,
        flags,
    )


def _lenient(item: Item) -> _StrictEvent:
    """An event with numbers for ids, a priority's name, fields of its own and the like. Raises Invalid."""
    try:
        sent = _decode_odd(item)
    except msgspec.ValidationError:
        sent = _decode_odd(_renamed(item))
    text = validate.text
    return _StrictEvent(
        event_type=validate.event_type(sent.event_type),
        timestamp=sent.timestamp,
        source=text(sent.source, "source", MOST_ID),
        data=sent.data,
        user_id=text(sent.user_id, "userId", MOST_ID),
        anonymous_id=text(sent.anonymous_id, "anonymousId", MOST_ID),
        session_id=text(sent.session_id, "sessionId", MOST_ID),
        duration=validate.duration(sent.duration),
        priority=validate.priority(sent.priority),
        status=text(sent.status, "status", MOST_STATUS),
        tags=validate.tags(sent.tags),
        metadata=sent.metadata,
        message_id=text(sent.message_id, "messageId", MOST_MESSAGE_ID),
        original_timestamp=sent.original_timestamp,
        sent_at=sent.sent_at,
    )


def _renamed(item: Item) -> bytes:
    """The event with snake_case names in camelCase and what has no place of its own in `metadata`; without a key."""
    known: dict[str, Any] = {}
    others: dict[str, msgspec.Raw] = {}
    for name, value in validate.members(item).items():
        name = _ALIASES.get(name, name)
        if name in validate.KEY_NAMES:
            continue
        if name in known:
            raise Invalid(f"{name} is given twice, once in camelCase and once in snake_case", field=name)
        (known if name in _NAMES else others)[name] = value
    if others:
        metadata = validate.json_object(known.get("metadata", NULL), "metadata")
        known["metadata"] = others | validate.members(metadata)
    return msgspec.json.encode(known)
