"""OpenTelemetry's log records as OTLP/HTTP brings them in JSON: https://opentelemetry.io/docs/specs/otlp/#otlphttp.

Field names are in lowerCamelCase, 64-bit numbers come as text or numbers, unknown fields are ignored. A record's event
name is its type, else it is `log`: texts of messages are no types, there would be as many as records.
"""

from functools import partial
from typing import Any

import msgspec

from delta_server.core import event_batch, event_checks, json_text
from delta_server.core.errors import Invalid
from delta_server.core.event import Event
from delta_server.core.event_batch import Item, Parsed
from delta_server.core.event_checks import MOST_ID, MOST_MESSAGE_ID, MOST_STATUS, text
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
    values: list[_Value] = []


class _Pair(msgspec.Struct, gc=False):
    key: str = ""
    value: _Value | None = None


class _Map(msgspec.Struct, gc=False):
    values: list[_Pair] = []


class _Attributed(msgspec.Struct, gc=False):
    """A resource, or a scope with its name."""

    attributes: list[_Pair] = []
    name: str | None = None
    version: str | None = None


class _Record(msgspec.Struct, rename="camel", gc=False):
    time_unix_nano: Any = None
    observed_time_unix_nano: Any = None
    severity_number: Any = None
    severity_text: Any = None
    body: _Value | None = None
    attributes: list[_Pair] = []
    trace_id: Any = None
    span_id: Any = None
    event_name: Any = None


class _ScopeLogs(msgspec.Struct, rename="camel"):
    scope: _Attributed | None = None
    log_records: list[msgspec.Raw] = []


class _ResourceLogs(msgspec.Struct, rename="camel"):
    resource: _Attributed | None = None
    scope_logs: list[_ScopeLogs] = []


class _Request(msgspec.Struct, rename="camel"):
    resource_logs: list[_ResourceLogs] = []


_decode_request = msgspec.json.Decoder(_Request).decode
_decode_record = msgspec.json.Decoder(_Record).decode


def parse(body: bytes, arrival: Arrival) -> Parsed:
    """All records of a request. Raises BadRequest, Invalid, TooLarge for the request as a whole."""
    try:
        request = json_text.read(event_batch.unbroken(body), _decode_request, "the body")
    except msgspec.ValidationError as error:
        raise Invalid(f"this is no ExportLogsServiceRequest of OTLP: {error}") from None
    groups = [(group.resource, logs) for group in request.resource_logs for logs in group.scope_logs]
    event_batch.refuse_too_many(sum(len(logs.log_records) for _, logs in groups))
    found = Parsed([], [], [])
    for resource, logs in groups:
        origin = _origin(resource, logs.scope)
        source = text(_id(origin.pop("service.name", None)), "service.name", MOST_ID)
        part = event_batch.each(logs.log_records, partial(_event, arrival, source, origin))
        found.events += part.events
        found.rejected += part.rejected
    return found


def _origin(resource: _Attributed | None, scope: _Attributed | None) -> dict[str, Any]:
    """What is true of all records of a scope."""
    try:
        found = _flat(resource.attributes if resource else [])
        if scope is not None:
            found |= _flat(scope.attributes) | {"scope": scope.name or None}
        event_checks.json_object(event_checks.joined(found) or event_checks.NULL, "resource")
    except RecursionError:
        raise Invalid("the attributes of a resource or scope are nested too deep") from None
    return found


def _event(arrival: Arrival, source: str | None, origin: dict[str, Any], item: Item, told: list[Told]) -> Event:
    event_checks.size(item, arrival)
    if json_text.deeper_than(event_checks.MOST_DEPTH, bytes(item)):
        raise Invalid(f"the record is nested more than {event_checks.MOST_DEPTH} levels deep")
    record = _decode_record(item)
    data = _flat(record.attributes)
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


def _flat(pairs: list[_Pair]) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in pairs if pair.key and pair.value is not None}


def _plain(value: _Value) -> Any:
    """The JSON value an AnyValue stands for."""
    if value.array_value is not None:
        return [_plain(one) for one in value.array_value.values]
    if value.kvlist_value is not None:
        return _flat(value.kvlist_value.values)
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
