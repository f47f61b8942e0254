"""Boards: saved queries as tiles, arranged by keys and by dragging, and read by a link without signing in."""

import re
from contextlib import closing
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser import visitors
from tests.browser.conftest import NARROW, PROJECT, WIDE, Open, fits
from tests.server_process import Server

EVENTS = f"/p/{PROJECT}/events"
BOTH = pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW)])
QUERIES: list[tuple[str, str, dict[str, Any]]] = [
    ("By hour", "explorer", {"metrics": ["count"], "groupBy": ["time:6h"], "range": "7d", "fill": "zero"}),
    ("Countries", "explorer", {"metrics": ["count"], "groupBy": ["data.country"], "orderBy": [["count", "desc"]]}),
    ("All", "explorer", {"metrics": ["count"]}),
    ("Types", "sql", {"sql": "select event_type, count(*) as n from events group by 1 order by 2 desc"}),
    ("Steps", "funnel", {"steps": ["signup", "page"]}),
    ("Back", "retention", {"every": "1d", "range": "7d"}),
    ("Ways", "paths", {"gap": "7d", "depth": 2}),
]
PASSWORD = "correct horse staple"


def made(client: httpx.Client, name: str) -> str:
    """A board of all kinds."""
    tiles = []
    for title, kind, spec in QUERIES:
        answer = client.post("/v1/saved-queries", json={"name": title, "kind": kind, "spec": spec})
        assert answer.status_code == 201, answer.text
        tiles.append({"id": kind + title[:1], "query_id": answer.json()["saved_query"]["id"]})
    board: str = client.post("/v1/boards", json={"name": name, "tiles": tiles}).json()["board"]["id"]
    return board


@pytest.fixture(scope="module")
def visited(server: Server) -> Server:
    visitors.seed(server)
    return server


@BOTH
def test_a_board_is_made_and_arranged(visited: Server, visit: Open, dark: bool, size: tuple[int, int]) -> None:
    window = visit(visited, dark=dark, size=size)
    window.sign_in()
    with closing(visitors.signed_in(visited)) as client:
        name = f"Wall {size[0]}"
        made(client, name)
    page = window.settle(f"{EVENTS}/boards")
    window.axe()
    page.get_by_role("link", name=name).click()
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(7)
    expect(tiles.nth(1)).to_contain_text("<img src=x onerror=alert(1)>")
    expect(tiles.nth(4)).to_contain_text("signup")
    expect(page.locator(".plot canvas")).to_be_visible()
    window.axe()
    fits(page)
    page.get_by_role("button", name="Move By hour").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Shift+ArrowRight"):  # none waits for the one before
        page.keyboard.press(key)
    expect(tiles.nth(1)).to_have_attribute("aria-label", "By hour")
    expect(tiles.nth(1)).to_have_class(re.compile("w2"))
    if size == WIDE:
        tiles.nth(2).locator("h2").drag_to(tiles.nth(0).locator("h2"))
        expect(tiles.nth(0)).to_have_attribute("aria-label", "All")
    page.get_by_role("button", name="Change Ways").click()
    page.get_by_role("menuitem", name="Take off the board").click()
    expect(tiles).to_have_count(6)
    page.get_by_role("button", name="Add a tile").click()
    page.get_by_role("dialog").get_by_role("button", name="Ways").first.click()
    expect(tiles).to_have_count(7)
    page.reload()
    expect(tiles).to_have_count(7)
    page.get_by_role("button", name="Rename", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_have_value(name)
    dialog.get_by_label("Name").fill(f"<b>{name}</b>")
    window.axe()
    dialog.get_by_label("Name").press("Enter")
    expect(page.get_by_role("heading", name=f"<b>{name}</b>")).to_be_visible()
    expect(page.get_by_role("button", name="Rename", exact=True)).to_be_focused()


@BOTH
def test_a_link_is_read_without_signing_in(visited: Server, visit: Open, dark: bool, size: tuple[int, int]) -> None:
    window = visit(visited, dark=dark, size=size)
    window.sign_in()
    with closing(visitors.signed_in(visited)) as client:
        board = made(client, "Shared")
    page = window.settle(f"{EVENTS}/boards/{board}")
    page.get_by_role("button", name="Share", exact=True).click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("code.address").inner_text()
    window.axe()
    outside = visit(visited, dark=dark, size=size)
    outside.expected = re.compile("status of 40[14]")
    guest = outside.go(link.removeprefix(visited.url))
    guest.get_by_label("Password").fill("wrong horse staple")
    guest.get_by_role("button", name="Open").click()
    expect(guest.get_by_text("the password is wrong")).to_be_visible()
    outside.axe()
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Open").click()
    expect(guest.locator(".tile")).to_have_count(7)
    expect(guest.locator(".tile").nth(3)).to_contain_text("signup")
    expect(guest.get_by_role("button", name=re.compile("^Move"))).to_have_count(0)
    outside.axe()
    fits(guest)
    page.get_by_role("button", name=re.compile("^Revoke")).click()
    expect(page.locator(".shares li")).to_have_count(0)
    guest.reload()
    expect(guest.get_by_role("heading", name="No board here")).to_be_visible()
    guest.evaluate("window.framed = true")
    guest.locator("a.brand").click()  # is loaded anew: of the dashboard other sites may frame this page alone
    expect(guest.get_by_label("E-mail address")).to_be_visible()
    assert guest.evaluate("window.framed") is None
