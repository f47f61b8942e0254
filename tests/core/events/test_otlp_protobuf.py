"""OTLP's logs in protobuf: the same events as from JSON, and nothing but refusals from what is broken."""

import base64
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import BadRequest, DeltaError
from delta_server.core.events import otlp_log, otlp_protobuf
from delta_server.core.events.event import lines
from delta_server.core.events.event_time import Arrival
from delta_server.core.events.otlp_protobuf import PROTOBUF

ARRIVAL = Arrival(1_795_176_000_000, 32_768)


def varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def part(number: int, data: bytes | str | int) -> bytes:
    """A field: a number as a varint, else with its length."""
    if isinstance(data, int):
        return varint(number << 3) + varint(data % 2**64)
    data = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | 2) + varint(len(data)) + data


def fixed64(number: int, value: int) -> bytes:
    return varint(number << 3 | 1) + value.to_bytes(8, "little")


def attribute(key: str, value: bytes) -> bytes:
    return part(1, key) + part(2, value)


def double(value: float) -> bytes:
    return varint(4 << 3 | 1) + struct.pack("<d", value)


ATTRIBUTES: list[tuple[str, bytes, dict[str, Any]]] = [
    ("s", part(1, "text é"), {"stringValue": "text é"}),
    ("b", part(2, 1), {"boolValue": True}),
    ("i", part(3, -5), {"intValue": "-5"}),
    ("d", double(1.5), {"doubleValue": 1.5}),
    ("nan", double(float("nan")), {"doubleValue": None}),
    ("inf", double(float("-inf")), {}),
    ("a", part(5, part(1, part(1, "x")) + part(1, part(3, 7))),
     {"arrayValue": {"values": [{"stringValue": "x"}, {"intValue": 7}]}}),
    ("m", part(6, part(1, attribute("k", part(2, 0)))),
     {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": False}}]}}),
    ("y", part(7, b"\x00\xff"), {"bytesValue": base64.b64encode(b"\x00\xff").decode()}),
    ("none", b"", {}),
    ("user.id", part(1, "u1"), {"stringValue": "u1"}),
]  # fmt: skip
AT, SEEN = 1_795_176_000_123_456_789, 1_795_176_000_200_000_000
RECORD = (
    fixed64(1, AT) + fixed64(11, SEEN) + part(2, 17) + part(3, "ERROR") + part(5, part(1, "declined"))
    + b"".join(part(6, attribute(key, value)) for key, value, _ in ATTRIBUTES)
    + part(7, 2) + varint(8 << 3 | 5) + b"\1\0\0\0" + part(9, b"\xab" * 16) + part(10, b"\xcd" * 8) + part(12, "paid")
    + part(99, "unknown") + fixed64(98, 5)
)  # fmt: skip
SENT = {
    "timeUnixNano": str(AT), "observedTimeUnixNano": str(SEEN), "severityNumber": 17, "severityText": "ERROR",
    "body": {"stringValue": "declined"}, "attributes": [{"key": key, "value": value} for key, _, value in ATTRIBUTES],
    "droppedAttributesCount": 2, "flags": 1, "traceId": "ab" * 16, "spanId": "cd" * 8, "eventName": "paid",
}  # fmt: skip
RESOURCE = part(1, attribute("service.name", part(1, "shop")))
BODY = part(
    1,
    part(1, RESOURCE)
    + part(2, part(1, part(1, "lib") + part(2, "1.2")) + part(2, RECORD) + part(2, b"") + part(3, "http://s"))
    + part(3, "http://r"),
)
JSON = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "schemaUrl": "http://r",
            "scopeLogs": [
                {"scope": {"name": "lib", "version": "1.2"}, "logRecords": [SENT, {}], "schemaUrl": "http://s"}
            ],
        }
    ]
}


def test_the_same_events_as_from_json() -> None:
    found = otlp_log.parse(BODY, ARRIVAL, PROTOBUF)
    wanted = otlp_log.parse(msgspec.json.encode(JSON), ARRIVAL)
    assert found.rejected == []
    for event in (*found.events, *wanted.events):
        event.message_id = None
    assert lines(found.events) == lines(wanted.events)
    assert (found.events[0].source, found.events[0].user_id, found.events[0].type) == ("shop", "u1", "paid")
    assert msgspec.json.decode(found.events[0].metadata or b"") == {
        "traceId": "ab" * 16, "spanId": "cd" * 8, "traceFlags": 1, "severityNumber": 17, "timeUnixNano": str(AT),
        "observedTimeUnixNano": str(SEEN), "droppedAttributesCount": 2, "scope": "lib", "scopeVersion": "1.2",
        "schemaUrl": "http://s", "resourceSchemaUrl": "http://r",
    }  # fmt: skip


def test_a_request_counts_once_however_often_it_comes() -> None:
    ids = [[event.message_id for event in otlp_log.parse(BODY, ARRIVAL, PROTOBUF).events] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


@pytest.mark.parametrize(
    "body", [b"\xff", b"\x0a\x05a", b"\x0b", b"\x0f", b"\x00\x00", b"\x0a" + b"\xff" * 11, b"\x0a\xff\xff\xff\xff\x0f"]
)
def test_what_is_no_protobuf(body: bytes) -> None:
    with pytest.raises(BadRequest, match="protobuf"):
        otlp_log.parse(body, ARRIVAL, PROTOBUF)


def test_one_record_that_is_broken_costs_no_other() -> None:
    deep = part(1, "x")
    for _ in range(150):
        deep = part(5, part(1, deep))
    records = [RECORD, b"\xff", part(5, deep), part(5, part(1, b"caf\xe9")), part(6, part(2, part(1, "no key")))]
    body = part(1, part(2, b"".join(part(2, record) for record in records)))
    found = otlp_log.parse(body, ARRIVAL, PROTOBUF)
    assert [one.index for one in found.rejected] == [1, 2]
    assert [msgspec.json.decode(event.data or b"") for event in found.events[1:]] == [{"body": "caf�"}, {"": "no key"}]


@given(st.binary() | st.lists(st.binary(max_size=9)).map(b"".join))
def test_nothing_else_is_raised(body: bytes) -> None:
    for sent in (body, part(1, body), part(1, part(2, body)), part(1, part(2, part(2, body)))):
        try:
            otlp_log.parse(sent, ARRIVAL, PROTOBUF)
        except DeltaError as error:
            assert error.status in (400, 413)  # noqa: PT017 - some of them may be read


def test_answers() -> None:
    assert otlp_protobuf.response(0, "") == b""
    assert otlp_protobuf.response(300, "no") == part(1, part(1, 300) + part(2, "no"))
    assert otlp_protobuf.status(503, "wait") == part(1, 14) + part(2, "wait")
    assert otlp_protobuf.status(500, "é") == part(1, 13) + part(2, "é")
