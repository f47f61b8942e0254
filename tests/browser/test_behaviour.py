"""Retention as a triangle, paths as a flow, and the persons in any part of them and of a funnel."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import visitors
from tests.browser.conftest import NARROW, PROJECT, WIDE, Open, fits
from tests.server_process import Server

EVENTS = f"/p/{PROJECT}/events"
BOTH = pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW)])


@pytest.fixture(scope="module")
def visited(server: Server) -> Server:
    visitors.seed(server)
    return server


@BOTH
def test_retention_is_a_triangle(visited: Server, visit: Open, dark: bool, size: tuple[int, int]) -> None:
    window = visit(visited, dark=dark, size=size)
    window.sign_in()
    page = window.settle(f"{EVENTS}/retention")
    table = page.get_by_role("region", name="Cohorts")
    expect(table.get_by_role("row")).not_to_have_count(0)
    page.get_by_role("combobox", name="Began with").select_option("signup")
    page.get_by_role("combobox", name="Periods").select_option("4")
    expect(page).to_have_url(re.compile("start=signup&periods=4"))
    expect(table.get_by_role("columnheader")).to_have_count(2 + 5)  # of the last that was asked
    cell = table.get_by_role("row").nth(2).get_by_role("button").first
    expect(cell).to_have_text("100\u00a0%")
    window.axe()
    fits(page)
    people = (cell.get_attribute("title") or "").split(" ")[0]
    cell.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("listitem")).to_have_count(int(people))
    window.axe()
    dialog.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile("/events/people/u-"))


@BOTH
def test_paths_are_a_flow(visited: Server, visit: Open, dark: bool, size: tuple[int, int]) -> None:
    window = visit(visited, dark=dark, size=size)
    window.sign_in()
    page = window.settle(f"{EVENTS}/paths?gap=7d")
    expect(page.locator(".flow path")).not_to_have_count(0)
    page.get_by_role("combobox", name="Start").select_option("signup")
    page.get_by_role("combobox", name="By", exact=True).select_option("data.country")
    page.get_by_role("combobox", name="Depth").select_option("2")
    moves = page.get_by_role("region", name="Moves")
    expect(moves.locator("td:first-child", has_text="3")).to_have_count(0)  # steps of the depth before
    expect(moves.get_by_role("cell", name="<img src=x onerror=alert(1)>").first).to_be_visible()
    window.axe()
    fits(page)
    button = moves.get_by_role("button").first
    people = button.inner_text().split()[0]
    button.click()
    expect(page.get_by_role("dialog").get_by_role("listitem")).to_have_count(int(people))
    page.keyboard.press("Escape")
    page.locator(".flow path").first.dispatch_event("click")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_each_bar_of_a_funnel_has_its_people(visited: Server, visit: Open) -> None:
    window = visit(visited)
    window.sign_in()
    page = window.settle(f"{EVENTS}/funnels?s=signup&s=page&window=1h")
    lost = page.get_by_role("button", name=re.compile("went no further")).first
    people = lost.inner_text().split()[0]
    lost.click()
    expect(page.get_by_role("dialog").get_by_role("listitem")).to_have_count(int(people))
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Who did step 2").click()
    expect(page.get_by_role("dialog").get_by_role("listitem")).not_to_have_count(0)
    window.axe()
