"""OpenTelemetry's log records; the first is the example of the protocol's repository."""

from typing import Any

import msgspec
import pytest

from delta_server.core.errors import DeltaError, TooLarge
from delta_server.core.events import otlp_log
from delta_server.core.events.event import Event
from delta_server.core.events.event_batch import Parsed
from delta_server.core.events.event_time import Arrival
from tests.hostile.inputs import BROKEN_JSON, MENDABLE, ODD_JSON

NOW = 1_795_176_000_000
ARRIVAL = Arrival(NOW, 32_768)
EXAMPLE = b"""{"resourceLogs": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]},
  "scopeLogs": [{
    "scope": {"name": "my.library", "version": "1.0.0",
      "attributes": [{"key": "my.scope.attribute", "value": {"stringValue": "some scope attribute"}}]},
    "logRecords": [{
      "timeUnixNano": "1544712660300000000", "observedTimeUnixNano": "1544712660300000000",
      "severityNumber": 10, "severityText": "Information",
      "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174",
      "body": {"stringValue": "Example log record"},
      "attributes": [
        {"key": "string.attribute", "value": {"stringValue": "some string"}},
        {"key": "boolean.attribute", "value": {"boolValue": true}},
        {"key": "int.attribute", "value": {"intValue": "10"}},
        {"key": "double.attribute", "value": {"doubleValue": 637.704}},
        {"key": "array.attribute", "value": {"arrayValue": {"values": [
          {"stringValue": "many"}, {"stringValue": "values"}]}}},
        {"key": "map.attribute", "value": {"kvlistValue": {"values": [
          {"key": "some.map.key", "value": {"stringValue": "some value"}}]}}}
      ]}]}]}]}"""


def parsed(*records: Any, resource: Any = None) -> Parsed:
    logs = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}
    return otlp_log.parse(msgspec.json.encode(logs), ARRIVAL)


def one(**record: Any) -> Event:
    found = parsed(record)
    assert found.rejected == []
    return found.events[0]


def value(raw: msgspec.Raw | None) -> Any:
    return None if raw is None else msgspec.json.decode(raw)


def attributes(**values: Any) -> dict[str, Any]:
    return {"attributes": [{"key": name.replace("__", "."), "value": one} for name, one in values.items()]}


def test_the_example_of_the_protocol() -> None:
    [event] = otlp_log.parse(EXAMPLE, ARRIVAL).events
    assert (event.at, event.type, event.source) == (1_544_712_660_300, "log", "my.service")
    assert (event.status, event.priority) == ("Information", 20)
    assert value(event.data) == {
        "body": "Example log record",
        "string.attribute": "some string",
        "boolean.attribute": True,
        "int.attribute": 10,
        "double.attribute": 637.704,
        "array.attribute": ["many", "values"],
        "map.attribute": {"some.map.key": "some value"},
    }
    assert value(event.metadata) == {
        "my.scope.attribute": "some scope attribute",
        "scope": "my.library",
        "scopeVersion": "1.0.0",
        "severityNumber": 10,
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "EEE19B7EC3C1B174",
    }
    assert b"\n" not in msgspec.json.encode(event)


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ({}, "log"),
        ({"body": {"stringValue": "a message"}}, "log"),
        ({"eventName": "paid"}, "paid"),
        (attributes(event__name={"stringValue": "paid"}), "paid"),
        ({"eventName": "", **attributes(event__name={"stringValue": "paid"})}, "paid"),
        ({"eventName": {}}, "log"),
    ],
)
def test_types(record: dict[str, Any], wanted: str) -> None:
    assert one(**record).type == wanted


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ({"timeUnixNano": "1544712660300999999"}, 1_544_712_660_300),
        ({"timeUnixNano": 1_544_712_660_300_000_000}, 1_544_712_660_300),
        ({"timeUnixNano": "0", "observedTimeUnixNano": "1544712660300000000"}, 1_544_712_660_300),
        ({"timeUnixNano": 0}, NOW),
        ({}, NOW),
    ],
)
def test_times(record: dict[str, Any], wanted: int) -> None:
    assert one(**record).at == wanted


@pytest.mark.parametrize(
    ("number", "text", "wanted"),
    [
        (1, None, ("trace", 10)), (8, None, ("debug", 10)), (9, "", ("info", 20)), (13, "WARNING", ("WARNING", 30)),
        (20, None, ("error", 40)), (24, None, ("fatal", 40)), (0, None, (None, None)), (25, "odd", ("odd", None)),
        (None, "odd", ("odd", None)), ("9", None, (None, None)), (None, {}, (None, None)),
    ],
)  # fmt: skip
def test_severities(number: Any, text: Any, wanted: tuple[Any, Any]) -> None:
    event = one(severityNumber=number, severityText=text)
    assert (event.status, event.priority) == wanted


def test_ids_are_no_data() -> None:
    event = one(
        **attributes(
            user__id={"intValue": 7}, session__id={"stringValue": "s"}, log__record__uid={"stringValue": "m"},
            n={"intValue": "9223372036854775807"}, text={"intValue": "what"}, big={"doubleValue": "NaN"}, none={},
        )
    )  # fmt: skip
    assert (event.user_id, event.session_id, event.message_id) == ("7", "s", "m")
    assert value(event.data) == {"n": 9_223_372_036_854_775_807, "text": "what", "big": "NaN", "none": None}


def test_without_a_uid_its_request_and_place_name_a_record() -> None:
    ids = [event.message_id for event in parsed({"eventName": "a"}, {"eventName": "a"}).events]
    assert len(set(ids)) == 2
    assert ids == [event.message_id for event in parsed({"eventName": "a"}, {"eventName": "a"}).events]
    later = parsed({"eventName": "a"}, {"eventName": "a", "observedTimeUnixNano": "1"}).events
    assert not {event.message_id for event in later}.intersection(ids)


def test_nothing_is_lost_to_another_of_its_name() -> None:
    text = {"stringValue": "x"}
    event = one(
        body={"intValue": 1}, eventName="n", **attributes(body=text, event__name=text, user__id={"boolValue": True})
    )
    assert value(event.data) == {"body": 1, "attributes.body": "x", "event.name": "x", "user.id": True}
    names = ("a", "scope", "traceId", "service.name")
    many = {"attributes": [{"key": name, "value": text} for name in names]}
    logs = {"resource": many, "scopeLogs": [{"scope": {"name": "s", **many}, "logRecords": [{"traceId": "t"}]}]}
    [event] = otlp_log.parse(msgspec.json.encode({"resourceLogs": [logs]}), ARRIVAL).events
    assert event.source == "x"
    assert value(event.metadata) == {
        "traceId": "t", "scope": "s", "scope.scope": "x", "a": "x", "resource.traceId": "x", "service.name": "x",
        "resource.a": "x", "resource.scope": "x",
    } | {key: kept for key, kept in value(event.metadata).items() if key.startswith("resource.resource.")}  # fmt: skip


def test_doubles_keep_their_text() -> None:
    sent = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"doubleValue":1.10}}]}]}]}'
    assert bytes(otlp_log.parse(sent, ARRIVAL).events[0].data or b"") == b'{"body":1.10}'


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"timeUnixNano": "soon"}, "timeUnixNano"),
        ({"timeUnixNano": []}, "timeUnixNano"),
        ({"timeUnixNano": 10**30}, "must be a time"),
        ({"eventName": "x" * 201}, "eventName has 201 characters"),
        ({"attributes": {}}, "must be a JSON object"),
        ({"body": "text"}, "must be a JSON object"),
        ({"body": {"stringValue": "x" * 32_768}}, "more than events.event_bytes"),
        (5, "must be a JSON object"),
    ],
)
def test_one_bad_record_does_not_sink_the_others(record: Any, says: str) -> None:
    found = parsed({"eventName": "a"}, record, {"eventName": "b"})
    assert [event.type for event in found.events] == ["a", "b"]
    assert says in found.rejected[0].message


def test_depth() -> None:
    def nested(levels: int) -> Any:
        inner: Any = {"stringValue": "x"}
        for _ in range(levels):
            inner = {"arrayValue": {"values": [inner]}}
        return inner

    assert len(parsed({"body": nested(30)}).events) == 1
    assert "nested" in parsed({"body": nested(40)}).rejected[0].message
    for levels in (40, 250):
        found = parsed({}, resource={"attributes": [{"key": "a", "value": nested(levels)}]})
        assert "nested" in found.rejected[0].message


def named(name: str, *values: str) -> dict[str, Any]:
    return {
        "attributes": [{"key": f"{name}{number}", "value": {"stringValue": text}} for number, text in enumerate(values)]
    }


def test_a_resource_counts_for_each_of_its_records() -> None:
    """A file of hot events holds lines up to 2 MiB: a longer one would keep all of its project from being read."""
    found = parsed({"eventName": "a"}, resource=named("a", "x" * 32_768))
    assert found.events == []
    assert "more than events.event_bytes" in found.rejected[0].message


def test_what_records_repeat_has_a_limit() -> None:
    with pytest.raises(TooLarge, match="send fewer at once"):
        parsed(*[{}] * 2000, resource=named("a", "x" * 20_000))


def test_many_scopes_of_a_large_resource_take_no_time() -> None:
    """Reading the resource again for each of 400,000 scopes would take hours."""
    resource = named("a", *["x"] * 20_000)
    logs = {"resourceLogs": [{"resource": resource, "scopeLogs": [{}] * 400_000}]}
    assert otlp_log.parse(msgspec.json.encode(logs), ARRIVAL) == Parsed([], [], [])


@pytest.mark.parametrize(
    "resource",
    [{"attributes": [{"key": "service.name", "value": {"stringValue": "x" * 513}}]}, {"attributes": 5}, 5, []],
)
def test_a_wrong_resource_keeps_its_own_records_out(resource: Any) -> None:
    logs: Any = [{"logRecords": [{}, {}]}]
    groups = [{"resource": resource, "scopeLogs": logs}, {"scopeLogs": logs}]
    found = otlp_log.parse(msgspec.json.encode({"resourceLogs": groups}), ARRIVAL)
    assert (len(found.events), len(found.rejected)) == (2, 2)


def test_null_is_as_good_as_nothing() -> None:
    """In protobuf's JSON it stands for the default."""
    nothing = {"attributes": None, "body": {"arrayValue": {"values": None}}}
    scope = {"scope": None, "logRecords": [nothing]}
    groups = [{"resource": {"attributes": None}, "scopeLogs": [scope, {"logRecords": None}]}, {"scopeLogs": None}]
    found = otlp_log.parse(msgspec.json.encode({"resourceLogs": groups}), ARRIVAL)
    assert [value(event.data) for event in found.events] == [{"body": []}]
    assert otlp_log.parse(b'{"resourceLogs": null}', ARRIVAL) == Parsed([], [], [])


def test_half_an_emoji_is_replaced() -> None:
    """JavaScript cuts texts in the middle of one; the other records are none the worse for it."""
    body = rb'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a\ud83d"}},{"eventName":"b"}]}]}]}'
    found = otlp_log.parse(body, ARRIVAL)
    assert [event.type for event in found.events] == ["log", "b"]
    assert value(found.events[0].data) == {"body": "a\ufffd"}


def test_too_many() -> None:
    with pytest.raises(TooLarge, match="10001 events"):
        parsed(*[{}] * 10_001)


@pytest.mark.parametrize("body", [{}, {"resourceLogs": []}, {"unknown": 1}, {"resourceLogs": [{"scopeLogs": [{}]}]}])
def test_nothing_is_fine(body: Any) -> None:
    assert otlp_log.parse(msgspec.json.encode(body), ARRIVAL) == Parsed([], [], [])


@pytest.mark.parametrize("name", [*BROKEN_JSON, *ODD_JSON])
def test_hostile_json(name: str) -> None:
    body = (BROKEN_JSON | ODD_JSON)[name]
    try:
        assert otlp_log.parse(body, ARRIVAL).events == []
        assert name in ODD_JSON or name in MENDABLE
    except DeltaError as error:
        assert error.status == 400  # noqa: PT017 - some of them may be read
