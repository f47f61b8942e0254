"""What is noted of a time, and how documents changed meanwhile, on the explorer's axis."""

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.browser import visitors
from tests.browser.conftest import NARROW, PROJECT, WIDE, Open, fits
from tests.server_process import Server

EVENTS = f"/p/{PROJECT}/events"
NOW = datetime.now(UTC)
"""For all tests of a run, which may go from one hour into the next."""


def ago(hours: int) -> datetime:
    return NOW - timedelta(hours=hours)


@pytest.fixture(scope="module")
def visited(server: Server) -> Server:
    visitors.seed(server)
    with closing(visitors.signed_in(server)) as client:
        for hours, price in ((50, 1), (40, 2), (30, 3)):
            asked = {"endpoint": "prices", "include": "delta", "captured_at": ago(hours).isoformat()}
            sent = client.post("/v1/snapshots", params=asked, json={"EUR": price, f"at {hours}": True})
            assert sent.status_code == 201, sent.text
    return server


@pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW)])
def test_a_note_is_made_changed_and_deleted(visited: Server, visit: Open, dark: bool, size: tuple[int, int]) -> None:
    window = visit(visited, dark=dark, size=size)
    window.sign_in()
    page = window.settle(EVENTS)
    page.keyboard.press("a")
    page.get_by_label("What").fill("<b>1.4.2</b>")
    page.get_by_label("Kind").select_option("deploy")
    page.get_by_label("Link").fill("https://git.example.com/1.4.2")
    window.axe()
    page.get_by_role("button", name="Note", exact=True).last.click()
    noted = page.get_by_role("list", name="Noted")
    expect(noted.get_by_role("link", name="<b>1.4.2</b>")).to_have_attribute("href", "https://git.example.com/1.4.2")
    window.axe()
    fits(page)
    noted.get_by_role("button", name="Change <b>1.4.2</b>").click()
    page.get_by_label("Kind").select_option("incident")
    page.get_by_label("Until").fill("3 o'clock")
    page.get_by_role("button", name="Change", exact=True).last.click()
    window.expected = re.compile("status of 400")
    expect(page.get_by_text("end must be")).to_be_visible()
    page.get_by_label("Until").fill("")
    page.get_by_role("dialog").get_by_role("button", name="Change", exact=True).click()
    expect(noted).to_contain_text("Incident")
    noted.get_by_role("button", name="Change <b>1.4.2</b>").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(noted).to_have_count(0)


@pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW)])
def test_changes_of_documents_stand_on_the_same_axis(
    visited: Server, visit: Open, dark: bool, size: tuple[int, int]
) -> None:
    window = visit(visited, dark=dark, size=size)
    window.sign_in()
    page = window.settle(EVENTS)
    strips = page.get_by_role("region", name="Documents", exact=True)
    strips.get_by_role("button", name="Changes of a document").click()
    page.get_by_label("Endpoint", exact=True).fill("prices")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page).to_have_url(re.compile("docs=prices"))
    expect(strips).to_contain_text("in 2 versions")
    expect(strips.locator("rect.t-added")).to_have_count(2)
    window.axe()
    fits(page)
    hour = ago(30).replace(minute=0, second=0, microsecond=0)
    page = window.settle(f"{EVENTS}?docs=prices&at={hour:%Y-%m-%dT%H:%M:%S}Z")
    then = page.get_by_role("region", name="Documents then")
    expect(then).to_contain_text("~1")
    then.get_by_role("link", name="prices").click()
    expect(page).to_have_url(re.compile("/e/prices\\?at="))
