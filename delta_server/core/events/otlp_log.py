"""OpenTelemetry's log records as events, in JSON or protobuf: https://opentelemetry.io/docs/specs/otlp/#otlphttp.

A record's event name is its type, else it is `log`: texts of messages are no types, there would be as many as records.
Nothing a record says is lost: what has no field of its own is in `data` or `metadata`, and of two with one name the
outer one gets its origin before it (`attributes.body`, `scope.NAME`, `resource.NAME`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any

import msgspec

from delta_server.core.errors import Invalid
from delta_server.core.events import event_batch, validate
from delta_server.core.events.event import Event
from delta_server.core.events.event_batch import Item, Parsed
from delta_server.core.events.event_time import Arrival, resolve
from delta_server.core.events.otlp_message import JSON, Form, Group, Pair, Record, Value
from delta_server.core.events.profile_update import ProfileUpdate
from delta_server.core.events.validate import MOST_ID, MOST_MESSAGE_ID, MOST_STATUS, NULL, text

PLAIN = "log"
_SEVERITIES = (("trace", 10), ("debug", 10), ("info", 20), ("warn", 30), ("error", 40), ("fatal", 40))
"""Status and priority of severity numbers 1 to 4, 5 to 8 and so on."""
_NANOS = 1_000_000


class _ScopeContext(msgspec.Struct, frozen=True):
    """What is true of all records of a scope. `names` gives those without an id theirs."""

    form: Form
    source: str | None
    origin: dict[str, Any]
    size_bytes: int
    names: Iterator[str]


def parse(body: bytes, arrival: Arrival, form: Form = JSON) -> Parsed:
    """All records of a request. Raises BadRequest, Invalid, TooLarge for the request as a whole.

    Exporters send a request again byte for byte, and no two differ in nothing: so a record without an id is named by
    its request's digest and its place there, and counts once.
    """
    groups, rest = form.groups(body)
    _refuse_too_much(groups)
    digest = hashlib.blake2b(body, digest_size=12).hexdigest()
    names = (f"otlp-{digest}-{number}" for number in count())
    found = Parsed([], [], [])
    for group in groups:
        for part in _parts(form, group, names, arrival):
            found.events += part.events
            found.rejected += part.rejected
    if rest is not None:
        found.rejected += event_batch.reject_all([rest], Invalid("")).rejected
    return found


def _refuse_too_much(groups: Sequence[Group]) -> None:
    records = size_bytes = 0
    for group in groups:
        for logs in group.scopes:
            records += len(logs.records)
            size_bytes += len(logs.records) * (len(group.resource) + len(logs.scope))
    event_batch.refuse_too_many(records)
    event_batch.refuse_repeated(size_bytes, "resources and scopes, which each of their records keeps,")


def _parts(form: Form, group: Group, names: Iterator[str], arrival: Arrival) -> Iterator[Parsed]:
    """The records of each scope; those whose resource or scope is wrong are refused."""
    resource: dict[str, Any] | None = None
    source: str | None = None
    for logs in group.scopes:
        if not logs.records:
            continue
        try:
            if resource is None:
                resource = _resource(form, group)
                source = text(_pop_attribute(resource, "service.name"), "service.name", MOST_ID)
            origin = _merged_attributes(_scope(form, logs.scope, logs.schema_url), resource, "resource.")
        except event_batch.ITEM_ERRORS as error:
            resource = None
            yield event_batch.reject_all(logs.records, error)
            continue
        around = _ScopeContext(form, source, origin, len(group.resource) + len(logs.scope), names)
        yield event_batch.read_each(logs.records, partial(_event, arrival, around))


def _resource(form: Form, group: Group) -> dict[str, Any]:
    found = form.resource(group.resource)
    attributes = _flat(found.attributes or ())
    more = {"resourceSchemaUrl": group.schema_url, "resource.droppedAttributesCount": found.dropped_attributes_count}
    return attributes | {name: value for name, value in more.items() if value}


def _scope(form: Form, raw: Item, schema_url: str | None) -> dict[str, Any]:
    found = form.scope(raw)
    own = {
        "scope": found.name,
        "scopeVersion": found.version,
        "schemaUrl": schema_url,
        "scope.droppedAttributesCount": found.dropped_attributes_count,
    }
    return _merged_attributes(
        {name: value for name, value in own.items() if value}, _flat(found.attributes or ()), "scope."
    )


def _merged_attributes(inner: dict[str, Any], outer: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Both; those of `outer` whose names are taken get `prefix`."""
    return inner | {prefix + name if name in inner else name: value for name, value in outer.items()}


def _event(arrival: Arrival, around: _ScopeContext, item: Item, profile_updates: list[ProfileUpdate]) -> Event:
    name = next(around.names)
    validate.size(item, arrival, around.size_bytes)
    record = around.form.record(item)
    data = _flat(record.attributes or ())
    event_type = _id(record.event_name) or _pop_attribute(data, "event.name")
    if "event.name" in data and data["event.name"] == event_type:
        del data["event.name"]
    user, session = _pop_attribute(data, "user.id"), _pop_attribute(data, "session.id")
    uid = text(_pop_attribute(data, "log.record.uid"), "log.record.uid", MOST_MESSAGE_ID)
    if record.body is not None:
        data = _merged_attributes({"body": _plain(record.body)}, data, "attributes.")
    status, priority = _severity(record)
    at, _, flags = resolve(arrival, _time(record))
    return Event(
        at,
        arrival.received_at,
        text(event_type, "eventName", validate.MOST_TYPE) or PLAIN,
        source=around.source,
        user_id=text(user, "user.id", MOST_ID),
        session_id=text(session, "session.id", MOST_ID),
        priority=priority,
        status=status,
        data=validate.joined(data),
        metadata=validate.joined(_merged_attributes(_extra_attributes(record), around.origin, "resource.")),
        message_id=uid or name,
        flags=flags,
    )


def _extra_attributes(record: Record) -> dict[str, Any]:
    """Attributes of a record that are not fields of an event, or are cut in one."""
    at, seen = _integer(record.time_unix_nano), _integer(record.observed_time_unix_nano)
    used = at or seen
    found = {
        "traceId": record.trace_id,
        "spanId": record.span_id,
        "traceFlags": record.flags,
        "severityNumber": record.severity_number,
        "timeUnixNano": str(used) if type(used) is int and used % _NANOS else None,
        "observedTimeUnixNano": str(seen) if type(seen) is int and seen != used else None,
        "droppedAttributesCount": record.dropped_attributes_count,
    }
    return {name: value for name, value in found.items() if value and value != "0"}


def _time(record: Record) -> Any:
    """When it happened, else when it was seen; 0 stands for unknown. Nanoseconds as the text or number they are."""
    for value in (record.time_unix_nano, record.observed_time_unix_nano):
        if value not in (None, "", "0", 0):
            number = _integer(value)
            if type(number) is not int:
                raise Invalid("timeUnixNano must be a number of nanoseconds, as text or number", field="timeUnixNano")
            return number
    return None


def _severity(record: Record) -> tuple[str | None, int | None]:
    said = record.severity_text if isinstance(record.severity_text, str) else None
    number = record.severity_number
    if type(number) is not int or not 1 <= number <= 4 * len(_SEVERITIES):
        return text(said, "severityText", MOST_STATUS), None
    name, priority = _SEVERITIES[(number - 1) // 4]
    return text(said, "severityText", MOST_STATUS) or name, priority


def _flat(pairs: Iterable[Pair]) -> dict[str, Any]:
    return {pair.key: NULL if pair.value is None else _plain(pair.value) for pair in pairs}


def _plain(value: Value) -> Any:
    """The JSON value an AnyValue stands for, null for none."""
    if value.array_value is not None:
        return [_plain(one) for one in value.array_value.values or ()]
    if value.kvlist_value is not None:
        return _flat(value.kvlist_value.values or ())
    if value.int_value is not None:
        return _integer(value.int_value)
    profile_updates = (value.string_value, value.bool_value, value.bytes_value)
    return next((one for one in profile_updates if one is not None), value.double_value)


def _integer(value: Any) -> Any:
    if isinstance(value, str) and len(value) <= 20 and value.removeprefix("-").isascii():
        return int(value) if value.removeprefix("-").isdigit() else value
    return value


def _pop_attribute(data: dict[str, Any], name: str) -> Any:
    """An attribute that is an id, taken out; what is neither a string nor a number is none and stays."""
    value = data.get(name)
    if type(value) is msgspec.Raw and value is not NULL:
        value = msgspec.json.decode(value)
    if _id(value) is None:
        return None
    del data[name]
    return value


def _id(value: Any) -> Any:
    return value if type(value) in (str, int, float) else None
