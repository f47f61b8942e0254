"""OpenTelemetry's log records as OTLP/HTTP brings them in JSON: https://opentelemetry.io/docs/specs/otlp/#otlphttp.

Field names are in lowerCamelCase, 64-bit numbers come as text or numbers, unknown fields are ignored. A record's event
name is its type, else it is `log`: texts of messages are no types, there would be as many as records.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from delta_server.core import damaged, event_batch, event_checks, json_text
from delta_server.core.damaged import Rest
from delta_server.core.errors import BadRequest, Invalid
from delta_server.core.event import Event
from delta_server.core.event_batch import Item, Parsed
from delta_server.core.event_checks import MOST_ID, MOST_MESSAGE_ID, MOST_STATUS, NULL, text
from delta_server.core.event_time import Arrival, place
from delta_server.core.profile_change import Told

PLAIN = "log"
_SEVERITIES = (("trace", 10), ("debug", 10), ("info", 20), ("warn", 30), ("error", 40), ("fatal", 40))
"""Status and priority of severity numbers 1 to 4, 5 to 8 and so on."""


class _Value(msgspec.Struct, rename="camel", gc=False):
    """AnyValue: one of these."""

    string_value: Any = None
    bool_value: Any = None
    int_value: Any = None
    double_value: Any = None
    bytes_value: Any = None
    array_value: "_Array | None" = None
    kvlist_value: "_Map | None" = None


class _Array(msgspec.Struct, gc=False):
    values: list[_Value] | None = None


class _Pair(msgspec.Struct, gc=False):
    key: str = ""
    value: _Value | None = None


class _Map(msgspec.Struct, gc=False):
    values: list[_Pair] | None = None


class _Attributed(msgspec.Struct, gc=False):
    """A resource, or a scope with its name."""

    attributes: list[_Pair] | None = None
    name: str | None = None
    version: str | None = None


class _Record(msgspec.Struct, rename="camel", gc=False):
    time_unix_nano: Any = None
    observed_time_unix_nano: Any = None
    severity_number: Any = None
    severity_text: Any = None
    body: _Value | None = None
    attributes: list[_Pair] | None = None
    trace_id: Any = None
    span_id: Any = None
    event_name: Any = None


class _ScopeLogs(msgspec.Struct, rename="camel"):
    scope: msgspec.Raw = NULL
    log_records: list[msgspec.Raw] | None = None


class _ResourceLogs(msgspec.Struct, rename="camel"):
    resource: msgspec.Raw = NULL
    scope_logs: list[_ScopeLogs] | None = None


class _Request(msgspec.Struct, rename="camel"):
    resource_logs: list[_ResourceLogs] | None = None


class _Group(msgspec.Struct, frozen=True):
    """A resource, and each scope's records."""

    resource: msgspec.Raw
    scopes: list[tuple[msgspec.Raw, Sequence[Item]]]


_PATH = (b"resourceLogs", b"scopeLogs", b"logRecords")
_decode_request = msgspec.json.Decoder(_Request).decode
_decode_attributed = msgspec.json.Decoder(_Attributed | None).decode
_decode_record = msgspec.json.Decoder(_Record).decode


def parse(body: bytes, arrival: Arrival) -> Parsed:
    """All records of a request. Raises BadRequest, Invalid, TooLarge for the request as a whole."""
    groups, rest = _read(body)
    _refuse_too_much(groups)
    found = Parsed([], [], [])
    for group in groups:
        for part in _parts(group, arrival):
            found.events += part.events
            found.rejected += part.rejected
    if rest is not None:
        found.rejected += event_batch.none([rest], Invalid("")).rejected
    return found


def _read(body: bytes) -> tuple[list[_Group], Rest | None]:
    """What the request holds, and what of it cannot be told apart."""
    try:
        return _groups(_request(body), None), None
    except BadRequest:
        found = damaged.recover(body, _PATH, most=event_batch.MOST_EVENTS)
        if found is None or not found.items:
            raise
    return _groups(_request(found.skeleton), found.items), found.rest


def _groups(request: _Request, items: Sequence[bytes] | None) -> list[_Group]:
    """`items` are the records where `request` has only their numbers."""
    found = []
    for group in request.resource_logs or ():
        scopes: list[tuple[msgspec.Raw, Sequence[Item]]] = []
        for logs in group.scope_logs or ():
            records: Sequence[Item] = logs.log_records or ()
            scopes.append((logs.scope, records if items is None else [items[int(bytes(each))] for each in records]))
        found.append(_Group(group.resource, scopes))
    return found


def _request(body: bytes) -> _Request:
    try:
        return json_text.read(event_batch.unbroken(body), _decode_request, "the body")
    except msgspec.ValidationError as error:
        raise Invalid(f"this is no ExportLogsServiceRequest of OTLP: {error}") from None


def _refuse_too_much(groups: Sequence[_Group]) -> None:
    count = size_bytes = 0
    for group in groups:
        for scope, records in group.scopes:
            count, size_bytes = count + len(records), size_bytes + len(records) * (len(group.resource) + len(scope))
    event_batch.refuse_too_many(count)
    event_batch.refuse_repeated(size_bytes, "resources and scopes, which each of their records keeps,")


def _parts(group: _Group, arrival: Arrival) -> Iterator[Parsed]:
    """The records of each scope; those whose resource or scope is wrong are refused."""
    resource: dict[str, Any] | None = None
    for scope, records in group.scopes:
        try:
            resource = _origin(group.resource) if resource is None else resource
            origin = resource | _origin(scope, is_scope=True)
            source = text(_id(origin.pop("service.name", None)), "service.name", MOST_ID)
        except event_batch.WRONG as error:
            yield event_batch.none(records, error)
            continue
        repeated_bytes = len(group.resource) + len(scope)
        yield event_batch.each(records, partial(_event, arrival, source, origin, repeated_bytes))


def _origin(raw: msgspec.Raw, *, is_scope: bool = False) -> dict[str, Any]:
    """What a resource or scope says of all its records. Raises what is in event_batch.WRONG."""
    _refuse_deep(raw, "the resource or scope")
    found = _decode_attributed(raw)
    if found is None:
        return {}
    return _flat(found.attributes or ()) | ({"scope": found.name or None} if is_scope else {})


def _refuse_deep(raw: Item, what: str) -> None:
    if json_text.deeper_than(event_checks.MOST_DEPTH, bytes(raw)):
        raise Invalid(f"{what} is nested more than {event_checks.MOST_DEPTH} levels deep")


def _event(
    arrival: Arrival, source: str | None, origin: dict[str, Any], repeated_bytes: int, item: Item, told: list[Told]
) -> Event:
    event_checks.size(item, arrival, repeated_bytes)
    _refuse_deep(item, "the record")
    record = _decode_record(item)
    data = _flat(record.attributes or ())
    name = _id(data.pop("event.name", None))
    user, session = _id(data.pop("user.id", None)), _id(data.pop("session.id", None))
    uid = _id(data.pop("log.record.uid", None))
    status, priority = _severity(record)
    at, _, flags = place(arrival, _time(record))
    if record.body is not None:
        data = {"body": _plain(record.body), **data}
    return Event(
        at,
        arrival.received_at,
        text(_id(record.event_name) or name, "eventName", event_checks.MOST_TYPE) or PLAIN,
        source=source,
        user_id=text(user, "user.id", MOST_ID),
        session_id=text(session, "session.id", MOST_ID),
        priority=priority,
        status=status,
        data=event_checks.joined(data),
        metadata=event_checks.joined({**origin, "traceId": record.trace_id or None, "spanId": record.span_id or None}),
        message_id=text(uid, "log.record.uid", MOST_MESSAGE_ID),
        flags=flags,
    )


def _time(record: _Record) -> Any:
    """When it happened, else when it was seen; 0 stands for unknown. Nanoseconds as the text or number they are."""
    for value in (record.time_unix_nano, record.observed_time_unix_nano):
        if value not in (None, "", "0", 0):
            number = _integer(value)
            if type(number) is not int:
                raise Invalid("timeUnixNano must be a number of nanoseconds, as text or number", field="timeUnixNano")
            return number
    return None


def _severity(record: _Record) -> tuple[str | None, int | None]:
    said = record.severity_text if isinstance(record.severity_text, str) else None
    number = record.severity_number
    if type(number) is not int or not 1 <= number <= 4 * len(_SEVERITIES):
        return text(said, "severityText", MOST_STATUS), None
    name, priority = _SEVERITIES[(number - 1) // 4]
    return text(said, "severityText", MOST_STATUS) or name, priority


def _flat(pairs: Iterable[_Pair]) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in pairs if pair.key and pair.value is not None}


def _plain(value: _Value) -> Any:
    """The JSON value an AnyValue stands for."""
    if value.array_value is not None:
        return [_plain(one) for one in value.array_value.values or ()]
    if value.kvlist_value is not None:
        return _flat(value.kvlist_value.values or ())
    if value.int_value is not None:
        return _integer(value.int_value)
    return next(
        (one for one in (value.string_value, value.bool_value, value.double_value) if one is not None),
        value.bytes_value,
    )


def _integer(value: Any) -> Any:
    if isinstance(value, str) and len(value) <= 20 and value.removeprefix("-").isascii():
        return int(value) if value.removeprefix("-").isdigit() else value
    return value


def _id(value: Any) -> Any:
    """An attribute that is an id: what is no text or number is none."""
    return value if type(value) in (str, int, float) else None
