"""Calls of the Segment family as events, and what they tell of profiles."""

from typing import Any

import msgspec
import pytest

from delta_server.core.errors import DeltaError, Invalid, TooLarge
from delta_server.core.events import segment_event
from delta_server.core.events.event import Event, lines
from delta_server.core.events.event_batch import Parsed
from delta_server.core.events.event_time import Arrival
from delta_server.core.events.profile_update import Alias, TraitsUpdate
from tests.hostile.inputs import BROKEN_JSON, MENDABLE, ODD_JSON

NOW = 1_795_176_000_000
ARRIVAL = Arrival(NOW, 32_768)


def parsed(call: str, body: dict[str, Any]) -> Parsed:
    return segment_event.parse_one(msgspec.json.encode(body), call, ARRIVAL)


def one(call: str, body: dict[str, Any]) -> Event:
    return parsed(call, body).events[0]


def value(raw: msgspec.Raw | None) -> Any:
    return None if raw is None else msgspec.json.decode(raw)


CASES: list[tuple[str, dict[str, Any], str, Any, Any]] = [
    ("track", {"event": "Clicked", "properties": {"x": 1}}, "Clicked", {"x": 1}, None),
    ("track", {"event": 5}, "5", None, None),
    ("track", {"event": "page"}, "page", None, None),
    ("track", {"event": "a", "properties": [1]}, "a", {"value": [1]}, None),
    ("track", {"event": "a", "context": {"ip": "::1"}}, "a", None, {"ip": "::1"}),
    ("track", {"event": "a", "channel": "web"}, "a", None, {"channel": "web"}),
    ("track", {"event": "a", "integrations": {"All": False}}, "a", None, {"integrations": {"All": False}}),
    ("track", {"event": "a", "integrations": {}}, "a", None, None),
    ("page", {"name": "Home", "properties": {"url": "/"}}, "page", {"name": "Home", "url": "/"}, {"callType": "page"}),
    ("page", {"name": "Home", "properties": {"name": "home"}}, "page", {"name": "home"},
     {"callType": "page", "callName": "Home"}),
    ("screen", {"name": "A", "category": "B", "properties": {"name": "A", "category": 5}}, "screen",
     {"name": "A", "category": 5}, {"callType": "screen", "callCategory": "B"}),
    ("group", {"groupId": "g", "traits": {"groupId": "h"}}, "group", {"groupId": "h"},
     {"callType": "group", "callGroupId": "g"}),
    ("page", {}, "page", None, {"callType": "page"}),
    ("screen", {"category": "Docs"}, "screen", {"category": "Docs"}, {"callType": "screen"}),
    ("identify", {"userId": "u", "traits": {"a": 1}}, "identify", {"a": 1}, {"callType": "identify"}),
    ("group", {"groupId": 7, "traits": {"a": 1}}, "group", {"groupId": "7", "a": 1}, {"callType": "group"}),
    ("alias", {"previousId": "old"}, "alias", {"previousId": "old"}, {"callType": "alias"}),
]  # fmt: skip


SHARED: dict[str, Any] = {"context": {"app": {"name": "billing"}, "ip": "::1"}, "integrations": {"All": True, "x": 1}}


@pytest.mark.parametrize(
    ("shared", "own", "source", "metadata"),
    [
        (SHARED, {}, "billing", {**SHARED["context"], "integrations": SHARED["integrations"]}),
        (SHARED, {"context": {"ip": "9"}, "integrations": {"x": 2}}, "billing",
         {"app": {"name": "billing"}, "ip": "9", "integrations": {"All": True, "x": 2}}),
        (SHARED, {"context": {"app": None}}, None,
         {"app": None, "ip": "::1", "integrations": {"All": True, "x": 1}}),
        ({"context": {"app": {"name": "b"}}}, {"context": {"a": 1}}, "b", {"app": {"name": "b"}, "a": 1}),
        ({"context": None, "integrations": {}}, {"context": {"a": 1}}, None, {"a": 1}),
        ({"context": 5, "integrations": []}, {"context": {"a": 1}}, None, {"a": 1}),
    ],
)  # fmt: skip
def test_what_a_batch_says_of_all_its_calls(
    shared: dict[str, Any], own: dict[str, Any], source: str | None, metadata: Any
) -> None:
    batch = {"batch": [{"type": "track", "event": "a", **own}, {"type": "track", "event": "b"}], **shared}
    found = segment_event.parse_many(msgspec.json.encode(batch), ARRIVAL)
    assert found.rejected == []
    assert (found.events[0].source, value(found.events[0].metadata)) == (source, metadata)


def test_a_large_context_is_not_repeated_without_end() -> None:
    batch = {"context": {"a": "x" * 20_000}, "batch": [{"type": "track", "event": "a"}] * 2000}
    with pytest.raises(TooLarge, match="send fewer at once"):
        segment_event.parse_many(msgspec.json.encode(batch), ARRIVAL)
    batch = {"context": {"a": "x" * 33_000}, "batch": [{"type": "track", "event": "a"}]}
    assert [one.code for one in segment_event.parse_many(msgspec.json.encode(batch), ARRIVAL).rejected] == [
        "PAYLOAD_TOO_LARGE"
    ]


@pytest.mark.parametrize(("call", "body", "kind", "data", "metadata"), CASES)
def test_calls(call: str, body: dict[str, Any], kind: str, data: Any, metadata: Any) -> None:
    event = one(call, body)
    assert (event.type, value(event.data), value(event.metadata)) == (kind, data, metadata)
    in_batch = segment_event.parse_many(msgspec.json.encode({"batch": [{"type": call.title(), **body}]}), ARRIVAL)
    assert lines(in_batch.events) == lines([event])


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"context": {"app": {"name": "Shop"}, "library": {"name": "lib"}}, "channel": "web"}, "Shop"),
        ({"context": {"app": {"name": None}, "library": {"name": "lib"}}, "channel": "web"}, "web"),
        ({"context": {"app": {}, "library": {"name": "lib"}}}, "lib"),
        ({"context": {"app": "Shop"}}, None),
        ({"context": {"library": {"name": {}}}}, None),
        ({"context": {}}, None),
        ({}, None),
    ],
)
def test_sources(body: dict[str, Any], wanted: str | None) -> None:
    assert one("track", {"event": "a", **body}).source == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"context": {"sessionId": 1_763_683_200_123}}, "1763683200123"),
        ({"context": {"session_id": "s"}, "properties": {"sessionId": "p"}}, "s"),
        ({"properties": {"session_id": "p"}}, "p"),
        ({"properties": {"sessionId": {"a": 1}}}, None),
        ({"properties": {"note": "sessionId"}}, None),
        ({}, None),
    ],
)
def test_sessions(body: dict[str, Any], wanted: str | None) -> None:
    assert one("track", {"event": "a", **body}).session_id == wanted


def change(kind: Any, name: str, **traits: Any) -> TraitsUpdate:
    return TraitsUpdate(kind, name, traits, NOW)


def anonymous(name: str, **traits: Any) -> TraitsUpdate:
    return TraitsUpdate("user", name, traits, NOW, anonymous=True)


TOLD: list[tuple[str, dict[str, Any], list[Any]]] = [
    ("identify", {"userId": "u", "traits": {"a": None, "b": [2**70]}}, [change("user", "u", a=None, b=[2**70])]),
    ("identify", {"userId": 5}, [change("user", "5")]),
    ("identify", {"userId": "u", "context": {"traits": {"a": 1}}}, [change("user", "u", a=1)]),
    ("identify", {"userId": "u", "anonymousId": "x"}, [change("user", "u"), Alias("x", "u", NOW, True)]),
    ("identify", {"userId": "u", "anonymousId": "u"}, [change("user", "u"), Alias("u", "u", NOW, True)]),
    ("identify", {"anonymousId": "x", "traits": {"a": 1}}, [anonymous("x", a=1)]),
    ("identify", {"userId": "null", "anonymousId": "x"}, [anonymous("x")]),
    ("identify", {"userId": "u", "anonymousId": " Anonymous "}, [change("user", "u")]),
    ("identify", {"userId": 0, "anonymousId": "undefined"}, []),
    ("alias", {"userId": "u", "previousId": "server", "anonymousId": "x"}, [Alias("x", "u", NOW, True)]),
    ("alias", {"userId": "u", "previousId": "x", "anonymousId": "x"}, [Alias("x", "u", NOW)]),
    ("alias", {"userId": "undefined", "previousId": "old"}, []),
    ("identify", {"traits": {"a": 1}}, []),
    ("group", {"userId": "u", "groupId": "g", "traits": {"a": 1}}, [change("group", "g", a=1)]),
    ("group", {"userId": "u"}, []),
    ("alias", {"userId": "u", "previousId": "old"}, [Alias("old", "u", NOW)]),
    ("alias", {"userId": "u", "anonymousId": "x"}, [Alias("x", "u", NOW, True)]),
    ("alias", {"userId": "u", "previousId": "u"}, []),
    ("alias", {"previousId": "old"}, []),
    ("track", {"event": "a", "userId": "u", "anonymousId": "x", "traits": {"a": 1}}, []),
    ("page", {"userId": "u", "anonymousId": "x"}, []),
]


@pytest.mark.parametrize(("call", "body", "wanted"), TOLD)
def test_what_is_told_of_profiles(call: str, body: dict[str, Any], wanted: list[Any]) -> None:
    assert parsed(call, body).profile_updates == [(0, one) for one in wanted]


def test_what_is_told_knows_its_event() -> None:
    calls = [
        {"type": "track"},
        {"type": "page"},
        {"type": "identify", "userId": "u"},
        {"type": "group", "groupId": True},
    ]
    found = segment_event.parse_many(msgspec.json.encode({"batch": calls}), ARRIVAL)
    assert [event.type for event in found.events] == ["page", "identify"]
    assert found.profile_updates == [(1, change("user", "u"))]
    assert [one.index for one in found.rejected] == [0, 3]


@pytest.mark.parametrize(
    ("call", "body", "field"),
    [
        ("track", {}, "event"),
        ("track", {"event": ""}, "event"),
        ("track", {"event": {}}, "event"),
        ("track", {"event": "x" * 201}, "event"),
        ("track", {"event": "a", "context": "x"}, "context"),
        ("track", {"event": "a", "messageId": "x" * 201}, "messageId"),
        ("track", {"event": "a", "userId": ["u"]}, "userId"),
        ("track", {"event": "a", "timestamp": "x"}, "timestamp"),
        ("track", {"event": "a", "originalTimestamp": "x"}, "originalTimestamp"),
        ("identify", {"userId": "u", "traits": [1]}, "traits"),
        ("group", {"groupId": {}}, "groupId"),
        ("page", {"name": {}}, "name"),
        ("alias", {"previousId": []}, "previousId"),
    ],
)
def test_refusals(call: str, body: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parsed(call, body)
    assert [error.field for error in caught.value.errors] == [field]


@pytest.mark.parametrize("kind", [None, "", "merge", 5, {}])
def test_calls_that_are_not_known(kind: Any) -> None:
    found = segment_event.parse_many(msgspec.json.encode({"batch": [{"type": kind, "event": "a"}]}), ARRIVAL)
    assert found.events == []
    assert found.rejected[0].message == "type must be one of track, identify, page, screen, group, alias"


def test_traits_with_numbers_too_large() -> None:
    with pytest.raises(Invalid, match="too large"):
        segment_event.parse_one(b'{"userId":"u","traits":{"n":1e400}}', "identify", ARRIVAL)


@pytest.mark.parametrize("name", [*BROKEN_JSON, *ODD_JSON])
def test_hostile_json(name: str) -> None:
    body = (BROKEN_JSON | ODD_JSON)[name]
    for call in segment_event.CALLS:
        try:
            segment_event.parse_one(body, call, ARRIVAL)
            assert name in ODD_JSON or name in MENDABLE
        except DeltaError as error:
            assert error.status in (400, 413)  # noqa: PT017 - some of them may be read
    with pytest.raises(DeltaError):
        segment_event.parse_many(body, ARRIVAL)
