"""Many events of one request: each is read on its own, and one that is wrong does not keep the others out."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from delta_server.core.errors import BadRequest, DeltaError, Invalid, TooLarge
from delta_server.core.events.event import MENDED, Event
from delta_server.core.events.profile_update import ProfileUpdate
from delta_server.core.events.validate import MOST_ID
from delta_server.core.json import json_text, salvage
from delta_server.core.json.repeated_names import may_repeat, without_repeated_names
from delta_server.core.json.salvage import Repaired, Unreadable

MOST_EVENTS = 10_000
MOST_REPEATED_BYTES = 32 << 20
"""What a request says once of many of its events may take once each has it: 57 KB of a request could make 500 MB."""
_EVENTS_PER_CHECK = 64

Item: TypeAlias = msgspec.Raw | bytes
Read: TypeAlias = Callable[[Item, list[ProfileUpdate]], Event]
"""Makes an event of one item of a request."""
Split: TypeAlias = tuple[list[Item], Any]
"""The items of a request, and when it says it was sent."""


class Rejected(msgspec.Struct, frozen=True, rename="camel"):
    """`index` is the event's place in the request."""

    index: int
    message_id: str | None
    code: str
    message: str


class Parsed(msgspec.Struct):
    """`profile_updates` is the profile updates of events, each with its event's place in `events`."""

    events: list[Event]
    rejected: list[Rejected]
    profile_updates: list[tuple[int, ProfileUpdate]]


class _Named(msgspec.Struct):
    message_id: Any = msgspec.field(name="messageId", default=None)
    snake_message_id: Any = msgspec.field(name="message_id", default=None)
    id: Any = None


class _Keyed(msgspec.Struct):
    write_key: Any = msgspec.field(name="writeKey", default=None)
    snake_write_key: Any = msgspec.field(name="write_key", default=None)


ITEM_ERRORS = (DeltaError, msgspec.DecodeError, RecursionError)
"""What reading an event raises when something is wrong with it."""

_INSEPARABLE = BadRequest("the body is not valid JSON from here on: what follows cannot be separated")
_ID_NAMES = ("messageId", "message_id", "id")
_KEY_NAMES = ("writeKey", "write_key")
_decode_named = msgspec.json.Decoder(_Named).decode
_decode_key = msgspec.json.Decoder(_Keyed).decode
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_decode_items: Callable[[bytes | msgspec.Raw], list[Any]] = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read_each(items: Sequence[Item], read: Read) -> Parsed:
    """All `items` by `read`, which raises for those that are wrong and appends the profile updates of its event."""
    found = Parsed([], [], [])
    events, profile_updates = found.events, list[ProfileUpdate]()
    for index, item in enumerate(items):
        try:
            event = read(item, profile_updates)
        except ITEM_ERRORS as error:
            found.rejected.append(_rejected(index, item, error))
            profile_updates.clear()
            continue
        if type(item) is Repaired:
            event.flags |= MENDED
        events.append(event)
        if profile_updates:
            found.profile_updates.extend((len(events) - 1, one) for one in profile_updates)
            profile_updates.clear()
    drop_repeated_names(events)
    return found


def reject_all(items: Sequence[Item], error: Exception) -> Parsed:
    """All `items` refused for the same reason, one of `ITEM_ERRORS`."""
    return Parsed([], [_rejected(index, item, error) for index, item in enumerate(items)], [])


def read_one(body: bytes, read: Read) -> Parsed:
    """As `read_each`, of a request of one event: raises what is wrong with it."""
    profile_updates: list[ProfileUpdate] = []
    item = salvage.item(body, "the body")
    try:
        event = read(item, profile_updates)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _unreadable(item, error) from None
    if type(item) is Repaired:
        event.flags |= MENDED
    drop_repeated_names([event])
    return Parsed([event], [], [(0, part) for part in profile_updates])


def drop_repeated_names(events: Sequence[Event]) -> None:
    """In data and metadata the last one of a name counts. Many events are looked at together: it costs a third."""
    for first in range(0, len(events), _EVENTS_PER_CHECK):
        some = events[first : first + _EVENTS_PER_CHECK]
        data = [event.data for event in some if event.data is not None]
        metadata = [event.metadata for event in some if event.metadata is not None]
        if data and may_repeat(data):
            for event in some:
                event.data = event.data and msgspec.Raw(without_repeated_names(bytes(event.data)))
        if metadata and may_repeat(metadata):
            for event in some:
                event.metadata = event.metadata and msgspec.Raw(without_repeated_names(bytes(event.metadata)))


def are_plain(bodies: Sequence[msgspec.Raw]) -> bool:
    """Whether all are JSON objects and none has a name twice. False is not certain."""
    return not any(
        may_repeat(bodies[first : first + _EVENTS_PER_CHECK]) for first in range(0, len(bodies), _EVENTS_PER_CHECK)
    )


def are_surely_small(body: bytes, most_bytes: int, name: bytes) -> bool:
    """Whether no event of a JSON body is longer than `most_bytes`, without taking them apart; False is not certain.
    `name` is that of a member, in its quotes, which stands there as often as there are events that have it.

    Only an escape could hide another, so each has it once, and lies between those of its neighbours. Where every
    quarter of `most_bytes` has one, from each to the next it is less than two quarters."""
    quarter = most_bytes // 4
    return not (b"\\" in body and b"\\u00" in body) and all(
        body.find(name, start, start + quarter) >= 0 for start in range(0, len(body) - quarter + 1, quarter)
    )


def check_whole(body: bytes, what: str = "the body") -> bytes:
    """A body that is one JSON value, without line breaks in it: events are kept a line each. Raises BadRequest."""
    json_text.read(body, _decode_raw, what)
    return msgspec.json.format(body, indent=-1) if b"\n" in body or b"\r" in body else body


def without_line_breaks(body: bytes) -> bytes:
    """As `check_whole`, but what has no line breaks is not looked at: it is going to be read anyway."""
    return check_whole(body) if b"\n" in body or b"\r" in body else body


def is_json(text: bytes) -> bool:
    try:
        _decode_raw(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def read_items(body: bytes, split: Callable[[bytes], Split], *path: bytes) -> Split:
    """What `split` makes of a JSON body that has its items at `path`, without line breaks in it. Raises BadRequest and
    what `split` does.

    When the body cannot be read as a whole its items are looked for one by one: see json/salvage.py.
    """
    try:
        return json_text.read(without_line_breaks(body), split, "the body")
    except BadRequest:
        found = salvage.recover(body, path, most=MOST_EVENTS)
        if found is None:
            raise
    numbers, other = split(found.skeleton)
    items: list[Item] = [found.items[int(bytes(number))] for number in numbers]
    return items if found.rest is None else [*items, found.rest], other


def decode_items(body: bytes | msgspec.Raw) -> list[Item]:
    """The elements of a JSON array. Raises TooLarge, msgspec's errors."""
    found: list[Item] = _decode_items(body)
    refuse_too_many(len(found))
    return found


def lines(body: bytes) -> list[Item]:
    """The lines of NDJSON but empty ones; which of them are JSON shows when they are read.

    Raises TooLarge, BadRequest for none."""
    found: list[Item] = [line for line in body.split(b"\n") if line and not line.isspace()]
    if not found:
        raise BadRequest("the body is empty: send one event a line")
    refuse_too_many(len(found))
    return found


def refuse_too_many(count: int) -> None:
    if count > MOST_EVENTS:
        raise TooLarge(f"the request has {count} events, more than {MOST_EVENTS}: split it into several")


def refuse_repeated(size_bytes: int, what: str) -> None:
    """`size_bytes` is what `what` takes in all events of the request together. Raises TooLarge."""
    if size_bytes > MOST_REPEATED_BYTES:
        raise TooLarge(f"{what} would take {size_bytes} bytes, more than {MOST_REPEATED_BYTES}: send fewer at once")


def write_key(body: bytes) -> str | None:
    """What a body says in `writeKey`, None for a body without one or that cannot be read."""
    if b"rite" not in body:
        return None
    try:
        found = _decode_key(body)
        key = found.write_key or found.snake_write_key
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        read = salvage.texts(body, _KEY_NAMES)
        key = next((read[name] for name in _KEY_NAMES if name in read), None)
    return key if isinstance(key, str) else None


def _rejected(index: int, item: Item, error: Exception) -> Rejected:
    known = (
        _INSEPARABLE
        if type(item) is Unreadable
        else error
        if isinstance(error, DeltaError)
        else _unreadable(item, error)
    )
    return Rejected(index, _name(item), known.code, known.message)


def _name(item: Item) -> str | None:
    """The message id of an event that is wrong otherwise, for its sender to know it by."""
    try:
        found = _decode_named(item)
        name = found.message_id or found.snake_message_id or found.id
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        read = salvage.texts(bytes(item), _ID_NAMES)
        name = next((read[name] for name in _ID_NAMES if read.get(name)), None)
    return str(name)[:MOST_ID] if type(name) in (str, int) else None


def _unreadable(item: Item, error: Exception) -> DeltaError:
    if isinstance(error, msgspec.ValidationError):
        text = str(error)
        if "out of range" in text:
            return Invalid("the event holds a number that is too large to be read")
        return Invalid(f"the event must be a JSON object: {text}")
    if isinstance(error, RecursionError):
        return Invalid("the event is nested too deep")
    reason = json_text.reason(error, bytes(item)) if isinstance(error, msgspec.DecodeError) else str(error)
    return BadRequest(f"the event is not valid JSON: {reason}")
