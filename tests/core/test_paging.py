import json
from typing import Any

import pytest

from delta_server.core.errors import Invalid
from delta_server.core.paging import Page, Paging, PagingFailed, check, first_url, joined, next_link, read_page

URL = "https://api.example.com/v1/items?state=open"
LINK = Paging(by="link")
CURSOR = Paging(by="cursor", items="data", cursor="meta.next", parameter="after")
CURSOR_URL = Paging(by="cursor", items="data", cursor="next")
NUMBER = Paging(by="number", parameter="page", items="data")


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("", None),
        ('<https://a/?p=2>; rel="next"', "https://a/?p=2"),
        ('<https://a/?p=9>; rel="last", <https://a/?p=2>; rel="next"', "https://a/?p=2"),
        ("<?p=2>;rel=next", "?p=2"),
        ('<https://a/?x=1,2>; title="a, b; rel=next"; rel="prefetch NEXT"', "https://a/?x=1,2"),
        ('<https://a>; rel="nextish"', None),
        ('<https://a>; rel="prev"; rel="next"', None),
        ("<https://a", None),
        ("<" * 10_000, None),
        ("<a>" + " ; a = b" * 50_000 + " " * 50_000, None),
    ],
)
def test_link_headers(header: str, target: str | None) -> None:
    assert next_link(header) == target


@pytest.mark.parametrize(
    ("paging", "page", "header", "asked", "expected"),
    [
        (LINK, [1, 2], '<?page=2>; rel="next"', [URL], "https://api.example.com/v1/items?page=2"),
        (LINK, [1], "", [URL], None),
        (CURSOR, {"data": [1], "meta": {"next": "a b&c"}}, "", [URL], f"{URL}&after=a+b%26c"),
        (CURSOR, {"data": [1], "meta": {"next": 17}}, "", [URL], f"{URL}&after=17"),
        (CURSOR, {"data": [1], "meta": {"next": None}}, "", [URL], None),
        (CURSOR, {"data": [1], "meta": {"next": ""}}, "", [URL], None),
        (CURSOR, {"data": [1]}, "", [URL], None),
        (CURSOR, {"data": [], "meta": {"next": "x"}}, "", [f"{URL}&after=w"], f"{URL}&after=x"),
        (CURSOR_URL, {"data": [1], "next": "/v1/items?c=2"}, "", [URL], "https://api.example.com/v1/items?c=2"),
        (CURSOR_URL, {"data": [1], "next": f"{URL}&c=2"}, "", [URL], f"{URL}&c=2"),
        (NUMBER, {"data": [1]}, "", [f"{URL}&page=1"], f"{URL}&page=2"),
        (NUMBER, {"data": []}, "", [f"{URL}&page=1"], None),
        (NUMBER, {}, "", [f"{URL}&page=1", f"{URL}&page=2"], None),
    ],
)
def test_the_next_request(paging: Paging, page: Any, header: str, asked: list[str], expected: str | None) -> None:
    url = asked[-1]
    assert read_page(paging, json.dumps(page).encode(), url=url, link_header=header, asked=asked).next_url == expected


@pytest.mark.parametrize(
    ("paging", "page", "header", "asked", "wrong"),
    [
        (LINK, {}, "", [URL], "must be an array, and are object"),
        (CURSOR, {"rows": [1]}, "", [URL], "must be an array, and are null"),
        (LINK, [], '<https://evil.example/>; rel="next"', [URL], "at another server"),
        (LINK, [], '<http://api.example.com/>; rel="next"', [URL], "at another server"),
        (LINK, [], '<//api.example.com:8/>; rel="next"', [URL], "at another server"),
        (LINK, [], '<http://[>; rel="next"', [URL], "not a URL|another server"),
        (LINK, [], f'<{URL}>; rel="next"', [URL], "leads back"),
        (LINK, [], '<?p=99>; rel="next"', [f"{URL}&p={n}" for n in range(20)], "more than 20 pages"),
        (CURSOR_URL, {"data": [], "next": "x" * 9000}, "", [URL], "not a URL"),
        (CURSOR, {"data": "x"}, "", [URL], "must be an array, and are string"),
        (CURSOR, {"data": [1], "meta": {"next": {"after": 2}}}, "", [URL], "finds an object on page 1"),
        (CURSOR, {"data": [1], "meta": {"next": [2]}}, "", [URL], "finds an array on page 1"),
        (CURSOR, {"data": [1], "meta": {"next": True}}, "", [URL], "finds true on page 1"),
        (NUMBER, {"data": [1]}, "", [f"{URL}&page={n}" for n in range(20)], "see whether the source knows page"),
    ],
)
def test_pages_that_cannot_be_gathered(paging: Paging, page: Any, header: str, asked: list[str], wrong: str) -> None:
    with pytest.raises(PagingFailed, match=wrong):
        read_page(paging, json.dumps(page).encode(), url=asked[-1], link_header=header, asked=asked)


@pytest.mark.parametrize(
    ("paging", "wrong"),
    [
        (Paging(by="link", items="a["), "paging.items is not JMESPath"),
        (Paging(by="cursor"), "paging.cursor is not JMESPath: it is empty"),
        (Paging(by="number"), "paging.parameter must name"),
        (Paging(by="number", parameter="p" * 101), "too long"),
    ],
)
def test_wrong_settings_are_refused(paging: Paging, wrong: str) -> None:
    with pytest.raises(Invalid, match=wrong):
        check(paging)


def test_pages_are_one_array_with_all_digits() -> None:
    bodies = (b'{"data": [{"a": 1.10}]}', b'{"data": [2, "\\ud83d"]}')
    pages = [read_page(NUMBER, body, url=URL, link_header="", asked=[URL]) for body in bodies]
    assert joined(pages) == b'[{"a":1.10},2,"\\ud83d"]'
    assert joined([Page([], None)]) == b"[]"
    assert first_url(NUMBER, f"{URL}&page=7") == f"{URL}&page=1"
    assert first_url(LINK, URL) == URL
