"""Delta's own events: one, a batch, lines."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import BadRequest, DeltaError, Invalid, TooLarge
from delta_server.core.events import native_event
from delta_server.core.events.event import MENDED, Event, lines
from delta_server.core.events.event_batch import Parsed, write_key
from delta_server.core.events.event_time import Arrival
from tests.hostile.inputs import BROKEN_JSON, ODD_JSON

NOW = 1_795_176_000_000
ARRIVAL = Arrival(NOW, 32_768)
JSON = {"eventType": "a"}


def one(event: Any, **more: Any) -> Event:
    body = event if isinstance(event, bytes) else msgspec.json.encode(event)
    return native_event.parse_one(body, ARRIVAL, **more).events[0]


def many(events: Any) -> Parsed:
    return native_event.parse_many(msgspec.json.encode(events), ARRIVAL)


def test_an_event_with_everything() -> None:
    event = one(
        {
            "timestamp": "2026-11-20T12:00:00.500Z", "eventType": "signup", "source": "web", "data": {"plan": "pro"},
            "userId": "u1", "anonymousId": "a1", "sessionId": "s1", "duration": 12.5, "priority": 55, "status": "ok",
            "tags": ["x", "y"], "metadata": {"ip": "::1"}, "messageId": "m1",
        }
    )  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(event)) == {
        "t": NOW + 500, "r": NOW, "e": "signup", "o": "web", "d": {"plan": "pro"}, "u": "u1", "n": "a1", "x": "s1",
        "l": 12.5, "p": 55, "a": "ok", "g": ["x", "y"], "m": {"ip": "::1"}, "i": "m1",
    }  # fmt: skip


def test_an_event_of_its_type_alone_happened_now() -> None:
    assert one(JSON) == Event(NOW, NOW, "a")
    absent = [
        "source",
        "userId",
        "data",
        "metadata",
        "tags",
        "messageId",
        "timestamp",
        "duration",
        "priority",
        "status",
    ]
    assert one(JSON | dict.fromkeys(absent)) == Event(NOW, NOW, "a")


@pytest.mark.parametrize(
    ("sent", "name", "wanted"),
    [
        ({"userId": 1}, "user_id", "1"),
        ({"userId": 1.0}, "user_id", "1"),
        ({"userId": 1.5}, "user_id", "1.5"),
        ({"userId": 2**70}, "user_id", str(2**70)),
        ({"userId": ""}, "user_id", None),
        ({"userId": "x" * 512}, "user_id", "x" * 512),
        ({"anonymousId": -7}, "anonymous_id", "-7"),
        ({"user_id": "u"}, "user_id", "u"),
        ({"event_type": "b", "eventType": None}, "type", None),
        ({"message_id": 5}, "message_id", "5"),
        ({"priority": "HIGH"}, "priority", 30),
        ({"priority": 0}, "priority", 0),
        ({"status": 200}, "status", "200"),
        ({"tags": "a"}, "tags", ["a"]),
        ({"tags": ["b", "a", "b", 1, "", None]}, "tags", ["b", "a", "1"]),
        ({"tags": ["b", "b"]}, "tags", ["b"]),
        ({"tags": []}, "tags", None),
        ({"duration": 0}, "duration", 0),
        ({"data": {}}, "data", None),
        ({"data": [1]}, "data", b'{"value":[1]}'),
        ({"data": "x"}, "data", b'{"value":"x"}'),
        ({"data": False}, "data", b'{"value":false}'),
        ({"colour": "red"}, "metadata", b'{"colour":"red"}'),
        ({"colour": "red", "writeKey": "dk_write_x"}, "metadata", b'{"colour":"red"}'),
        ({"writeKey": "dk_proj_x"}, "metadata", None),
        ({"write_key": "dk_proj_x"}, "metadata", None),
        ({"colour": "red", "n": 1, "metadata": {"n": 2}}, "metadata", b'{"colour":"red","n":2}'),
        ({"eventType": "x" * 200}, "type", "x" * 200),
        ({"eventType": 7}, "type", "7"),
    ],
)  # fmt: skip
def test_what_is_made_of_odd_values(sent: dict[str, Any], name: str, wanted: Any) -> None:
    if wanted is None and name == "type":
        with pytest.raises(Invalid, match="eventType is given twice"):
            one(sent)
        return
    found = getattr(one(JSON | sent), name)
    assert (bytes(found) if isinstance(found, msgspec.Raw) else found) == wanted


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"eventType": ""}, "eventType"),
        ({"eventType": None}, "eventType"),
        ({"eventType": "x" * 201}, "eventType"),
        ({"eventType": "a\0b"}, "eventType"),
        ({"eventType": {}}, "eventType"),
        ({"userId": True}, "userId"),
        ({"userId": {"id": 1}}, "userId"),
        ({"userId": "x" * 513}, "userId"),
        ({"userId": "\0"}, "userId"),
        ({"userId": int("9" * 600)}, "userId"),
        ({"sessionId": []}, "sessionId"),
        ({"messageId": "x" * 201}, "messageId"),
        ({"source": False}, "source"),
        ({"status": {}}, "status"),
        ({"duration": -1}, "duration"),
        ({"duration": "5"}, "duration"),
        ({"duration": True}, "duration"),
        ({"duration": 1e300}, "duration"),
        ({"duration": 10**400}, "duration"),
        ({"priority": 101}, "priority"),
        ({"priority": -1}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"priority": "urgent"}, "priority"),
        ({"priority": True}, "priority"),
        ({"tags": {}}, "tags"),
        ({"tags": [{}]}, "tags[0]"),
        ({"tags": ["a", True]}, "tags[1]"),
        ({"tags": ["x" * 201]}, "tags[0]"),
        ({"tags": ["a"] * 101}, "tags"),
        ({"metadata": [1]}, "metadata"),
        ({"metadata": "x", "colour": 1}, "metadata"),
        ({"timestamp": "soon"}, "timestamp"),
        ({"timestamp": {}}, "timestamp"),
        ({"timestamp": True}, "timestamp"),
        ({"originalTimestamp": "soon"}, "originalTimestamp"),
        ({"userId": "a", "user_id": "b"}, "userId"),
    ],
)
def test_refusals_name_the_field(sent: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        one(JSON | sent)
    assert [error.field for error in caught.value.errors] == [field]


@pytest.mark.parametrize("name", BROKEN_JSON)
def test_broken_json(name: str) -> None:
    with pytest.raises(DeltaError):
        native_event.parse_one(BROKEN_JSON[name], ARRIVAL)
    with suppress(DeltaError):
        assert native_event.parse_many(BROKEN_JSON[name], ARRIVAL).events == []
    assert native_event.parse_many(b'{"eventType":"a"}\n' + BROKEN_JSON[name], ARRIVAL, lines=True).events == [
        one(JSON)
    ]


@pytest.mark.parametrize("name", ODD_JSON)
def test_odd_json(name: str) -> None:
    for parse in (native_event.parse_one, native_event.parse_many):
        with suppress(Invalid, TooLarge):
            parse(ODD_JSON[name], ARRIVAL)


def test_deep_events() -> None:
    def nested(levels: int) -> bytes:
        return b'{"eventType":"a","data":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}"

    assert one(nested(100)).data is not None
    with pytest.raises(Invalid, match="data is nested more than 100 levels"):
        one(nested(101))
    for body in (b'{"eventType":"a","userId":%s}', b'{"eventType":"a","other":%s}'):
        for levels in (101, 900, 100_000):
            with pytest.raises(DeltaError):
                one(body % (b"[" * levels + b"]" * levels))


def test_one_bad_event_does_not_sink_the_others() -> None:
    events = [
        JSON,
        {"messageId": "m2"},
        [],
        5,
        None,
        {"eventType": "b", "userId": True, "messageId": "m6"},
        {"eventType": "c"},
    ]
    found = many({"events": events})
    assert [event.type for event in found.events] == ["a", "c"]
    assert [(one.index, one.message_id, one.code) for one in found.rejected] == [
        (1, "m2", "VALIDATION_ERROR"),
        (2, None, "VALIDATION_ERROR"),
        (3, None, "VALIDATION_ERROR"),
        (4, None, "VALIDATION_ERROR"),
        (5, "m6", "VALIDATION_ERROR"),
    ]
    assert found.rejected[4].message == "userId must be a string or a number"


@pytest.mark.parametrize("gap", ["", " ", "\n", "\r\n\t"])
def test_half_an_emoji_does_not_sink_the_others(gap: str) -> None:
    """What `"\N{GRINNING FACE}".slice(0, 1)` is in a browser's JSON."""
    whole, half, escaped = r'"\ud83d\ude00"', r'"\ud83d"', r'"\\ud83d"'
    events = [f'{{"eventType":"a",{gap}"data":{{"text":{text}}},"messageId":"m"}}' for text in (whole, half, escaped)]
    events += [r'{"eventType":"b","userId":"\uDE00\uD83D"}', r'{"eventType":"c"}', events[0]]
    body = f"{gap}[{gap}" + f"{gap},{gap}".join(events) + "]"
    for sent in (body, f'{{"sentAt":{NOW},"events":{gap}{body}}}'):
        found = native_event.parse_many(sent.encode(), ARRIVAL)
        assert [event.type for event in found.events] == ["a", "a", "a", "b", "c", "a"]
        assert found.rejected == []
        assert [event.flags for event in found.events] == [0, MENDED, 0, MENDED, 0, 0]
        profile_updates = [msgspec.json.decode(event.data)["text"] for event in found.events[:3] if event.data]
        assert profile_updates == ["\N{GRINNING FACE}", "\ufffd", r"\ud83d"]
        assert found.events[3].user_id == "\ufffd\ufffd"
        assert lines(found.events).count(b"\n") == 6


def test_numbers_beyond_floats_are_told_or_kept() -> None:
    found = native_event.parse_many(b'[{"eventType":"a","userId":1e400},{"eventType":"a","data":{"n":1e400}}]', ARRIVAL)
    assert [one.index for one in found.rejected] == [0]
    assert bytes(found.events[0].data or b"") == b'{"n":1e400}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"events":[{"eventType":"a"},{"eventType":"b"}]}',
        b'[{"eventType":"a"},{"eventType":"b"}]',
        b' \n[{"eventType":"a"},\r\n {"eventType":\t"b"}]\n',
        b'{"eventType":"a"}\n{"eventType":"b"}',
        b'{"eventType":"a"}\r\n\r\n{"eventType":"b"}\r\n',
    ],
)
def test_the_forms_of_a_batch(body: bytes) -> None:
    assert [event.type for event in native_event.parse_many(body, ARRIVAL).events] == ["a", "b"]


def test_line_breaks_between_values_do_not_get_into_lines() -> None:
    body = b'{\n"events": [\n{"eventType": "a",\n"data": {\r\n"text": "1\\n2",\n"n": 1.50},"metadata":{\n"a":\n1}}]}'
    [event] = native_event.parse_many(body, ARRIVAL).events
    assert bytes(event.data or b"") == b'{"text":"1\\n2","n":1.50}'
    assert lines([event]).count(b"\n") == 1
    pretty = one(b'{"eventType":"a","data":{\n"a":1}}')
    assert lines([pretty]).count(b"\n") == 1


def test_lines_are_read_one_by_one() -> None:
    found = native_event.parse_many(b'{"eventType":"a"}\n{"eventType":\n\n{"eventType":"c"}\nnull', ARRIVAL, lines=True)
    assert [event.type for event in found.events] == ["a", "c"]
    assert [(one.index, one.code) for one in found.rejected] == [(1, "BAD_REQUEST"), (3, "VALIDATION_ERROR")]
    assert found.rejected[0].message == "the event is not valid JSON: it ends too early"
    with pytest.raises(BadRequest, match="empty"):
        native_event.parse_many(b"\n \n", ARRIVAL, lines=True)


@pytest.mark.parametrize("odd", [{"eventType": 7}, {"eventType": ""}, JSON | {"timestamp": "x"}, JSON | {"tags": [[]]}])
@pytest.mark.parametrize("form", ['{"events":[%s]}', "[%s]", "[%s}"])
def test_an_odd_event_changes_nothing_of_the_others(form: str, odd: Any) -> None:
    usual = JSON | {"timestamp": NOW, "data": {"x": 1}, "messageId": "m"}
    sent = ",".join(msgspec.json.encode(event).decode() for event in (usual, odd, usual))
    found = native_event.parse_many((form % sent).encode(), ARRIVAL)
    assert [event for event in found.events if event.type == "a"] == [one(usual)] * 2
    assert len(found.events) == 3 or found.rejected[0].index == 1


_DATA = st.lists(
    st.sampled_from(
        [
            "{}", "null", "[]", "1", '"x"', '{"a":1}', '{"a":1,"a":2}', '{"a" :1,"b":": "}', '{"a":{"b":1,"b":[]}}',
            '{"u":"https://x.example/?a=\\":1"}', '{"\\u0061":1,"a":2}', '{"n":1.10,"m":1e2}', '{"é":"\\ud83d\\ude00"}',
            '{"l":"%s"}' % ("x" * 300), '{"a":' * 70 + "1" + "}" * 70, '{"a":' * 101 + "1" + "}" * 101,
        ]
    ),
    min_size=1,
    max_size=70,
)  # fmt: skip
_TIMES = st.sampled_from(
    [
        '"2026-11-20T12:00:00.500Z"', '"2026-11-20T12:00:00.1239999Z"', '"2026-11-20T13:00:00+01:00"', "1795176000",
        '"2026-11-20 12:00:00"', '"2026-11-20T12:00Z"', '"2026-11-20"', '"0001-01-01T00:00:00+14:00"', '"soon"', '""',
        "null", '"2030-01-01T00:00:00Z"', '"1969-12-31T23:59:59.999Z"', '"2026-11-20T23:59:60Z"', "1e400", "true",
    ]
)  # fmt: skip


@given(_DATA, st.sampled_from(["data", "metadata"]), _TIMES, st.booleans())
def test_a_batch_is_read_as_each_of_its_events(data: list[str], name: str, timestamp: str, everywhere: bool) -> None:
    parts = [f'{{"eventType":"a","userId":"u","{name}":{value}' for value in data]
    parts = [
        f'{part},"timestamp":{timestamp}}}' if everywhere or not at else part + "}" for at, part in enumerate(parts)
    ]
    found = native_event.parse_many(f'{{"events":[{",".join(parts)}]}}'.encode(), ARRIVAL)
    each: list[Event | str] = []
    for part in parts:
        try:
            each.append(one(part.encode()))
        except DeltaError as error:
            each.append(error.message)
    assert found.events == [event for event in each if isinstance(event, Event)]
    assert [refused.message for refused in found.rejected] == [event for event in each if isinstance(event, str)]


def test_of_a_name_given_twice_the_last_one_counts() -> None:
    twice = b'{"eventType":"a","data":{"x":1.0,"x":2.0},"metadata":{"y":{"z" :1,"z":[]}}}'
    idempotency_key = b'{"eventType":"a","data":{"x":3.0}}'
    found = native_event.parse_many(b"[" + b",".join([idempotency_key] * 70 + [twice]) + b"]", ARRIVAL).events
    assert {bytes(event.data or b"") for event in found[:-1]} == {b'{"x":3.0}'}
    assert (found[-1].data, found[-1].metadata) == (msgspec.Raw(b'{"x":2.0}'), msgspec.Raw(b'{"y":{"z":[]}}'))
    assert found[-1] == one(twice)


def test_sizes() -> None:
    empty = msgspec.json.encode({"eventType": "a", "data": {"x": ""}})
    fits = msgspec.json.encode({"eventType": "a", "data": {"x": "y" * (32_768 - len(empty))}})
    assert one(fits).data is not None
    with pytest.raises(TooLarge, match=r"32769 bytes, more than events\.event_bytes = 32768"):
        one(fits.replace(b"yy", b"yyy", 1))
    found = native_event.parse_many(b"[" + fits.replace(b"yy", b"yyy", 1) + b"," + fits + b"]", ARRIVAL)
    assert len(found.events) == 1
    assert [(one.index, one.code) for one in found.rejected] == [(0, "PAYLOAD_TOO_LARGE")]
    assert len(many([JSON] * 10_000).events) == 10_000
    for body in (b"[" + b"{}," * 10_000 + b"{}]", b"{}\n" * 10_001):
        with pytest.raises(TooLarge, match="10001 events, more than 10000: split"):
            native_event.parse_many(body, ARRIVAL)


@pytest.mark.parametrize(
    "body", [{}, {"events": None}, {"events": {}}, {"events": "x"}, "x", 1, None, {"batch": [JSON]}]
)
def test_what_is_no_batch(body: Any) -> None:
    with pytest.raises(Invalid, match=r'send \{"events"'):
        many(body)


def test_empty_batches_are_fine() -> None:
    assert many([]) == many({"events": []}) == Parsed([], [], [])


def test_the_clock_of_a_batch() -> None:
    found = many({"sentAt": NOW - 5000, "events": [JSON | {"timestamp": NOW - 9000}]})
    assert (found.events[0].at, found.events[0].original_at) == (NOW - 4000, NOW - 9000)


def test_a_message_id_from_elsewhere() -> None:
    assert one(JSON, message_id="k").message_id == "k"
    assert one(JSON | {"messageId": "m"}, message_id="k").message_id == "m"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"writeKey":"k","batch":[]}', "k"),
        (b'{"write_key":"k"}', "k"),
        (b'{"writeKey":5}', None),
        (b'{"writeKey":', None),
        (b'"writeKey"', None),
        (b"[" * 100_000 + b"writeKey", None),
        (b"\xffwriteKey", None),
        (b"{}", None),
    ],
)
def test_write_keys_in_bodies(body: bytes, wanted: str | None) -> None:
    assert write_key(body) == wanted


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = st.sampled_from(
    [
        "eventType",
        "userId",
        "user_id",
        "data",
        "metadata",
        "tags",
        "duration",
        "priority",
        "timestamp",
        "messageId",
        "x",
    ]
)


@given(st.lists(st.dictionaries(_FIELDS, _JSON, max_size=6) | _JSON, max_size=5))
def test_whatever_comes_is_an_event_or_rejected(events: list[Any]) -> None:
    body = msgspec.json.encode(events)
    found = native_event.parse_many(body, ARRIVAL)
    assert len(found.events) + len(found.rejected) == len(events)
    kept = lines(found.events)
    assert kept.count(b"\n") == len(found.events)
    for line in kept.splitlines():
        assert isinstance(msgspec.json.decode(line).get("d", {}), dict)
