"""Many events of one request: each is read on its own, and one that is wrong does not keep the others out."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from delta_server.core import json_text
from delta_server.core.errors import BadRequest, DeltaError, Invalid, TooLarge
from delta_server.core.event import Event
from delta_server.core.event_checks import MOST_ID
from delta_server.core.profile_change import Told

MOST_EVENTS = 10_000

Item: TypeAlias = msgspec.Raw | bytes
Read: TypeAlias = Callable[[Item, list[Told]], Event]
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
    """`told` is what events tell of profiles, each with its event's place in `events`."""

    events: list[Event]
    rejected: list[Rejected]
    told: list[tuple[int, Told]]


class _Named(msgspec.Struct):
    message_id: Any = msgspec.field(name="messageId", default=None)
    snake_message_id: Any = msgspec.field(name="message_id", default=None)
    id: Any = None


class _Keyed(msgspec.Struct):
    write_key: Any = msgspec.field(name="writeKey", default=None)
    snake_write_key: Any = msgspec.field(name="write_key", default=None)


WRONG = (DeltaError, msgspec.DecodeError, RecursionError)
"""What reading an event raises when something is wrong with it."""

_HALF = rb"u[dD](?:[89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>[89a-fA-F][0-9a-fA-F]{2}))"
_ESCAPE = re.compile(rb"\\(?:" + _HALF + rb"|.)", re.DOTALL)
_UNBROKEN = bytes.maketrans(b"\r\n", b"  ")
_decode_named = msgspec.json.Decoder(_Named).decode
_decode_key = msgspec.json.Decoder(_Keyed).decode
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_decode_items: Callable[[bytes | msgspec.Raw], list[Any]] = msgspec.json.Decoder(list[msgspec.Raw]).decode


def each(items: Sequence[Item], read: Read) -> Parsed:
    """All `items` by `read`, which raises for those that are wrong and appends what its event tells of profiles."""
    found = Parsed([], [], [])
    events, told = found.events, list[Told]()
    for index, item in enumerate(items):
        try:
            events.append(read(item, told))
        except WRONG as error:
            found.rejected.append(_rejected(index, item, error))
            told.clear()
            continue
        if told:
            found.told.extend((len(events) - 1, one) for one in told)
            told.clear()
    return found


def none(items: Sequence[Item], error: Exception) -> Parsed:
    """All `items` refused for the same reason, one of `WRONG`."""
    return Parsed([], [_rejected(index, item, error) for index, item in enumerate(items)], [])


def one(item: Item, read: Read) -> Parsed:
    """As `each`, of a request of one event: raises what is wrong with it."""
    told: list[Told] = []
    try:
        event = read(item, told)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _unreadable(error) from None
    return Parsed([event], [], [(0, part) for part in told])


def whole(body: bytes, what: str = "the body") -> bytes:
    """A body that is one JSON value, without line breaks in it: events are kept a line each. Raises BadRequest."""
    json_text.read(body, _decode_raw, what)
    return msgspec.json.format(body, indent=-1) if _broken(body) else body


def unbroken(body: bytes) -> bytes:
    """As `whole`, but what has no line breaks is not looked at: it is going to be read anyway."""
    return whole(body) if _broken(body) else body


def _broken(body: bytes) -> bool:
    return b"\n" in body or b"\r" in body


def is_json(text: bytes) -> bool:
    try:
        _decode_raw(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def read_items(body: bytes, split: Callable[[bytes], Split]) -> Split:
    """What `split` makes of a JSON body, without line breaks in it. Raises BadRequest and what `split` does.

    An item with half of a surrogate pair, which is what cutting a text in the middle of an emoji leaves in JavaScript,
    would make the whole body unreadable: the others are read around it, and it is given as it came.
    """
    try:
        return json_text.read(unbroken(body), split, "the body")
    except BadRequest:
        whole_body = mended(body)
        if whole_body == body:
            raise
    json_text.read(whole_body, _decode_raw, "the body")
    whole_body, body = whole_body.translate(_UNBROKEN), body.translate(_UNBROKEN)
    items, sent_at = split(whole_body)
    at, found = 0, list[Item]()
    for item in map(bytes, items):
        at = whole_body.index(item, at)
        found.append(body[at : at + len(item)])
        at += len(item)
    return found, sent_at


def mended(body: bytes) -> bytes:
    """JSON with U+FFFD, which is as long, in place of halves of surrogate pairs."""
    return _ESCAPE.sub(lambda escape: b"\\ufffd" if escape["half"] else escape[0], body)


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


def write_key(body: bytes) -> str | None:
    """What a body says in `writeKey`, None for a body without one or that cannot be read."""
    if b"rite" not in body:
        return None
    try:
        found = _decode_key(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    key = found.write_key or found.snake_write_key
    return key if isinstance(key, str) else None


def _rejected(index: int, item: Item, error: Exception) -> Rejected:
    known = error if isinstance(error, DeltaError) else _unreadable(error)
    return Rejected(index, _name(item), known.code, known.message)


def _name(item: Item) -> str | None:
    """The message id of an event that is wrong otherwise, for its sender to know it by."""
    try:
        found = _decode_named(item)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    name = found.message_id or found.snake_message_id or found.id
    return str(name)[:MOST_ID] if isinstance(name, str) else None


def _unreadable(error: Exception) -> DeltaError:
    if isinstance(error, msgspec.ValidationError):
        text = str(error)
        if "out of range" in text:
            return Invalid("the event holds a number that is too large to be read")
        return Invalid(f"the event must be a JSON object: {text}")
    if isinstance(error, RecursionError):
        return Invalid("the event is nested too deep")
    return BadRequest(f"the event is not valid JSON: {str(error).removeprefix('JSON is malformed: ')}")
