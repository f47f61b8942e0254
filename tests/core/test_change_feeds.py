"""Feeds that readers read: feedparser is the judge of Atom."""

import io
import json
from collections.abc import Sequence

import feedparser
import msgspec
import pytest

from delta_server.core.change_feeds import JSON_FEED, ChangeEntry, ChangeFeed, ChangeLine, atom, counts_of, json_feed

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
LINES = [ChangeLine("/rates/EUR", "1.08", "1.10"), ChangeLine("/new", None, '"<b>&"'), ChangeLine("", "1", None)]
ENTRY = ChangeEntry(ID, "GET /prices", "2026-05-01T12:00:00.000Z", "1 replaced", LINES, 7, "https://d.example.com/p/a")


def _feed(entries: Sequence[ChangeEntry], title: str = "Changes of prices") -> ChangeFeed:
    return ChangeFeed(ID, title, "2026-05-01T12:00:00.000Z", "https://d.example.com/p/mine", entries)


@pytest.mark.parametrize("title", ["Changes of prices", "<&>\"'", "control \x01 \ufffe", "half \udc00", "ä €"])
def test_atom_is_read_by_feedparser(title: str) -> None:
    entry = msgspec.structs.replace(ENTRY, endpoint=title)
    found = feedparser.parse(io.BytesIO(atom(_feed([entry, entry], title))))
    assert (found.version, found.bozo, len(found.entries)) == ("atom10", False, 2)
    shown = title.replace("\x01", "\ufffd").replace("\ufffe", "\ufffd").replace("\udc00", "\ufffd")
    assert found.feed.title_detail.value == shown
    assert found.feed.link == "https://d.example.com/p/mine"
    [first, _] = found.entries
    assert (first.id, first.link, first.author) == (f"urn:uuid:{ID}", "https://d.example.com/p/a", shown)
    assert first.updated == "2026-05-01T12:00:00.000Z"
    html = first.content[0].value
    assert "<code>/rates/EUR</code>: <code>1.08</code> → <code>1.10</code>" in html
    assert 'added <code>"&lt;b&gt;&amp;"</code>' in html
    assert "<code>/</code>: removed <code>1</code>" in html
    assert "and 7 more" in html


@pytest.mark.parametrize("refused", "\x00\x08\x0b\x0c\x0e\x1f\ud800\udfff\ufffe\uffff")
def test_what_xml_refuses_is_replaced(refused: str) -> None:
    """The first and the last of each range that production 2 of XML 1.0, Char, leaves out."""
    assert "<title>a\ufffdb</title>" in atom(_feed([], f"a{refused}b")).decode()


@pytest.mark.parametrize("allowed", "\t\n\r \ud7ff\ue000\ufffd\U00010000\U0010ffff")
def test_what_xml_allows_stays(allowed: str) -> None:
    assert f"<title>a{allowed}b</title>" in atom(_feed([], f"a{allowed}b")).decode()


def test_json_feed_has_what_its_specification_wants() -> None:
    document = json.loads(json_feed(_feed([ENTRY])))
    assert (document["version"], document["title"]) == (JSON_FEED, "Changes of prices")
    [item] = document["items"]
    assert item["id"] == f"urn:uuid:{ID}"
    assert item["title"] == "GET /prices: 1 replaced"
    assert item["date_published"] == "2026-05-01T12:00:00.000Z"
    assert "1.08" in item["content_html"]


def test_without_an_address_and_entries() -> None:
    bare = msgspec.structs.replace(_feed([]), home_url=None)
    assert json.loads(json_feed(bare)) == {"version": JSON_FEED, "title": "Changes of prices", "items": []}
    assert feedparser.parse(io.BytesIO(atom(bare))).bozo is False


def test_long_values_are_cut() -> None:
    entry = msgspec.structs.replace(ENTRY, lines=[ChangeLine("/a", "x" * 5000, "y")], more=0, url=None)
    assert len(atom(_feed([entry]))) < 1500


@pytest.mark.parametrize(
    ("counts", "text"),
    [((1, 0, 2, 0), "2 replaced, 1 added"), ((0, 1200, 0, 3), "1,200 removed, 3 moved"), ((0, 0, 0, 0), "changed")],
)  # fmt: skip
def test_counts(counts: tuple[int, int, int, int], text: str) -> None:
    assert counts_of(*counts) == text
