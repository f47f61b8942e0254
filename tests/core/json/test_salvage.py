"""One event that cannot be read costs no other: what is mended, what is refused, what is told apart, in every form."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delta_server.core.errors import BadRequest, DeltaError
from delta_server.core.events import cloudevents, event_batch, native_event, otlp_log, segment_event
from delta_server.core.events.event import MENDED
from delta_server.core.events.event_batch import Parsed
from delta_server.core.events.event_time import Arrival
from delta_server.core.json import salvage

ARRIVAL = Arrival(1_795_176_000_000, 32_768)

MENDABLE: list[tuple[bytes, Any]] = [
    (b"NaN", None),
    (b"Infinity", None),
    (b"-Infinity", None),
    (b"nan", None),
    (b"-inf", None),
    (b"[1,NaN,{},-Infinity]", [1, None, {}, None]),
    (b'{"NaN":NaN,"b":"NaN, Infinity"}', {"NaN": None, "b": "NaN, Infinity"}),
    (rb'"hi \ud83d"', "hi �"),
    (rb'"\uDE00 x"', "� x"),
    (rb'"\ude00\ud83d"', "��"),
    (rb'"\ud83d\ud83d\ude00"', "�😀"),
    (rb'"\ud83d\\ude00"', "�\\ude00"),
    (rb'{"\ud83d":1}', {"�": 1}),
    (b'"caf\xe9"', "caf�"),
    (b'"\xed\xa0\xbd"', "���"),
    (b'"\xc0\x80"', "��"),
    (b'"a\tb\nc\x00d"', "a\tb\nc\0d"),
]
"""A value within an event, and what becomes of it."""

BROKEN: list[bytes] = [
    b"1,",
    b"01",
    b"undefined",
    b"None",
    b"'text'",
    b'"a" "b"',
    b"[1,2",
    b'{"a":1',
    b'{"a" 1}',
    b'{"a":{"b":1},}',
    rb'"\x41"',
    b"// 1\n1",
    b"[" * 3000 + b"]" * 3000,
]
"""A value that spoils its event, whose neighbours are told apart from it all the same."""


class Form:
    """How events come: one with the value `x` and the id `name`, and many together."""

    def __init__(self, event: bytes, batch: bytes, parse: Callable[[bytes], Parsed], between: bytes = b",") -> None:
        self._event, self._batch, self.parse, self._between = event, batch, parse, between

    def many(self, *values: bytes) -> Parsed:
        events = [self._event.replace(b"ID", b"m%d" % i).replace(b"X", x) for i, x in enumerate(values)]
        return self.parse(self._batch.replace(b"EVENTS", self._between.join(events)))


NATIVE = b'{"eventType":"a","data":{"x":X},"messageId":"ID"}'
CALL = b'{"type":"track","event":"a","properties":{"x":X},"messageId":"ID"}'
CLOUD = b'{"specversion":"1.0","type":"a","source":"s","data":{"x":X},"id":"ID"}'
RECORD = b'{"eventName":"a","body":{"kvlistValue":{"values":[{"key":"x","value":{"doubleValue":X}}]}},"id":"ID"}'
FORMS = {
    "events": Form(NATIVE, b'{"events":[EVENTS]}', lambda body: native_event.parse_many(body, ARRIVAL)),
    "after sentAt": Form(NATIVE, b'{"sentAt":NaN,"events": [ EVENTS ]}', lambda b: native_event.parse_many(b, ARRIVAL)),
    "array": Form(NATIVE, b" [EVENTS]\n", lambda body: native_event.parse_many(body, ARRIVAL)),
    "byte order mark": Form(NATIVE, b"\xef\xbb\xbf[EVENTS]", lambda body: native_event.parse_many(body, ARRIVAL)),
    "batch": Form(CALL, b'{"batch":[EVENTS],"writeKey":"k",}', lambda body: segment_event.parse_many(body, ARRIVAL)),
    "cloud": Form(CLOUD, b"[EVENTS]", lambda body: cloudevents.parse_many(body, ARRIVAL)),
}
LINES = Form(NATIVE, b"EVENTS", lambda body: native_event.parse_many(body, ARRIVAL), between=b"\n")


def data(raw: msgspec.Raw | None) -> Any:
    return msgspec.json.decode(raw or b"null")


@pytest.mark.parametrize(("value", "wanted"), MENDABLE)
@pytest.mark.parametrize("form", FORMS)
def test_what_is_mended(form: str, value: bytes, wanted: Any) -> None:
    found = FORMS[form].many(b"1", value, b"2.50")
    assert found.rejected == []
    assert [data(event.data) for event in found.events] == [{"x": 1}, {"x": wanted}, {"x": 2.5}]
    assert [event.flags & MENDED for event in found.events] == [0, MENDED, 0]
    assert bytes(found.events[2].data or b"") == b'{"x":2.50}'


@pytest.mark.parametrize(("value", "wanted"), [row for row in MENDABLE if b"\n" not in row[0]])
def test_what_is_mended_in_lines(value: bytes, wanted: Any) -> None:
    for values in ((b"1", value, b"2"), (value, b"1", b"2")):
        found = LINES.many(*values)
        assert (len(found.events), found.rejected) == (3, [])
        assert [data(event.data)["x"] for event in found.events if event.flags & MENDED] == [wanted]


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("form", FORMS)
def test_what_is_refused_alone(form: str, value: bytes) -> None:
    found = FORMS[form].many(b"1", value, b"2", value, b"3")
    assert [data(event.data) for event in found.events] == [{"x": 1}, {"x": 2}, {"x": 3}]
    assert [one.index for one in found.rejected] == [1, 3]
    for one in found.rejected:
        assert one.code in ("BAD_REQUEST", "VALIDATION_ERROR")
        assert "the event is" in one.message


@pytest.mark.parametrize("value", [row for row in BROKEN if b"\n" not in row])
def test_what_is_refused_alone_in_lines(value: bytes) -> None:
    for values, index in (((b"1", value, b"2"), 1), ((value, b"1", b"2"), 0)):
        found = LINES.many(*values)
        assert (len(found.events), [one.index for one in found.rejected]) == (2, [index])


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (b'{"messageId":"m7","data":01}', "m7"),
        (b'{"data":01,"messageId":"m7"}', "m7"),
        (b'{"data":{"messageId":"no","a":01},"messageId":"m7"}', "m7"),
        (b'{"data":{"messageId":"no","a":01}}', None),
        (b'{"message_id":7,"data":01}', "7"),
        (b'{"messageId":"a\\u00e9\\ud83d","data":01}', "aé�"),
        (b'{"messageId":"m7","data":[1}', "m7"),
        (b'{"messageId":7}', "7"),
    ],
)
def test_a_refused_event_is_named(event: bytes, name: str | None) -> None:
    found = native_event.parse_many(b'[{"eventType":"a"},' + event + b"]", ARRIVAL)
    assert [one.message_id for one in found.rejected] == [name]


@pytest.mark.parametrize(
    ("body", "kept", "refused"),
    [
        (b'[{"eventType":"a"},{"eventType":"b"},{"messageId":"m","eventType":"c},{"eventType":"d"}]', 2, ["m"]),
        (b'{"events":[{"eventType":"a"},{"eventType":"b"', 1, [None]),
        (b'{"events":[{"eventType":"a"}', 1, [None]),
        (b'{"events":[{"eventType":"a"}]} {"events":[{"eventType":"b"}]}', 1, [None]),
        (b'{"events":[{"eventType":"a"}],"x":', 1, [None]),
        (b'[{"eventType":"a"}}', 1, [None]),
        (b'[{"eventType":"a"},{"messageId":"m","data":1]},{"eventType":"b"}]', 1, ["m", None]),
        (b'[{"eventType":"a"},,{"eventType":"b"},]', 2, []),
        (b'[{"eventType":"a"}{"eventType":"b"}]', 2, []),
        (b'{"events":[{"eventType":"a"},{"eventType":"b","data":{"x":1},{"eventType":"c"}]}', 2, [None]),
        (b'[{"eventType":"a","tags":["x},{"eventType":"b","tags":["y},{"eventType":"c"}]', 1, [None]),
        (b'[{"eventType":1,},{"eventType":2,}]', 0, [None, None]),
    ],
)
def test_where_the_framing_suffers(body: bytes, kept: int, refused: list[str | None]) -> None:
    found = native_event.parse_many(body, ARRIVAL)
    assert len(found.events) == kept
    assert [one.message_id for one in found.rejected] == refused


@pytest.mark.parametrize(
    "body", [b'[{"eventType":"a}]', b'{"events":[{"eventType', b'{"events":', b"[", b"[1,2", b"{a:1}", b"\xff"]
)
def test_nothing_readable_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(BadRequest):
        native_event.parse_many(body, ARRIVAL)


def test_members_beside_the_batch_survive() -> None:
    calls = b'{"type":"track","event":"a","properties":{"x":1,}},{"type":"track","event":"b"}'
    body = b'{"context":{"a":NaN,"app":{"name":"x"}},"batch":[' + calls + b'],"sentAt":"x"}'
    found = segment_event.parse_many(body, ARRIVAL)
    assert [(event.type, event.source) for event in found.events] == [("b", "x")]


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"batch":[{"x":NaN,"writeKey":"no"}],"writeKey":"k"}', "k"),
        (b'{"write_key":"k","batch":[{"x":', "k"),
        (b'{"batch":[{"writeKey":"no","x":01}]}', None),
        (b'{"batch":["x],"writeKey":"k"}', None),
    ],
)
def test_the_key_in_a_damaged_body(body: bytes, key: str | None) -> None:
    assert event_batch.write_key(body) == key


def logs(*records: bytes, resource: bytes = b"{}") -> Parsed:
    first = b'{"resource":%s,"scopeLogs":[{"scope":{"name":"s"},"logRecords":[%s]}]}' % (resource, b",".join(records))
    body = b'{"resourceLogs":[%s,{"scopeLogs":[{"logRecords":[%s]}]}]}' % (first, records[0])
    return otlp_log.parse(body, ARRIVAL)


def test_log_records() -> None:
    good, bad = b'{"eventName":"a"}', b'{"eventName":"b","body":{"stringValue":"x",}}'
    found = logs(
        good,
        b'{"eventName":"c","body":{"doubleValue":NaN}}',
        bad,
        rb'{"eventName":"d","body":{"stringValue":"\ud83d"}}',
    )
    assert [event.type for event in found.events] == ["a", "c", "d", "a"]
    assert [event.flags & MENDED for event in found.events] == [0, MENDED, MENDED, 0]
    assert [data(event.data) for event in found.events[1:3]] == [{"body": None}, {"body": "�"}]
    assert len(found.rejected) == 1
    assert [event.type for event in logs(bad, good).events] == ["a"]
    lost = otlp_log.parse(b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + good + b',{"eventName":"b', ARRIVAL)
    assert (len(lost.events), len(lost.rejected)) == (1, 1)
    resource = b'{"attributes":[{"key":"service.name","value":{"stringValue":"caf\xe9"}}]}'
    assert [event.source for event in logs(good, resource=resource).events] == ["caf�", None]


@given(
    st.lists(
        st.sampled_from([b'{"eventType":"a"}', b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"NaN", b" ", b"1"])
    )
)
def test_no_damage_fails(parts: list[bytes]) -> None:
    for body in (b"[" + b"".join(parts) + b"]", b'{"events":[' + b"".join(parts) + b"]}", b"".join(parts)):
        try:
            found = native_event.parse_many(body, ARRIVAL)
        except DeltaError:
            continue
        assert len(found.events) <= body.count(b'{"eventType":"a"}')


@given(
    st.lists(
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=20,
        ),
        min_size=1,
    ),
    st.integers(0),
)
def test_neighbours_of_a_broken_item_are_found(values: list[Any], place: int) -> None:
    items = [msgspec.json.encode({"x": value}) for value in values]
    place %= len(items)
    broken = items[place][:-1] + b",}"
    body = b"[" + b",".join([*items[:place], broken, *items[place + 1 :]]) + b"]"
    found = salvage.recover(body, (), most=1000)
    assert found is not None
    assert (found.items, found.rest) == ([*items[:place], broken, *items[place + 1 :]], None)


HOSTILE = [
    b"[" * 1_000_000,
    b"[[]]," * 400_000,
    b'{"' * 500_000,
    b",{" * 500_000,
    b"[}" * 500_000,
    b'\\"' * 500_000,
    b"-" * 1_000_000,
]


@pytest.mark.parametrize("filling", HOSTILE, ids=lambda filling: repr(filling[:5]))
def test_the_work_is_bounded(filling: bytes) -> None:
    """Counted in steps, not in seconds: what is not linear would take hours."""
    started = time.process_time()
    body = b'[{"eventType":"a"},{"a":' + filling + b"NaN},{}]"
    found = salvage.recover(body, (), most=10_000)
    assert found is not None
    assert found.items[0] == b'{"eventType":"a"}'
    salvage.texts(body[18:], ("a",))
    assert time.process_time() - started < 60
