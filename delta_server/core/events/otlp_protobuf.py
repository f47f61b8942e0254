"""OTLP's logs in protobuf, and the few messages that answer them: https://protobuf.dev/programming-guides/encoding/.

Ten message types that will keep their numbers are not worth a runtime of half a megabyte. Unknown fields are skipped,
texts that are not UTF-8 get U+FFFD, NaN and infinities are null, values nest as deep as in JSON.
"""

import base64
import math
import struct
from collections.abc import Iterator

import msgspec

from delta_server.core.errors import BadRequest, Invalid
from delta_server.core.events import validate
from delta_server.core.events.event_batch import Item
from delta_server.core.events.otlp_message import Array, Form, Group, Map, Origin, Pair, Record, Scope, Value
from delta_server.core.events.validate import NULL
from delta_server.core.json.salvage import Unreadable

MEDIA_TYPES = frozenset({"application/x-protobuf", "application/protobuf"})

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_LARGEST = (1 << 64) - 1
_BROKEN = "the body is not an ExportLogsServiceRequest in protobuf"
_GRPC = {400: 3, 401: 16, 403: 7, 404: 5, 409: 10, 413: 3, 415: 3, 429: 8, 503: 14}
"""google.rpc.Code by HTTP status; all others are INTERNAL."""


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(number, a number's value, bytes) of each field: fixed ones and texts are bytes. Raises BadRequest."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise BadRequest(_BROKEN)
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value & _LARGEST, b""
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise BadRequest(_BROKEN)
        if at + size > end:
            raise BadRequest(_BROKEN)
        yield number, 0, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, min(at + _LONGEST_VARINT, len(data))):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + 1
        shift += 7
    raise BadRequest(_BROKEN)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _fixed(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _value(data: bytes, depth: int) -> Value:
    if depth > validate.MOST_DEPTH:
        raise Invalid(f"a value is nested more than {validate.MOST_DEPTH} levels deep")
    found = Value()
    for number, value, part in _fields(data):  # of several the last counts, as in any oneof
        if number == 1:
            found = Value(string_value=_text(part))
        elif number == 2:
            found = Value(bool_value=bool(value))
        elif number == 3:
            found = Value(int_value=_signed(value))
        elif number == 4 and len(part) == 8:
            found = Value(double_value=_double(part))
        elif number == 5:
            found = Value(array_value=Array([_value(one, depth + 1) for n, _, one in _fields(part) if n == 1]))
        elif number == 6:
            found = Value(kvlist_value=Map([_pair(one, depth + 1) for n, _, one in _fields(part) if n == 1]))
        elif number == 7:
            found = Value(bytes_value=base64.b64encode(part).decode())
    return found


def _double(data: bytes) -> msgspec.Raw:
    (number,) = struct.unpack("<d", data)
    return msgspec.Raw(repr(number).encode()) if math.isfinite(number) else NULL


def _pair(data: bytes, depth: int = 1) -> Pair:
    found = Pair()
    for number, _, part in _fields(data):
        if number == 1:
            found.key = _text(part)
        elif number == 2:
            found.value = _value(part, depth)
    return found


def _resource(data: Item) -> Origin:
    return _origin(bytes(data), attributes=1, dropped=2)


def _scope(data: Item) -> Origin:
    found = _origin(bytes(data), attributes=3, dropped=4)
    for number, _, part in _fields(bytes(data)):
        if number == 1:
            found.name = _text(part)
        elif number == 2:
            found.version = _text(part)
    return found


def _origin(data: bytes, *, attributes: int, dropped: int) -> Origin:
    found = Origin(attributes=[])
    for number, value, part in _fields(data):
        if number == attributes:
            found.attributes = [*(found.attributes or ()), _pair(part)]
        elif number == dropped:
            found.dropped_attributes_count = value
    return found


def _record(data: Item) -> Record:
    found, attributes = Record(), list[Pair]()
    for number, value, part in _fields(bytes(data)):
        if number == 1:
            found.time_unix_nano = _fixed(part)
        elif number == 2:
            found.severity_number = value
        elif number == 3:
            found.severity_text = _text(part)
        elif number == 5:
            found.body = _value(part, 1)
        elif number == 6:
            attributes.append(_pair(part))
        elif number == 7:
            found.dropped_attributes_count = value
        elif number == 8:
            found.flags = _fixed(part)
        elif number == 9:
            found.trace_id = part.hex()
        elif number == 10:
            found.span_id = part.hex()
        elif number == 11:
            found.observed_time_unix_nano = _fixed(part)
        elif number == 12:
            found.event_name = _text(part)
    found.attributes = attributes
    return found


def _groups(body: bytes) -> tuple[list[Group], Unreadable | None]:
    return [_group(part) for number, _, part in _fields(body) if number == 1], None


def _group(data: bytes) -> Group:
    resource, url, scopes = b"", None, list[Scope]()
    for number, _, part in _fields(data):
        if number == 1:
            resource = part
        elif number == 2:
            scopes.append(_scope_logs(part))
        elif number == 3:
            url = _text(part) or None
    return Group(resource, url, scopes)


def _scope_logs(data: bytes) -> Scope:
    scope, url, records = b"", None, list[Item]()
    for number, _, part in _fields(data):
        if number == 1:
            scope = part
        elif number == 2:
            records.append(part)
        elif number == 3:
            url = _text(part) or None
    return Scope(scope, url, records)


PROTOBUF = Form(_groups, _resource, _scope, _record)


def response(rejected: int, message: str) -> bytes:
    """ExportLogsServiceResponse; empty when all was taken."""
    if not rejected:
        return b""
    return _field(1, b"\x08" + _written(rejected) + _field(2, message.encode()))


def status(http_status: int, message: str) -> bytes:
    """google.rpc.Status."""
    return b"\x08" + _written(_GRPC.get(http_status, 13)) + _field(2, message.encode(errors="replace"))


def _field(number: int, data: bytes) -> bytes:
    return _written(number << 3 | _BYTES) + _written(len(data)) + data


def _written(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
