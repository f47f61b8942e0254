"""Lines and rows of other products as events: what is kept of each, and what is refused."""

import json
from typing import Any

import msgspec
import pytest

from delta_server.core.errors import Invalid
from delta_server.core.events import moved_event
from delta_server.core.events.event import Event
from delta_server.core.imports import access_logs, reading
from delta_server.core.imports.reading import Numbered, Refused, Rows
from delta_server.core.imports.sending import LineIds, Sending

NOW = 1_800_000_000_000
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def sending(format: str = "nginx", **more: Any) -> Sending:
    return Sending(NOW, 64 << 10, format, **more)


def line(asked: str = "GET /a HTTP/1.1", status: int = 200, referrer: str = "-", agent: str = CHROME) -> bytes:
    at = "10/Oct/2025:13:55:36 -0700"
    return f'192.0.2.1 - ada [{at}] "{asked}" {status} 2326 "{referrer}" "{agent}"'.encode()


def taken(*lines: bytes, format: str = "nginx", log_format: str | None = None, **more: Any) -> reading.Outcome:
    return reading.lines_taker(format, sending(format, **more), log_format)(Numbered(1, lines))


def one(*lines: bytes, **more: Any) -> Event:
    events, refused = taken(*lines, **more)
    assert refused == []
    return events[-1]


def data(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(event.data or b"{}")
    return found


def test_a_line_of_the_combined_form() -> None:
    event = one(line("GET /caf%C3%A9?utm_source=news&token=secret HTTP/1.1", referrer="https://a.example/b?c"))
    assert (event.type, event.at, event.status, event.source) == ("page", 1_760_129_736_000, "200", "nginx")
    assert (event.anonymous_id, event.user_id) == (None, None)
    assert data(event) == {
        "path": "/café", "referrer": "a.example", "browser": "Chrome", "device": "desktop", "bytes": 2326,
        "utm_source": "news",
    }  # fmt: skip
    assert not {"192.0.2.1", "ada", "secret"} & set(str(moved_event.lines([event])).replace('"', " ").split())


@pytest.mark.parametrize(
    ("asked", "status", "type_"),
    [
        ("GET / HTTP/2.0", 200, "page"), ("GET /a.html", 304, "page"), ("GET /a.php?x HTTP/1.0", 200, "page"),
        ("GET /a.css HTTP/1.1", 200, "request"), ("GET /a HTTP/1.1", 404, "request"),
        ("POST /a HTTP/1.1", 200, "request"), ("HEAD / HTTP/1.1", 200, "request"),
        ("GET http://shop.example/a HTTP/1.1", 200, "page"),
    ],
)  # fmt: skip
def test_what_is_a_page(asked: str, status: int, type_: str) -> None:
    assert one(line(asked, status)).type == type_


def test_bots_are_marked_and_escapes_are_read() -> None:
    assert data(one(line(agent=BOT)))["bot"] is True
    assert data(one(line(agent="-")))["bot"] is True
    assert data(one(line(r"GET /\x22a\x22 HTTP/1.1", agent=rf"{CHROME} \"x\"")))["path"] == '/"a"'


def test_equal_lines_are_events_of_their_own_and_the_same_again() -> None:
    events, _ = taken(line(), line(), line(status=404))
    ids = [event.message_id for event in events]
    assert len(set(ids)) == 3
    assert [event.message_id for event in taken(line(), line(), line(status=404))[0]] == ids


def test_visitors_are_hashed_by_day_and_by_import() -> None:
    first, second = (one(line(), secret=secret).anonymous_id for secret in (b"a" * 32, b"b" * 32))
    assert first is not None
    assert first != second
    next_day = line().replace(b"10/Oct", b"11/Oct")
    assert one(next_day, secret=b"a" * 32).anonymous_id not in (first, None)
    assert one(line("GET /b HTTP/1.1"), secret=b"a" * 32).anonymous_id == first


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (b"hello", "it is not of the form of the log"),
        (b"\xff\xfe\x00", "it is not of the form of the log"),
        (line(r"\x16\x03\x01"), "what was asked for is no request of HTTP"),
        (line("-"), "what was asked for is no request of HTTP"),
        (line().replace(b"Oct", b"Zzz"), "is not a time"),
        (line().replace(b"10/Oct", b"99/Oct"), "its time is none"),
        (line() + b"x" * (1 << 20), "it is too long"),
    ],
)
def test_lines_that_are_refused(wrong: bytes, reason: str) -> None:
    events, refused = taken(line(), b"", wrong)
    assert (len(events), [one.line for one in refused]) == (1, [3])
    assert reason in refused[0].reason or reason == "is not a time"
    assert "192.0.2.1" not in refused[0].reason


def test_pages_alone() -> None:
    _, refused = taken(line("GET /a.css HTTP/1.1"), pages_only=True)
    assert refused == [Refused(1, "it is no view of a page")]


@pytest.mark.parametrize(
    ("log_format", "text"),
    [
        ('$remote_addr [$time_iso8601] "$request" $status $request_time $host', '1.2.3.4 [2025-10-10T13:55:36-07:00]'
         ' "GET /a HTTP/1.1" 200 0.25 shop.example'),
        ("$msec|$request_method|$request_uri|$status|$request_time|$host", "1760129736.000|GET|/a|200|0.25|"
         "shop.example"),
        ('%v %h %l %u %t "%r" %>s %b %D', 'shop.example 1.2.3.4 - - [10/Oct/2025:13:55:36 -0700] "GET /a HTTP/1.1" 200'
         ' 12 250000'),
    ],
)  # fmt: skip
def test_other_forms(log_format: str, text: str) -> None:
    event = one(text.encode(), log_format=log_format)
    assert (event.at, event.duration, data(event)["host"], data(event)["path"]) == (
        1_760_129_736_000, 250, "shop.example", "/a"
    )  # fmt: skip


@pytest.mark.parametrize("log_format", ["", "$status", '"$request"', "%h %l"])
def test_forms_that_say_too_little(log_format: str) -> None:
    with pytest.raises(Invalid, match="a time and a request"):
        access_logs.read_form(log_format)


CADDY = {
    "level": "info", "ts": 1760129736.5, "logger": "http.log.access", "msg": "handled request",
    "request": {"remote_ip": "192.0.2.1", "client_ip": "192.0.2.1", "proto": "HTTP/2.0", "method": "GET",
                "host": "shop.example", "uri": "/a?x=1",
                "headers": {"User-Agent": [CHROME], "Referer": ["https://shop.example/b"]}},
    "bytes_read": 0, "user_id": "ada", "duration": 0.25, "size": 12, "status": 200,
}  # fmt: skip


def test_caddy() -> None:
    event = one(msgspec.json.encode(CADDY), format="caddy")
    assert (event.at, event.type, event.duration) == (1_760_129_736_500, "page", 250)
    assert data(event) == {
        "host": "shop.example", "path": "/a", "browser": "Chrome", "device": "desktop", "bytes": 12
    }  # fmt: skip
    _, refused = taken(b"{}", b"[" * 5000, format="caddy")
    assert {one.reason for one in refused} == {"it is no access log of Caddy"}


def test_archives_of_segment() -> None:
    call = {
        "type": "track", "event": "Bought", "messageId": "m1", "userId": "ada", "timestamp": "2024-01-01T00:00:00Z",
        "originalTimestamp": "2024-01-01T00:00:03Z", "sentAt": "2024-01-01T00:00:04Z",
        "receivedAt": "2024-01-01T00:00:01Z", "context": {"ip": "192.0.2.1", "locale": "de"}, "properties": {"n": 1},
    }  # fmt: skip
    nameless = {name: value for name, value in call.items() if name != "messageId"}
    lines = [json.dumps(one).encode() for one in (call, nameless, {"type": "nothing"})]
    events, refused = taken(lines[0], b"", b"no JSON", *lines[1:], format="segment")
    [event] = events
    assert (event.type, event.at, event.received_at, event.message_id) == (
        "Bought", 1_704_067_200_000, 1_704_067_201_000, "m1"
    )  # fmt: skip
    assert msgspec.json.decode(event.metadata or b"") == {"locale": "de"}
    assert sorted(one.line for one in refused) == [3, 4, 5]


def rows(format: str, header: str, *lines: str, name: str = "export.csv") -> reading.Outcome:
    made = Rows(format, header.split(","), name, sending(format), LineIds())
    return made.take([(number, line.split(",")) for number, line in enumerate(lines, 2)])


UMAMI = (
    "website_id,session_id,visit_id,event_id,hostname,browser,os,device,screen,language,country,subdivision1,city,"
    "url_path,url_query,referrer_path,referrer_query,referrer_domain,page_title,event_type,event_name,tag,created_at"
)


def test_umami() -> None:
    view = (
        "w,s1,v1,e1,shop.example,chrome,Linux,laptop,1440x900,de-DE,DE,DE-BE,Berlin,/a,utm_source=news,,,a.example,A,1,,,"
        "2025-10-10 20:55:36"
    )
    named = view.replace("e1", "e2").replace(",1,,,", ",2,Bought,,")
    events, refused = rows(
        "umami", UMAMI, view, named, view.replace(",1,,,", ",7,,,"), "short", view.replace("2025", "x")
    )
    seen, bought = events
    assert (seen.type, seen.at, seen.message_id, seen.anonymous_id, seen.session_id) == (
        "page", 1_760_129_736_000, "e1", "s1", "v1"
    )  # fmt: skip
    assert data(seen) == {
        "host": "shop.example", "path": "/a", "title": "A", "referrer": "a.example", "country": "DE",
        "browser": "chrome", "device": "laptop", "screen": "1440 and more", "language": "de-DE", "utm_source": "news",
    }  # fmt: skip
    assert bought.type == "Bought"
    assert [one.line for one in refused] == [4, 5, 6]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("1Path,Title,Event,Bot,Session,FirstVisit,Referrer,Referrer scheme,Browser,Screen size,Location,Date",
         "/a,A,false,0,s1,true,a.example/b,h,Firefox 125,1440,DE,2025-10-10T20:55:36Z"),
        ("2Path,Title,Event,UserAgent,Browser,System,Session,Bot,Referrer,Referrer scheme,Screen size,Location,"
         "FirstVisit,Date", "/a,A,false,,Firefox 125,Linux,s1,0,https://a.example/b,h,1440x900,DE-BE,true,"
         "2025-10-10T20:55:36Z"),
    ],
)  # fmt: skip
def test_goatcounter(header: str, row: str) -> None:
    events, refused = rows("goatcounter", header, row, row.replace("false", "true"), row.replace("2025", "y"))
    assert (events[0].type, events[0].at, events[0].anonymous_id) == ("page", 1_760_129_736_000, "s1")
    assert data(events[0]) == {
        "path": "/a", "title": "A", "referrer": "a.example", "country": "DE", "browser": "Firefox",
        "screen": "1440 and more",
    }  # fmt: skip
    assert events[1].type == "/a"
    assert [one.line for one in refused] == [4]


def test_plausible_has_numbers_by_day() -> None:
    header, row = "date,hostname,page,visits,visitors,pageviews", "2025-10-10,shop.example,/a,3,2,5"
    events, refused = rows("plausible", header, row, row.replace("5", "x"), name="imported_pages_20251001_20251031.csv")
    [event] = events
    assert (event.type, event.at) == ("imported_pages", 1_760_054_400_000)
    assert data(event) == {"hostname": "shop.example", "page": "/a", "visits": 3, "visitors": 2, "pageviews": 5}
    assert [one.line for one in refused] == [3]
    later, _ = rows("plausible", header, row.replace(",5", ",9"), name="imported_pages_20251001_20251031.csv")
    assert later[0].message_id == event.message_id


@pytest.mark.parametrize(
    ("format", "header", "name"),
    [("umami", "a,b", "x.csv"), ("goatcounter", "9Path,Event,Date", "x.csv"), ("plausible", "date,page", "pages.csv"),
     ("plausible", "page", "imported_pages.csv")],
)  # fmt: skip
def test_files_of_another_kind(format: str, header: str, name: str) -> None:
    with pytest.raises(Invalid):
        rows(format, header, name=name)
