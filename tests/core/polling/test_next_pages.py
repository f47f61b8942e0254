import json
from typing import Any

import pytest

from delta_server.core.paging import Paging, PagingFailed, read_page
from delta_server.core.polling.next_pages import note_of

URL = "https://api.example.com/items"
LINK = Paging(by="link", items="data")
CURSOR = Paging(by="cursor", items="data", cursor="meta.next", parameter="after")
FOUND = Paging(by="cursor", items="data", cursor="pages[0].next", parameter="after")
NUMBER = Paging(by="number", items="data", parameter="page")

ENDS: list[Any] = [None, "", False, 0, [], {}]


def said(paging: Paging, page: Any, link: str = "") -> str | None:
    document = json.dumps(page).encode()
    read = read_page(paging, document, url=URL, link_header=link, asked=[URL])
    return note_of(paging, read, document, link)


@pytest.mark.parametrize(
    ("paging", "page", "link"),
    [
        (CURSOR, {"data": [1], "meta": {"next": 2}}, ""),
        *[(CURSOR, {"data": [1], "meta": {"next": end}}, "") for end in ENDS],
        (CURSOR, {"data": [1], "meta": None}, ""),
        (FOUND, {"data": [1], "pages": [{"next": ""}]}, ""),
        (NUMBER, {"data": []}, ""),
        (LINK, {"data": [1]}, '</items?page=2>; rel="next"'),
    ],
)
def test_a_page_that_names_another_or_says_that_it_is_the_last(paging: Paging, page: Any, link: str) -> None:
    assert said(paging, page, link) is None


@pytest.mark.parametrize(
    ("paging", "page", "link", "note"),
    [
        (CURSOR, {"data": [1]}, "", "this is one page, for meta.next finds nothing in it"),
        (CURSOR, {"data": [1], "meta": {"nextt": 2}}, "", "if the source has more, they are missing"),
        (CURSOR, {"data": [1], "meta": "x"}, "", "meta.next finds nothing in it"),
        (FOUND, {"data": [1], "pages": [{"next": None}]}, "", "finds nothing in it"),
        (LINK, {"data": [1], "next": None}, "", "for no header Link names a next one"),
    ],
)
def test_a_page_that_only_names_no_other(paging: Paging, page: Any, link: str, note: str) -> None:
    assert note in str(said(paging, page, link))


@pytest.mark.parametrize(
    ("paging", "page", "link", "wrong"),
    [
        (
            CURSOR,
            {"data": [1], "next": "/items?p=2"},
            "",
            "page 1 names the next one in next, but meta.next finds nothing",
        ),
        (CURSOR, {"data": [1], "next_cursor": "c2"}, "", "in next_cursor"),
        (CURSOR, {"data": [1]}, '</items?page=2>; rel="next"', "in a header Link"),
        (LINK, {"data": [1], "nextPageToken": "t"}, "", "in nextPageToken, but no header Link names"),
    ],
)
def test_a_page_that_names_the_next_one_elsewhere(paging: Paging, page: Any, link: str, wrong: str) -> None:
    with pytest.raises(PagingFailed, match=wrong):
        said(paging, page, link)
