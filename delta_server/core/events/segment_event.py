"""Calls of the Segment family (track, identify, page, screen, group, alias) as the clients of Segment, RudderStack and
their kind send them: https://segment.com/docs/connections/spec/."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.events import event_batch, persons, validate
from delta_server.core.events.event import Event
from delta_server.core.events.event_batch import Item, Parsed, Split
from delta_server.core.events.event_time import Arrival, read, resolve
from delta_server.core.events.profile_update import Alias, ProfileUpdate, TraitsUpdate
from delta_server.core.events.validate import MOST_ID, MOST_MESSAGE_ID, NULL, members, text

CALLS = ("track", "identify", "page", "screen", "group", "alias")
_TELLING = ("identify", "group", "alias")


class _Call(msgspec.Struct, rename="camel", gc=False):
    type: Any = None
    event: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    group_id: Any = None
    previous_id: Any = None
    name: Any = None
    category: Any = None
    properties: msgspec.Raw = NULL
    traits: msgspec.Raw = NULL
    context: msgspec.Raw = NULL
    integrations: msgspec.Raw = NULL
    channel: Any = None
    message_id: Any = None
    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None


class _Thing(msgspec.Struct, gc=False):
    name: Any = None


class _Context(msgspec.Struct, gc=False):
    app: _Thing | None = None
    library: _Thing | None = None
    session_id: Any = msgspec.field(name="sessionId", default=None)
    snake_session_id: Any = msgspec.field(name="session_id", default=None)
    traits: msgspec.Raw = NULL


class _CallBatch(msgspec.Struct, rename="camel"):
    batch: msgspec.Raw = NULL
    sent_at: Any = None
    context: msgspec.Raw = NULL
    integrations: msgspec.Raw = NULL


class _Arrived(msgspec.Struct, rename="camel", gc=False):
    received_at: Any = None


class _Shared(msgspec.Struct, frozen=True):
    """What a batch says of all its calls."""

    context: msgspec.Raw | None = None
    integrations: msgspec.Raw | None = None
    size_bytes: int = 0


_decode = msgspec.json.Decoder(_Call).decode
_decode_arrived = msgspec.json.Decoder(_Arrived).decode
_decode_batch = msgspec.json.Decoder(_CallBatch).decode
_decode_context = msgspec.json.Decoder(_Context).decode
_decode_traits = msgspec.json.Decoder(dict[str, Any]).decode
_SESSION_NAMES = ("sessionId", "session_id")
_NOTHING = _Shared()
_UNKNOWN = _Context()
_NAMELESS: dict[str, str | None] = {}


def parse_one(body: bytes, call: str, arrival: Arrival) -> Parsed:
    """A single call; which one, its path says. Raises BadRequest, Invalid, TooLarge."""
    return event_batch.read_one(body, partial(_event, arrival, _NOTHING, call))


def parse_many(body: bytes, arrival: Arrival) -> Parsed:
    """`{"batch": [...], "sentAt": "..."}`. Raises BadRequest, Invalid, TooLarge for the request as a whole."""
    try:
        items, batch = event_batch.read_items(body, _split, b"batch")
    except msgspec.ValidationError:
        raise Invalid('send {"batch": [...]} with a list of calls', field="batch") from None
    shared = _shared(batch)
    event_batch.refuse_repeated(shared.size_bytes * len(items), "the batch's context, which each of its calls keeps,")
    return event_batch.read_each(items, partial(_event, arrival.sent(batch.sent_at), shared, None))


def parse_archived(lines: Sequence[bytes], arrival: Arrival) -> Parsed:
    """Calls as their products archive them: a line each, with its type, and with `receivedAt`, by which the sender's
    clock is corrected where it was not."""
    return event_batch.read_each(lines, partial(_archived, arrival))


def _archived(arrival: Arrival, item: Item, profile_updates: list[ProfileUpdate]) -> Event:
    received_at = _decode_arrived(item).received_at
    came = arrival.received_at if received_at is None else min(arrival.received_at, read(received_at, "receivedAt"))
    return _event(Arrival(came, arrival.event_bytes, flags=arrival.flags), _NOTHING, None, item, profile_updates)


def _split(body: bytes) -> Split:
    batch = _decode_batch(body)
    return event_batch.decode_items(batch.batch), batch


def _shared(batch: _CallBatch) -> _Shared:
    """What is no object is left out: it is no single call's fault."""
    if batch.context is NULL and batch.integrations is NULL:
        return _NOTHING
    context, integrations = _object_or_none(batch.context), _object_or_none(batch.integrations)
    return _Shared(context, integrations, len(context or b"") + len(integrations or b""))


def _object_or_none(raw: msgspec.Raw) -> msgspec.Raw | None:
    try:
        return validate.json_object(raw, "context")
    except Invalid:
        return None


def _merged(shared: msgspec.Raw | None, own: msgspec.Raw | None) -> msgspec.Raw | None:
    """The members of both; those of `own` win."""
    if shared is None or own is None:
        return own or shared
    return validate.joined({**members(shared), **members(own)})


def _event(
    arrival: Arrival, shared: _Shared, call: str | None, item: Item, profile_updates: list[ProfileUpdate]
) -> Event:
    if len(item) + shared.size_bytes > arrival.event_bytes:
        validate.size(item, arrival, shared.size_bytes)
    sent = _decode(item)
    call = call or _call(sent.type)
    context = validate.json_object(sent.context, "context")
    integrations = validate.json_object(sent.integrations, "integrations")
    if shared is not _NOTHING:
        context, integrations = _merged(shared.context, context), _merged(shared.integrations, integrations)
    known = _known(context)
    at, original_at, flags = resolve(arrival, sent.timestamp, sent.original_timestamp, sent.sent_at)
    user_id = text(sent.user_id, "userId", MOST_ID)
    anonymous_id = text(sent.anonymous_id, "anonymousId", MOST_ID)
    data = _data(call, sent, known)
    names = _NAMELESS if call == "track" else _names(call, sent)
    if call in _TELLING:
        profile_updates.extend(_profile_updates(call, sent, user_id, anonymous_id, data, at))
    return Event(
        at,
        arrival.received_at,
        validate.event_type(sent.event, "event") if call == "track" else call,
        0,
        _source(known, sent.channel),
        user_id,
        anonymous_id,
        _session(known, data),
        data=validate.joined({**names, **members(data)}) if names and any(names.values()) else data,
        metadata=context
        if call == "track" and integrations is None and sent.channel is None
        else _metadata(call, sent.channel, context, integrations, _conflicting_properties(names, data)),
        message_id=text(sent.message_id, "messageId", MOST_MESSAGE_ID),
        original_at=original_at,
        flags=flags,
    )


def _call(value: Any) -> str:
    call = value if type(value) is not str or value in CALLS else value.lower()
    if type(call) is not str or call not in CALLS:
        raise Invalid(f"type must be one of {', '.join(CALLS)}", field="type")
    return call


def _known(context: msgspec.Raw | None) -> _Context:
    """What is used of a context; nothing of one with something unexpected in it."""
    try:
        return _UNKNOWN if context is None else _decode_context(context)
    except msgspec.ValidationError:
        return _UNKNOWN


def _data(call: str, sent: _Call, known: _Context) -> msgspec.Raw | None:
    """Properties or traits. RudderStack's clients send those of identify within the context."""
    if call in ("identify", "group"):
        traits = validate.json_object(sent.traits, "traits")
        if traits is None and call == "identify":
            traits = validate.json_object(known.traits, "context.traits")
        return traits
    return validate.json_data(sent.properties, "properties")


def _names(call: str, sent: _Call) -> dict[str, str | None]:
    """The parameters of calls that stand outside of their properties."""
    if call in ("page", "screen"):
        return {"name": text(sent.name, "name", MOST_ID), "category": text(sent.category, "category", MOST_ID)}
    if call == "group":
        return {"groupId": text(sent.group_id, "groupId", MOST_ID)}
    return {"previousId": text(sent.previous_id, "previousId", MOST_ID)} if call == "alias" else {}


def _conflicting_properties(names: dict[str, str | None], data: msgspec.Raw | None) -> dict[str, str]:
    """Those of `names` that properties of that name and another value take the place of, as `callName` and so on."""
    if not names or data is None or not any(names.values()):
        return {}
    own = members(data)
    return {
        f"call{name[0].upper()}{name[1:]}": value
        for name, value in names.items()
        if value and name in own and msgspec.json.decode(own[name]) != value
    }


def _source(known: _Context, channel: Any) -> str | None:
    """The application that sends if it has a name, else what kind it is, else with which library."""
    if known is _UNKNOWN and channel is None:
        return None
    for value in (known.app and known.app.name, channel, known.library and known.library.name):
        if type(value) is str and 0 < len(value) <= MOST_ID and "\0" not in value:
            return value
    return None


def _session(known: _Context, data: msgspec.Raw | None) -> str | None:
    session = known.session_id or known.snake_session_id
    if session is None and data is not None and b"ession" in bytes(data):
        found = members(data)
        session = next((msgspec.json.decode(found[name]) for name in _SESSION_NAMES if name in found), None)
    return text(session, "sessionId", MOST_ID) if type(session) in (str, int, float) else None


def _metadata(
    call: str, channel: Any, context: msgspec.Raw | None, integrations: msgspec.Raw | None, hidden: dict[str, str]
) -> msgspec.Raw | None:
    """The context; `callType` distinguishes a page call from a track call of an event named page."""
    if type(channel) is not str:
        channel = None
    if call == "track" and integrations is None and channel is None:
        return context
    more = {"callType": None if call == "track" else call, "integrations": integrations, "channel": channel, **hidden}
    return validate.joined({**members(context), **more})


def _profile_updates(
    call: str, sent: _Call, user_id: str | None, anonymous_id: str | None, data: msgspec.Raw | None, at: int
) -> list[ProfileUpdate]:
    """The profile updates of a call."""
    found: list[ProfileUpdate] = []
    user = user_id if persons.identifies(user_id) else None
    anonymous = anonymous_id if persons.identifies(anonymous_id) else None
    person = user or anonymous
    if call == "identify" and person:
        found.append(TraitsUpdate("user", person, _traits(data), at, anonymous=user is None))
    if call == "group" and (group := text(sent.group_id, "groupId", MOST_ID)):
        found.append(TraitsUpdate("group", group, _traits(data), at))
    previous = text(sent.previous_id, "previousId", MOST_ID) if call == "alias" else None
    if user and call in ("identify", "alias"):
        if previous and previous != user and persons.identifies(previous):
            found.append(Alias(previous, user, at))
        if anonymous and anonymous != previous:  # the user's own id too: it is nobody else's then
            found.append(Alias(anonymous, user, at, anonymous=True))
    return found


def _traits(data: msgspec.Raw | None) -> dict[str, Any]:
    return {} if data is None else _decode_traits(data)
