import json
import tomllib
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from delta_server.core.formats import bounds
from delta_server.core.formats.formats import NAMES, NotReadable, convert, is_json, may_be_feed

RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:g="http://www.georss.org/georss"
xmlns:i="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel><title>News</title>
<link>https://example.com/</link><description>All</description>{items}</channel></rss>"""
ITEM = """<item><title>T &amp; U</title><link>/a</link><guid isPermaLink="false">{0}</guid><pubDate>Fri, 01 May 2026
 09:00:00 +0200</pubDate><description>&lt;b onclick="x"&gt;B&lt;/b&gt;</description><category>c</category>
<g:point>1 2</g:point>
<i:duration>9</i:duration>
<enclosure url="https://example.com/a.mp3" length="12" type="audio/mpeg"/></item>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Feed</title><updated>2026-05-01T00:00:00Z</updated><entry>
<id>urn:1</id><title>One</title><updated>2026-05-01T01:00:00+02:00</updated><author><name>Ann</name></author>
<content type="html">&lt;p&gt;x&lt;/p&gt;</content></entry></feed>"""
CALENDAR = "\r\n".join([
    "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//y", "BEGIN:VEVENT", "UID:1", "SUMMARY;LANGUAGE=en:A\\, B\\nC \\\\n",
    "DESCRIPTION:Long", "  line", "DTSTART;TZID=Europe/Berlin:20260501T090000", "DTEND:20260501T080000Z",
    "RRULE:FREQ=WEEKLY;BYDAY=MO,TU", 'ATTENDEE;CN="Doe, J";PARTSTAT=ACCEPTED:mailto:j@example.com',
    "CATEGORIES:a,b\\,c", "X-COLOR:red", "END:VEVENT", "END:VCALENDAR", "",
])  # fmt: skip
EVENT = {
    "alarms": [], "uid": "1", "summary": "A, B\nC \\n", "summary_language": "en", "description": "Long line",
    "dtstart": "2026-05-01T09:00:00", "dtstart_tzid": "Europe/Berlin", "dtend": "2026-05-01T08:00:00Z",
    "rrule": "FREQ=WEEKLY;BYDAY=MO,TU",
    "attendee": [{"value": "mailto:j@example.com", "cn": "Doe, J", "partstat": "ACCEPTED"}],
    "categories": ["a", "b,c"], "x-color": [{"value": "red"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "content_type", "name", "read_as", "document"),
    [
        (b' {"a": 1.10 }\n', "application/json", "", "json", b'{"a": 1.10 }'),
        (b"[1e400]", "", "", "json", b"[1e400]"),
        (b'["\\ud83d"]', "", "", "json", b'["\\ud83d"]'),
        (b'"a"', "text/plain", "", "json", b'"a"'),
        (b"12", "", "", "json", b"12"),
        (b'{"a":1}', "text/html; charset=utf-8", "", "json", b'{"a":1}'),
        (b'{"a":1}', "application/vnd.api+json", "", "json", b'{"a":1}'),
        (b'{"a":1}', "text/csv", "", "json", b'{"a":1}'),
        (b'\xef\xbb\xbf{"a":1}', "", "", "json", b'{"a":1}'),
        ('{"ä":"€"}'.encode("utf-16"), "application/json", "", "json", '{"ä":"€"}'.encode()),
        ('{"a":1}'.encode("utf-16-be"), "", "", "json", b'{"a":1}'),
        ('{"ä":1}'.encode("latin-1"), "application/json; charset=ISO-8859-1", "", "json", '{"ä":1}'.encode()),
        ('{"ä":1}'.encode(), "application/json; charset=ISO-8859-1", "", "json", '{"ä":1}'.encode()),
        (b'{"a":1}\n\n {"a": 2}\r\n', "application/x-ndjson", "", "ndjson", b'[{"a":1},\n{"a": 2}]'),
        (b'{"a":1}', "application/x-ndjson", "", "ndjson", b'[{"a":1}]'),
        (b'{"a":1}\n{"a":2}', "application/json", "", "ndjson", b'[{"a":1},\n{"a":2}]'),
        (b'\x1e{"a":1}\n\x1e{"a":2}\n', "application/json-seq", "", "ndjson", b'[{"a":1},\n{"a":2}]'),
        (b'[1,\n[2]]', "", "x.json", "json", b'[1,\n[2]]'),
        (b'{"a":1}', "", "x.jsonl", "json", b'{"a":1}'),
        (b"id,name\n1,a\n2,b\n", "text/csv", "", "csv", b'[{"id":1,"name":"a"},{"id":2,"name":"b"}]'),
        (b"id,name\n1,a\n", "text/csv", "", "csv", b'[{"id":1,"name":"a"}]'),
        (b"id,name\n", "text/csv", "", "csv", b"[]"),
        (b"1,2\n3,4\n", "text/csv; header=absent", "", "csv", b"[[1,2],[3,4]]"),
        (b"a;b\r\n1,5;x;y\r\n\r\n7", "text/csv", "", "csv", b'[{"a":"1,5","b":"x","column_3":"y"},{"a":7}]'),
        (b"a\tb\n1.10\t007\n", "text/tab-separated-values", "", "csv", b'[{"a":1.10,"b":"007"}]'),
        (b'a,a,\n"x ""y""\nz",-0,1e5\n', "text/csv", "", "csv", b'[{"a":"x \\"y\\"\\nz","a_2":-0,"column_3":"1e5"}]'),
        (b"a,b\n1,2\n3,4\n", "text/plain", "", "csv", b'[{"a":1,"b":2},{"a":3,"b":4}]'),
        (b'"a","b"\n"1","2"\n', "", "", "csv", b'[{"a":1,"b":2}]'),
        ("a\nä\n".encode("latin-1"), "", "x.csv", "csv", '[{"a":"ä"}]'.encode()),
        (b"a: 1\nb: [yes, NO, 014, 1.10, 12:30, 2026-05-01, ~, 0x1F]", "application/yaml", "", "yaml",
         b'{"a":1,"b":["yes","NO",14,1.10,"12:30","2026-05-01",null,31]}'),
        (b"base: &b {x: 1, y: 2}\nc:\n  <<: *b\n  y: 3\n1: !Ref q\n'2': !!str 3\nt: true", "", "a.yml", "yaml",
         b'{"base":{"x":1,"y":2},"c":{"x":1,"y":3},"1":"q","2":"3","t":true}'),
        (b"---\na: 1\n---\na: 2\n", "text/yaml", "", "yaml", b'[{"a":1},{"a":2}]'),
        (b"d = 2026-05-01T09:00:00Z\nf = 1.10\ni = inf\n[[x]]\ny = 1\n", "application/toml", "", "toml",
         b'{"d":"2026-05-01T09:00:00Z","f":1.10,"i":"inf","x":[{"y":1}]}'),
        (b'<l n="2"><i>a</i><i k="7"> b </i><e/></l>', "application/xml", "", "xml",
         b'{"l":{"@n":"2","i":["a",{"@k":"7","#text":"b"}],"e":[""]}}'),
        (b"<l><i>a</i></l>", "", "", "xml", b'{"l":{"i":["a"]}}'),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><a>ä<![CDATA[<b>]]></a>'.encode("latin-1"), "text/xml", "", "xml",
         '{"a":"ä<b>"}'.encode()),
        ("<a>€</a>".encode("utf-16"), "", "", "xml", '{"a":"€"}'.encode()),
    ],
)  # fmt: skip
def test_documents_as_json(body: bytes, content_type: str, name: str, read_as: str, document: bytes) -> None:
    found = convert(body, content_type, name=name)
    assert (found.read_as, found.document) == (read_as, document)


@pytest.mark.parametrize("items", [0, 1, 2])
def test_feeds_have_one_shape_whatever_they_have(items: int) -> None:
    body = RSS.format(items="".join(ITEM.format(at) for at in range(items))).encode()
    found = convert(body, "text/xml")
    assert found.read_as == "feed"
    document = json.loads(found.document)
    assert {key: document[key] for key in ("title", "home_page_url", "authors")} == {
        "title": "News", "home_page_url": "https://example.com/", "authors": [],
    }  # fmt: skip
    assert [item["id"] for item in document["items"]] == [str(at) for at in range(items)]
    for item in document["items"]:
        assert item == {
            "id": item["id"], "url": "/a", "title": "T & U", "summary": '<b onclick="x">B</b>', "authors": [],
            "date_published": "2026-05-01T07:00:00.000Z", "tags": ["c"],
            "_extensions": {"itunes_duration": "9", "where": {"type": "Point", "coordinates": [2, 1]}},
            "attachments": [{"url": "https://example.com/a.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 12}],
        }  # fmt: skip


ATOM_OF = '<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:a</id>{}</feed>'
ENTRY = "<entry><id>urn:e</id><title>T</title></entry>"
LINKED = '<entry><id>urn:e</id><link href="/a"/></entry>'
RSS_OF = '<rss version="2.0"><channel>{}</channel></rss>'


@pytest.mark.parametrize(
    ("feed", "url"),
    [
        (ATOM_OF.format(ENTRY), None),
        (ATOM_OF.format(LINKED), "/a"),
        (RSS_OF.format("<item><guid>7</guid></item>"), None),
        (RSS_OF.format("<item><guid>https://a.example/7</guid></item>"), "https://a.example/7"),
        (RSS_OF.format("<item><link>/b</link><guid>7</guid></item>"), "/b"),
    ],
)
def test_an_id_that_is_no_address_is_no_link(feed: str, url: str | None) -> None:
    document = json.loads(convert(feed.encode(), "application/xml").document)
    assert "home_page_url" not in document
    assert document["items"][0].get("url") == url


BROKEN_FEED = "<rss version='2.0'><channel><item>{}</item></channel></rss>"


@pytest.mark.parametrize(
    ("body", "read_as"),
    [
        ("<!---->" * 5000 + "<a/>", "xml"),
        ("<?a ?>" * 5000 + "<rss version='2.0'><channel/></rss>", "feed"),
        (BROKEN_FEED.format("<author>" + "a." * 100_000 + "</author>"), "feed"),
        (BROKEN_FEED.format("<pubDate>" + "1-" * 100_000 + "</pubDate>"), "feed"),
    ],
)
def test_what_is_made_to_be_read_for_ever_is_read_at_once(body: str, read_as: str) -> None:
    """Each would take minutes by a pattern that goes back."""
    assert convert(body.encode(), "application/xml").read_as == read_as


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "iso-2022-jp"]
)
def test_what_may_be_a_feed_is_known_by_its_begin(encoding: str) -> None:
    assert may_be_feed("\n <rss>".encode(encoding))
    assert may_be_feed(b"", "feed")
    assert not any(may_be_feed(text.encode(encoding)) for text in ('{"a": "<"}', "a,b\n<,>", ""))
    assert not may_be_feed(b"<rss>", "text")


def test_feeds_are_found_whatever_their_media_type_says() -> None:
    for body, content_type in ((ATOM, "application/atom+xml"), (ATOM, ""), ("<!-- x -->\n" + ATOM, "text/plain")):
        item = json.loads(convert(body.encode(), content_type).document)["items"][0]
        assert item["content_html"] == "<p>x</p>"
        assert (item["authors"], item["date_modified"]) == ([{"name": "Ann"}], "2026-04-30T23:00:00.000Z")
    broken = RSS.format(items=ITEM.format(1)).replace("T &amp; U", "T & U &nbsp;")
    assert json.loads(convert(broken.encode(), "application/rss+xml").document)["items"][0]["title"].startswith("T & U")


def test_calendars_have_one_shape() -> None:
    found = convert(CALENDAR.encode(), "text/calendar; charset=utf-8")
    assert found.read_as == convert(CALENDAR.encode()).read_as == "icalendar"
    assert json.loads(found.document) == {"version": "2.0", "prodid": "-//x//y", "events": [EVENT]}
    empty = b"BEGIN:VCALENDAR\nEND:VCALENDAR\n"
    assert convert(empty).document == b'{"events":[]}'


@pytest.mark.parametrize(
    ("body", "content_type", "name", "wrong"),
    [
        (b"", "application/json", "", "is empty"),
        (b" \n", "", "", "is empty"),
        (b"<!DOCTYPE html><html>", "application/json", "", "a web page"),
        (b" <HTML><body>", "", "", "a web page"),
        (b"hello", "", "", "nothing|neither"),
        (b"hello, world", "text/plain", "", "neither"),
        (b'{"a":', "", "", "not valid JSON"),
        (b"[" * 600 + b"]" * 600, "", "", "nested more than 512"),
        (b'{"a":1}\n{"a":\n', "application/x-ndjson", "", "line 2 is not valid JSON"),
        (b'1\n],[\n', "application/x-ndjson", "", "line 2"),
        (b"a: [1", "text/yaml", "", r"line 2, column 1"),
        (b"a: *b", "text/yaml", "", "without its anchor"),
        (b"a: &b [*b]", "text/yaml", "", "without its anchor"),
        (b"? [1]\n: 2", "text/yaml", "", "for a key"),
        (b"[" * 300, "text/yaml", "", "more than 200 levels"),
        (b"a: \x01", "text/yaml", "", "characters"),
        (b"a = ", "application/toml", "", "the TOML cannot be read"),
        (b"a = " + b"[" * 3000 + b"]" * 3000, "application/toml", "", "nested"),
        (b"<a><b></a>", "text/xml", "", r"line 1, column"),
        (b"<a>" * 300, "text/xml", "", "more than 200 levels"),
        (b"<a>&nbsp;</a>", "text/xml", "", "undefined entity"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "text/xml", "", "declares an entity"),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "text/xml", "", "declares an entity"),
        (b"<rss2/>", "application/rss+xml", "", "not RSS or Atom"),
        (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", "", "", "line 3"),
        (b"BEGIN:VCALENDAR\nnonsense\n", "", "", "line 2"),
        (b"BEGIN:VCALENDAR\n", "", "", "ends too early"),
        (b"\xff\xff", "application/json", "", "not valid UTF-8"),
        (b"a", "text/csv; charset=zip", "", "'zip' is not known"),
        (b"\xe9", "text/yaml; charset=utf-8", "", "not valid UTF-8"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(body: bytes, content_type: str, name: str, wrong: str) -> None:
    with pytest.raises(NotReadable, match=wrong):
        convert(body, content_type, name=name)


def _aliases(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]" for at in range(1, levels)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (_aliases(9), "text/yaml"),
        (b"a: &a " + b"x" * 100_000 + b"\nb: [" + b"*a, " * 1000 + b"]", "text/yaml"),
        (b"a: &a {" + b"".join(b"k%d: 1, " % at for at in range(999)) + b"}\nb:\n" + b"- <<: *a\n" * 999, "text/yaml"),
        (b"<a>" + b"<b/>" * 20_001 + b"</a>", "text/xml"),
        (b"," * 20_001, "text/csv"),
        (b"a = [" + b"1," * 20_001 + b"]", "application/toml"),
        (b"BEGIN:VCALENDAR\n" + b"X-A:1\n" * 20_001 + b"END:VCALENDAR", "text/calendar"),
    ],
)  # fmt: skip
def test_what_is_made_is_bounded(body: bytes, content_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds.Count.__init__, "__defaults__", (20_000,))
    with pytest.raises(NotReadable, match="more than 20,000 values"):
        convert(body, content_type)


def test_the_result_is_bounded_in_bytes() -> None:
    with pytest.raises(NotReadable, match="3 bytes, and at most 2"):
        convert(b"a", read_as="text", max_bytes=2)
    assert convert(b"a", read_as="text").document == b'"a"'


_SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=8)
_TREES: Any = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


@settings(max_examples=40)
@given(_TREES)
def test_yaml_that_is_written_is_what_was_written(tree: Any) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True)
    with suppress(NotReadable):  # PyYAML 6 writes U+FEFF and others that YAML does not allow
        found = json.loads(convert(text.encode(), read_as="yaml").document)
        assert found == tree or "\ufeff" in text or "\x85" in text


@given(
    st.binary(max_size=60) | st.text("{}[]<>/a=\"'&;:,-#!*\n 1", max_size=40).map(str.encode), st.sampled_from(NAMES)
)
def test_anything_is_read_or_refused(body: bytes, name: Any) -> None:
    with suppress(NotReadable):
        json.loads(convert(body, read_as=name).document)
    with suppress(NotReadable):
        json.loads(convert(body).document)


def test_toml_is_read_as_the_standard_library_does() -> None:
    text = 'a = [1, 2]\n[b.c]\nd = "x"\n[[e]]\nf = true\n'
    assert json.loads(convert(text.encode(), read_as="toml").document) == tomllib.loads(text)


@pytest.mark.parametrize(
    ("body", "content_type", "read_as", "expected"),
    [
        (b'{"a": 1}', "application/json", None, True),
        (b'[\n {"a": 1},\n {"a": 2}]', "", None, True),
        (b'{"a": 1}', "text/yaml", "json", True),
        (b'{"a": 1}', "text/yaml", None, False),
        (b'{"a": 1}', "application/json", "yaml", False),
        (b'{"a": 1}\n  {"a": 2}\n', "application/json", None, False),
        (b" <rss/>", "application/json", None, False),
        (b"", "application/json", None, False),
    ],
)
def test_one_json_document_is_known(body: bytes, content_type: str, read_as: Any, expected: bool) -> None:
    assert is_json(body, content_type, read_as) is expected
