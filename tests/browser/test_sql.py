"""SQL in the dashboard: completion, the error at its place, results as a table and drawn, what was run before."""

import re

import pytest
from playwright.sync_api import Request, Route, expect

from tests.browser import visitors
from tests.browser.conftest import NARROW, PROJECT, WIDE, Open, fits
from tests.server_process import Server

SQL = f"/p/{PROJECT}/events/sql"
TEN_DAYS = re.compile(r"^(9|10) rows$")
"""Nine times 24 hours lie in ten days, but for the first hour of a day."""
BY_DAY = "select date_trunc('day', timestamp) as day, count(*) as n from events group by 1 order by 1"


@pytest.fixture(scope="module")
def visited(server: Server) -> Server:
    visitors.seed(server)
    return server


def _describes(asked: Request) -> bool:
    return "DESCRIBE events" in (asked.post_data or "")


def test_a_statement_is_completed_refused_at_its_place_and_answered(visited: Server, visit: Open) -> None:
    window = visit(visited, own=True)
    window.expected = re.compile("status of 400")
    window.sign_in()
    page = window.go(SQL)
    editor = page.get_by_role("textbox", name="SQL")
    editor.click()
    held: list[Route] = []
    page.route("**/v1/sql?*", lambda route: held.append(route) if _describes(route.request) else route.continue_())
    with page.expect_request(_describes):
        page.keyboard.type("select  from events")
    for _ in range(len(" from events")):
        page.keyboard.press("ArrowLeft")
    page.keyboard.type("event_t")  # before the columns have come
    for route in held:
        route.continue_()
    expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text("event_type")
    window.axe()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("event_t")
    expect(page.locator(".wrong")).to_have_text("event_t")
    page.keyboard.press("Control+A")
    page.keyboard.type("select 1,\n from frm events x y")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("at line 2")
    expect(page.locator(".wrong")).to_have_count(1)
    page.keyboard.press("Control+A")
    page.keyboard.type(BY_DAY)
    page.get_by_role("button", name="Run", exact=True).click()
    result = page.get_by_role("region", name="Result")
    expect(result.get_by_role("heading")).to_have_text(TEN_DAYS)
    expect(page.locator(".wrong")).to_have_count(0)
    with page.expect_download() as download:
        result.get_by_role("button", name="CSV").click()
    assert download.value.path().read_text().splitlines()[0] == "day,n"
    result.get_by_role("radio", name="Chart").click()
    expect(result.locator(".plot canvas")).to_be_visible()
    page.reload()
    expect(result.get_by_role("heading")).to_have_text(TEN_DAYS)
    page.get_by_role("radio", name="Run before").click()
    expect(page.locator(".own li")).to_have_count(3)
    page.locator(".own li").nth(1).get_by_role("button").click()
    expect(editor).to_contain_text("frm")
    page.get_by_role("button", name="Forget them").click()
    expect(page.get_by_text("What you run is listed here")).to_be_visible()


@pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW)])
def test_all_can_read_it(visited: Server, visit: Open, dark: bool, size: tuple[int, int]) -> None:
    window = visit(visited, dark=dark, size=size)
    window.sign_in()
    text = "select data->>'country' as country, count(*) as n from events group by 1 order by 2 desc"
    page = window.settle(f"{SQL}?q={text.replace(' ', '%20').replace('>', '%3E')}")
    result = page.get_by_role("region", name="Result")
    expect(result.get_by_role("cell", name="<img src=x onerror=alert(1)>")).to_be_visible()
    window.axe()
    result.get_by_role("radio", name="Chart").click()
    expect(result.get_by_role("rowheader", name="Greece")).to_be_visible()
    page.get_by_role("button", name="profiles", exact=True).click()
    expect(page.get_by_role("button", name=re.compile("traits"))).to_be_visible()
    window.axe()
    fits(page)
