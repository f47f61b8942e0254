"""What is read of a visit, and what is kept of a page's address."""

from typing import Any

import msgspec
import pytest

from delta_server.core.errors import DeltaError, Invalid
from delta_server.core.events.event import Event
from delta_server.core.events.event_time import Arrival
from delta_server.core.visits import agents, countries, pages, visit, visitors
from delta_server.core.visits.agents import Agent
from delta_server.core.visits.visit import Sender, VisitFields
from delta_server.storage import zone_countries

ARRIVAL = Arrival(1_000_000, 64 << 10)
URL = "https://shop.example/pricing"
SALT = bytes(32)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4"
    " Mobile/15E148 Safari/604.1"
)


def sender(**more: Any) -> Sender:
    known = {
        "agent": Agent(False, "Firefox", "desktop"),
        "fields": VisitFields(),
        "zones": {"Europe/Berlin": "DE"},
        "address": "192.0.2.1",
        "user_agent": FIREFOX,
    }
    return Sender(**{**known, **more})


def parsed(body: dict[str, Any], **more: Any) -> Event:
    [event] = visit.parse_body(msgspec.json.encode(body), ARRIVAL, sender(**more)).events
    return event


def data_of(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(event.data or b"{}")
    return found


def test_a_visit_with_all_it_says() -> None:
    body = {
        "url": f"{URL}?utm_source=news&utm_source=again&secret=1#part",
        "referrer": "https://news.example/a/b?c",
        "width": 1440,
        "timeZone": "Europe/Berlin",
        "language": "fr-FR",
        "data": {"plan": "pro", "bot": False},
    }
    event = parsed(body, salt=SALT)
    assert (event.type, event.at, event.source, event.user_id) == ("page", 1_000_000, "web", None)
    assert event.anonymous_id == visitors.visitor_id(SALT, "shop.example", "192.0.2.1", FIREFOX)
    assert data_of(event) == {
        "host": "shop.example", "path": "/pricing", "referrer": "news.example", "utm_source": "news", "country": "DE",
        "device": "desktop", "browser": "Firefox", "screen": "1440 and more", "plan": "pro", "bot": False,
    }  # fmt: skip
    assert data_of(parsed(body, agent=Agent(True, None, None)))["bot"] is True


def test_each_field_can_be_switched_off() -> None:
    body = {
        "url": f"{URL}?utm_term=a",
        "referrer": "https://a.b/",
        "width": 5,
        "timeZone": "Europe/Berlin",
        "engaged": 7,
    }
    fields = VisitFields(**dict.fromkeys(VisitFields.__struct_fields__, False))
    event = parsed(body, fields=fields)
    assert (data_of(event), event.duration, event.anonymous_id) == ({"host": "shop.example"}, None, None)


WRONG = [
    ({}, "url is missing"),
    ({"url": 7}, "url is missing"),
    ({"url": "javascript:alert(1)"}, "address of a page"),
    ({"url": "file:///etc/passwd"}, "address of a page"),
    ({"url": "https://"}, "address of a page"),
    ({"url": "https://a b/"}, "address of a page"),
    ({"url": "https://a.example:99999/"}, "address of a page"),
    ({"url": "https://[::1/"}, "address of a page"),
    ({"url": URL + "/" * 20_000}, "more than"),
    ({"url": "https://other.example/"}, "not of the site"),
    ({"url": "http://shop.example/"}, "not of the site"),
    ({"url": URL, "event": "identify"}, "cannot send identify"),
    ({"url": URL, "event": ""}, "event is missing"),
    ({"url": URL, "event": "x" * 201}, "at most"),
    ({"url": URL, "event": {}}, "must be a string"),
    ({"url": URL, "engaged": -1}, "duration"),
    ({"url": URL, "visitor": "v" * 600}, "at most"),
    ({"url": URL, "data": {"a": "b" * 70_000}}, "more than"),
]


@pytest.mark.parametrize(("body", "says"), WRONG)
def test_what_is_refused(body: dict[str, Any], says: str) -> None:
    with pytest.raises(DeltaError, match=says):
        parsed(body, origin="https://shop.example")


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b"null", b'{"url":', b"[" * 9000])
def test_what_is_no_visit(body: bytes) -> None:
    with pytest.raises(DeltaError):
        visit.parse_body(body, ARRIVAL, sender())


def test_odd_parts_are_left_out() -> None:
    body = {"url": URL, "referrer": {}, "width": "wide", "timeZone": 7, "language": [], "data": [1]}
    assert data_of(parsed(body)) == {
        "host": "shop.example", "path": "/pricing", "device": "desktop", "browser": "Firefox", "value": [1]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "path"),
    [
        (b"writeKey=k", "/from"),
        (b"path=/there&path=/again", "/there"),
        (b"path=there?x=1", "/there"),
        (b"url=https://shop.example/here", "/here"),
    ],
)
def test_which_page_a_pixel_is_on(query: bytes, path: str) -> None:
    [event] = visit.parse_query(query, ARRIVAL, sender(), f"{URL[:-7]}from").events
    assert data_of(event)["path"] == path


def test_a_pixels_campaign() -> None:
    query = b"utm_source=mail&event=opened&visitor=v1"
    [event] = visit.parse_query(query, ARRIVAL, sender(salt=SALT), URL).events
    assert (event.type, event.anonymous_id, data_of(event)["utm_source"]) == ("opened", "v1", "mail")


@pytest.mark.parametrize("query", [b"path=\xff", b"path=%ff", b"&a=1" * 200, b"", b"url=x"])
def test_what_a_pixel_is_refused(query: bytes) -> None:
    with pytest.raises(DeltaError):
        visit.parse_query(query, ARRIVAL, sender(), None)


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ("/caf%C3%A9/%20x", "/café/ x"),
        ("/a%00b", "/a%00b"),
        ("/a%ffb", "/a%ffb"),
        ("/a\x00b", "/ab"),
        ("/%E2%80%AE", "/%E2%80%AE"),
        ("/" + "x" * 5000, "/" + "x" * 999),
    ],
)
def test_paths_as_people_read_them(sent: str, path: str) -> None:
    assert pages.readable(sent) == path


def test_routes_of_a_page_are_paths() -> None:
    assert pages.read_address(f"{URL}#/orders?token=1").path == "/pricing#/orders"
    assert pages.read_address(f"{URL}#part").path == "/pricing"
    assert pages.read_address("https://SHOP.example:443").origin == "https://shop.example"
    assert pages.read_address("http://shop.example:8080/").host == "shop.example:8080"
    with pytest.raises(Invalid):
        pages.read_address("https:///path")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (FIREFOX, Agent(False, "Firefox", "desktop")),
        (IPHONE, Agent(False, "Safari", "mobile")),
        (IPHONE.replace("iPhone", "iPad"), Agent(False, "Safari", "tablet")),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/124.0 Safari/537.36 Edg/124.0",
         Agent(False, "Edge", "desktop")),
        ("Mozilla/5.0 (Linux; Android 14; CUBOT X50) AppleWebKit/537.36 Chrome/124.0 Mobile Safari/537.36",
         Agent(False, "Chrome", "mobile")),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Agent(True, None, None)),
        ("curl/8.5.0", Agent(True, None, None)),
        ("", Agent(True, None, None)),
    ],
)  # fmt: skip
def test_user_agents(header: str, expected: Agent) -> None:
    assert agents.read(header) == expected


@pytest.mark.parametrize(
    ("zone", "language", "country"),
    [
        ("Europe/Berlin", "en-US", "DE"),
        ("Asia/Calcutta", None, "IN"),
        ("UTC", "de-AT", "AT"),
        ("Moon/Base", "zh-Hans-CN", "CN"),
        (None, "de", None),
        (None, "x" * 5000, None),
        ("../../etc/passwd", None, None),
    ],
)
def test_countries(zone: str | None, language: str | None, country: str | None) -> None:
    assert countries.country(zone_countries.table(), zone, language) == country


def test_ids_differ_by_each_part() -> None:
    ids = {
        visitors.visitor_id(*parts)
        for parts in [
            (SALT, "a", "b", "c"), (SALT, "ab", "", "c"), (SALT, "a", "b", "d"), (SALT, "a", "x", "c"),
            (bytes(31) + b"1", "a", "b", "c"),
        ]
    }  # fmt: skip
    assert len(ids) == 5
    assert all(len(id) == 24 for id in ids)
