"""What OTLP's logs are made of, whichever encoding brings them; and their JSON.

https://github.com/open-telemetry/opentelemetry-proto: field names are in lowerCamelCase, 64-bit numbers come as text or
numbers, unknown fields are ignored.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from delta_server.core.errors import BadRequest, Invalid
from delta_server.core.events import event_batch, validate
from delta_server.core.events.event_batch import Item
from delta_server.core.events.validate import NULL
from delta_server.core.json import json_text, salvage
from delta_server.core.json.salvage import Unreadable


class Value(msgspec.Struct, rename="camel", gc=False):
    """AnyValue: one of these. A double's text is kept as it came."""

    string_value: Any = None
    bool_value: Any = None
    int_value: Any = None
    double_value: msgspec.Raw = NULL
    bytes_value: Any = None
    array_value: "Array | None" = None
    kvlist_value: "Map | None" = None


class Array(msgspec.Struct, gc=False):
    values: list[Value] | None = None


class Pair(msgspec.Struct, gc=False):
    key: str = ""
    value: Value | None = None


class Map(msgspec.Struct, gc=False):
    values: list[Pair] | None = None


class Origin(msgspec.Struct, rename="camel", gc=False):
    """A resource, or a scope with its name."""

    attributes: list[Pair] | None = None
    name: str | None = None
    version: str | None = None
    dropped_attributes_count: Any = None


class Record(msgspec.Struct, rename="camel", gc=False):
    time_unix_nano: Any = None
    observed_time_unix_nano: Any = None
    severity_number: Any = None
    severity_text: Any = None
    body: Value | None = None
    attributes: list[Pair] | None = None
    trace_id: Any = None
    span_id: Any = None
    event_name: Any = None
    flags: Any = None
    dropped_attributes_count: Any = None


class Scope(msgspec.Struct, frozen=True):
    """A scope's records, which are read one by one."""

    scope: Item
    schema_url: str | None
    records: Sequence[Item]


class Group(msgspec.Struct, frozen=True):
    """A resource's scopes."""

    resource: Item
    schema_url: str | None
    scopes: list[Scope]


class Form(msgspec.Struct, frozen=True):
    """How one encoding is read: a request, with what of it cannot be separated; a resource, a scope, a record. They
    raise what is in event_batch.WRONG."""

    groups: Callable[[bytes], tuple[list[Group], Unreadable | None]]
    resource: Callable[[Item], Origin]
    scope: Callable[[Item], Origin]
    record: Callable[[Item], Record]


class _ScopeLogs(msgspec.Struct, rename="camel"):
    scope: msgspec.Raw = NULL
    log_records: list[msgspec.Raw] | None = None
    schema_url: Any = None


class _ResourceLogs(msgspec.Struct, rename="camel"):
    resource: msgspec.Raw = NULL
    scope_logs: list[_ScopeLogs] | None = None
    schema_url: Any = None


class _Request(msgspec.Struct, rename="camel"):
    resource_logs: list[_ResourceLogs] | None = None


_PATH = (b"resourceLogs", b"scopeLogs", b"logRecords")
_decode_request = msgspec.json.Decoder(_Request).decode
_decode_origin = msgspec.json.Decoder(Origin | None).decode
_decode_record = msgspec.json.Decoder(Record).decode


def _json_groups(body: bytes) -> tuple[list[Group], Unreadable | None]:
    try:
        return _groups(_request(body), None), None
    except BadRequest:
        found = salvage.recover(body, _PATH, most=event_batch.MOST_EVENTS)
        if found is None or not found.items:
            raise
    return _groups(_request(found.skeleton), found.items), found.rest


def _request(body: bytes) -> _Request:
    try:
        return json_text.read(event_batch.without_line_breaks(body), _decode_request, "the body")
    except msgspec.ValidationError as error:
        raise Invalid(f"this is not an ExportLogsServiceRequest of OTLP: {error}") from None


def _groups(request: _Request, items: Sequence[bytes] | None) -> list[Group]:
    """`items` are the records where `request` has only their numbers."""
    found = []
    for group in request.resource_logs or ():
        scopes = []
        for logs in group.scope_logs or ():
            records: Sequence[Item] = logs.log_records or ()
            if items is not None:
                records = [items[int(bytes(each))] for each in records]
            scopes.append(Scope(logs.scope, _url(logs.schema_url), records))
        found.append(Group(group.resource, _url(group.schema_url), scopes))
    return found


def _url(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _json_origin(raw: Item) -> Origin:
    _refuse_deep(raw, "the resource or scope")
    return _decode_origin(raw) or Origin()


def _json_record(raw: Item) -> Record:
    _refuse_deep(raw, "the record")
    return _decode_record(raw)


def _refuse_deep(raw: Item, what: str) -> None:
    if json_text.deeper_than(validate.MOST_DEPTH, bytes(raw)):
        raise Invalid(f"{what} is nested more than {validate.MOST_DEPTH} levels deep")


JSON = Form(_json_groups, _json_origin, _json_origin, _json_record)
