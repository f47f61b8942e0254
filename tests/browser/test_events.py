"""The explorer on a real server: a question asked by clicks, all of it in the address, drawn in each way."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import visitors
from tests.browser.conftest import NARROW, PROJECT, WIDE, Open, fits
from tests.server_process import Server

EXPLORER = f"/p/{PROJECT}/events"


@pytest.fixture(scope="module")
def visited(server: Server) -> Server:
    visitors.seed(server)
    return server


def test_a_question_is_asked_by_clicks_and_stays_in_the_address(visited: Server, visit: Open) -> None:
    window = visit(visited)
    window.sign_in()
    page = window.go(f"{EXPLORER}?range=30d&each=6h")
    expect(page.locator(".plot canvas")).to_be_visible()
    whole = page.locator(".pos").first
    expect(whole).to_contain_text("events")
    before = whole.inner_text()
    values = page.get_by_role("region", name="In all of it")
    expect(values.get_by_role("button", name=re.compile("Greece"))).to_be_visible()
    values.get_by_role("button", name=re.compile("Greece")).click()
    expect(page).to_have_url(re.compile(r"f=data\.country%3Ais%3AGreece"))
    expect(whole).not_to_have_text(before)
    values.get_by_role("button", name="Break down by data.path").click()
    table = page.get_by_role("region", name="By data.path")
    expect(table.get_by_role("row").nth(1)).to_contain_text("/event/*")
    table.get_by_role("button", name="/map", exact=True).click()
    expect(page).to_have_url(re.compile("s=%2Fmap"))
    page.get_by_role("combobox", name="Add a metric").select_option("unique_users")
    expect(page.get_by_role("button", name="People", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(table.get_by_text("Who is in two of them counts in both.")).to_be_visible()
    page.get_by_role("button", name="the time before").click()
    expect(table.get_by_role("columnheader", name="Before")).to_be_visible()
    window.axe()
    address = page.url
    page.reload()
    expect(page.get_by_role("button", name="People", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(table.locator("tr[aria-current]")).to_contain_text("/map")
    assert page.url == address
    page.get_by_title("Without this").click()
    expect(page).not_to_have_url(re.compile("f="))


def test_a_bucket_is_looked_into_down_to_one_event(visited: Server, visit: Open) -> None:
    window = visit(visited)
    window.sign_in()
    page = window.go(f"{EXPLORER}?range=30d&each=1d")
    page.locator(".plot .u-over").click(position={"x": 1180, "y": 60})
    expect(page).to_have_url(re.compile("at="))
    here = page.get_by_role("region", name="In this day")
    expect(here.get_by_role("button", name=re.compile("Greece"))).to_be_visible()
    first = page.url
    page.keyboard.press("[")
    expect(page).not_to_have_url(first)
    page.get_by_role("button", name="The day after").click()
    expect(page).to_have_url(first)
    here.get_by_role("radio", name="Events").click()
    expect(page).to_have_url(re.compile("list=events"))
    here.locator(".event-list button").first.click()
    opened = page.get_by_role("dialog")
    expect(opened.get_by_text('"messageId"')).to_be_visible()
    window.axe()
    page.keyboard.press("Escape")
    page.locator(".moment").click()
    expect(page.get_by_role("region", name="In all of it")).to_be_visible()


def test_filters_are_written_and_what_is_not_there_is_said(visited: Server, visit: Open) -> None:
    window = visit(visited)
    window.sign_in()
    page = window.go(EXPLORER)
    page.get_by_role("button", name="Add a filter").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Field").fill("data.price")
    form.get_by_label("Is").select_option("gt")
    form.get_by_label("Value").fill("39")
    window.axe()
    form.get_by_role("button", name="Add").click()
    expect(page.get_by_title("Without this")).to_contain_text("is over 39")
    page.get_by_role("radio", name="24 h").click()
    expect(page).to_have_url(re.compile("range=24h"))
    window.turn(f"{EXPLORER}?f=source%3Ais%3Anobody")
    expect(page.get_by_text("No events then that meet all conditions")).to_be_visible()
    window.turn(f"{EXPLORER}?range=2020-01-01T00:00Z..2020-01-02T00:00Z")
    expect(page.get_by_text("No events in this time")).to_be_visible()


@pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW)])
def test_each_drawing_can_be_used_by_all(visited: Server, visit: Open, dark: bool, size: tuple[int, int]) -> None:
    window = visit(visited, dark=dark, size=size)
    window.sign_in()
    for draw in ("line", "stack", "bars", "table", "number"):
        asked = f"?m=count,p95_duration&by=data.path&vs=previous&draw={draw}&s=%2Fmap&s=%2Flatest"
        page = (window.settle if draw == "line" else window.follow)(EXPLORER + asked)
        expect(page.get_by_role("radio", name=draw.capitalize())).to_be_checked()
        fits(page)
        window.axe()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == "time,count,before count,p95_duration,before p95_duration"
    assert len(lines) == 169
