"""CloudEvents in their three modes; the examples are those of the specification."""

import base64
from typing import Any

import msgspec
import pytest

from delta_server.core.errors import DeltaError, Invalid, NotAcceptable
from delta_server.core.events import cloudevents
from delta_server.core.events.event import Event
from delta_server.core.events.event_time import Arrival
from tests.hostile.inputs import BROKEN_JSON, ODD_JSON

NOW = 1_795_176_000_000
ARRIVAL = Arrival(NOW, 32_768)
LEAST = {"specversion": "1.0", "type": "com.example.someevent", "source": "/mycontext", "id": "A234-1234-1234"}
HEADERS = [(f"ce-{name}".encode(), value.encode()) for name, value in LEAST.items()]


def structured(**more: Any) -> Event:
    body = {name: value for name, value in {**LEAST, **more}.items() if value is not ...}
    return cloudevents.parse_one(msgspec.json.encode(body), ARRIVAL).events[0]


def binary(body: bytes, kind: str, *more: tuple[bytes, bytes]) -> Event:
    return cloudevents.parse_binary([*HEADERS, *more], kind, body, ARRIVAL).events[0]


def value(raw: msgspec.Raw | None) -> Any:
    return None if raw is None else msgspec.json.decode(raw)


def test_the_least_there_is() -> None:
    assert structured() == Event(
        NOW, NOW, "com.example.someevent", source="/mycontext", message_id="/mycontext A234-1234-1234"
    )


@pytest.mark.parametrize(
    ("more", "data", "metadata"),
    [
        ({"data": {"a": 1}}, {"a": 1}, None),
        ({"data": {"a": 1}, "datacontenttype": "application/json"}, {"a": 1}, None),
        ({"data": "<much/>", "datacontenttype": "text/xml"}, {"value": "<much/>"}, {"datacontenttype": "text/xml"}),
        ({"data": None}, None, None),
        ({"data_base64": "AQI="}, {"value": "AQI="}, {"dataencoding": "base64"}),
        ({"data_base64": "eyJhIjoxLjEwfQ=="}, {"a": 1.1}, None),
        (
            {"data_base64": "eyJhIjoxLjEwfQ==", "datacontenttype": "application/vnd.x+json; charset=utf-8"},
            {"a": 1.1},
            {"datacontenttype": "application/vnd.x+json; charset=utf-8"},
        ),
        (
            {"data_base64": "eyJhIjoxLjEwfQ==", "datacontenttype": "application/zip"},
            {"value": "eyJhIjoxLjEwfQ=="},
            {"datacontenttype": "application/zip", "dataencoding": "base64"},
        ),
        ({"data_base64": "aGk=", "datacontenttype": "text/plain"}, {"value": "hi"}, {"datacontenttype": "text/plain"}),
        ({"data_base64": "/w==", "datacontenttype": "application/json"}, {"value": "/w=="}, {"dataencoding": "base64"}),
        ({"subject": "x", "comexampleext": 5, "flag": True}, None, {"subject": "x", "comexampleext": 5, "flag": True}),
        ({"odd": {"a": [1]}, "none": None}, None, {"odd": {"a": [1]}}),
        ({"writeKey": "dk_write_x", "write_key": "dk_proj_x"}, None, None),
    ],
)
def test_data_and_extensions(more: dict[str, Any], data: Any, metadata: Any) -> None:
    event = structured(**more)
    assert (value(event.data), value(event.metadata)) == (data, metadata)


def test_extensions_that_are_fields() -> None:
    event = structured(userid="u", anonymousid="a", sessionid=5, duration="12", priority="high", status="ok")
    assert (event.user_id, event.anonymous_id, event.session_id) == ("u", "a", "5")
    assert (event.duration, event.priority, event.status, event.metadata) == (12, 30, "ok", None)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        *(({name: ...}, name) for name in LEAST),
        *(({name: ""}, name) for name in LEAST),
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": 1.0}, "specversion"),
        ({"type": {}}, "type"),
        ({"source": "x" * 513}, "source"),
        ({"id": True}, "id"),
        ({"time": "yesterday"}, "timestamp"),
        ({"data_base64": "?"}, "data_base64"),
        ({"data_base64": 5}, "data_base64"),
        ({"data": 1, "data_base64": "AQI="}, "data_base64"),
        ({"priority": "900"}, "priority"),
    ],
)
def test_refusals(more: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        structured(**more)
    assert [error.field for error in caught.value.errors] == [field]


def test_identity_is_source_and_id() -> None:
    long = "s" * 400
    events = [("a", "b c"), ("a b", "c"), ("a", "b"), ("ab", "c"), (long, "i"), (long, "j")]
    ids = [structured(source=source, id=name).message_id or "" for source, name in events]
    assert ids[:2] == ["a b c", ids[1]]
    assert len(set(ids)) == 6
    assert all(len(one) <= 200 for one in ids)


def test_batches() -> None:
    body = msgspec.json.encode([LEAST, {**LEAST, "type": None}, 5, {**LEAST, "id": "2"}])
    found = cloudevents.parse_many(body, ARRIVAL)
    assert [event.message_id for event in found.events] == ["/mycontext A234-1234-1234", "/mycontext 2"]
    assert [(one.index, one.message_id) for one in found.rejected] == [(1, "A234-1234-1234"), (2, None)]
    assert cloudevents.parse_many(b"[]", ARRIVAL).events == []
    with pytest.raises(Invalid, match="array"):
        cloudevents.parse_many(b"{}", ARRIVAL)


def test_of_a_name_given_twice_in_a_body_the_last_one_counts() -> None:
    assert binary(b'{"x":1.0,"x":2.0}', "application/json").data == msgspec.Raw(b'{"x":2.0}')


@pytest.mark.parametrize(
    ("body", "kind", "data", "metadata"),
    [
        (b'{"a": 1}', "application/json; charset=utf-8", {"a": 1}, None),
        (b'{\n"a":\n1}', "application/vnd.x+json", {"a": 1}, None),
        (b"[1]", "application/json", {"value": [1]}, None),
        (b"", "application/json", None, None),
        (b"", "", None, None),
        (b"<much/>", "text/xml", {"value": "<much/>"}, {"datacontenttype": "text/xml"}),
        (b"\xff\x00", "image/png", {"value": "/wA="}, {"datacontenttype": "image/png", "dataencoding": "base64"}),
    ],
)
def test_binary_bodies(body: bytes, kind: str, data: Any, metadata: Any) -> None:
    event = binary(body, kind)
    assert (value(event.data), value(event.metadata)) == (data, metadata)
    assert event.message_id == "/mycontext A234-1234-1234"


def test_control_characters_do_not_make_a_body_grow() -> None:
    """A line of more than 2 MiB cannot be read back, and keeps all of its project from being read."""
    body = b"\x01" * 20_000
    event = binary(body, "text/plain")
    assert event.data is not None
    assert len(event.data) < 1.5 * len(body)
    assert base64.b64decode(value(event.data)["value"]) == body
    assert value(event.metadata)["dataencoding"] == "base64"


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (b"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        (b"100%25", "100%"),
        (b'"an \\"old\\" sender"', 'an "old" sender'),
        (b"plain", "plain"),
    ],
)
def test_headers_are_decoded(header: bytes, wanted: str) -> None:
    assert value(binary(b"", "", (b"ce-subject", header)).metadata) == {"subject": wanted}


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (b"Z\xfcrich", "Zürich"),
        (b"%C0%80", "À\x80"),
        (b"%FC 7% off", "ü 7% off"),
        (b"\xe9t\xe9%20%E2%82%AC", "été €"),
        (b'"\xff"', "ÿ"),
    ],
)
def test_headers_that_are_no_utf8_are_latin_1(header: bytes, wanted: str) -> None:
    assert value(binary(b"", "", (b"ce-subject", header)).metadata) == {"subject": wanted}


@pytest.mark.parametrize(
    ("kind", "headers", "wanted"),
    [
        ("application/cloudevents+json", [], "one"),
        ("Application/CloudEvents+JSON; charset=utf-8", [], "one"),
        ("application/cloudevents-batch+json", [], "batch"),
        ("application/json", HEADERS, "binary"),
        ("", HEADERS, "binary"),
        ("application/json", HEADERS[1:], None),
        ("application/json", [], None),
    ],
)
def test_modes(kind: str, headers: list[tuple[bytes, bytes]], wanted: str | None) -> None:
    assert cloudevents.mode(kind, headers) == wanted


@pytest.mark.parametrize("kind", ["application/cloudevents+avro", "application/cloudevents-batch+protobuf"])
def test_formats_that_are_not_understood(kind: str) -> None:
    with pytest.raises(NotAcceptable, match="as JSON"):
        cloudevents.mode(kind, [])


@pytest.mark.parametrize("name", [*BROKEN_JSON, *ODD_JSON])
def test_hostile_json(name: str) -> None:
    body = (BROKEN_JSON | ODD_JSON)[name]
    with pytest.raises(DeltaError):
        cloudevents.parse_one(body, ARRIVAL)
    try:
        assert binary(body, "application/json").type == LEAST["type"]
    except DeltaError as error:
        assert error.status in (400, 413)  # noqa: PT017 - some of them may be read
