"""People that events are about: found, looked at day by day, erased by typing their id, with its progress."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.browser import visitors
from tests.browser.conftest import NARROW, PROJECT, WIDE, Open, fits
from tests.server_process import Server

PEOPLE = f"/p/{PROJECT}/events/people"
ANN, HOSTILE = "ann/ü?#", "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def visited(server: Server) -> Server:
    visitors.seed(server)
    client = visitors.signed_in(server)
    for number, person in enumerate((ANN, "u-1", "u-2")):
        call = {"userId": person, "traits": {"plan": "pro" if number else HOSTILE}, "messageId": f"i-{number}"}
        assert client.post("/v1/identify", json=call, headers={"x-tenant-id": PROJECT}).status_code == 200
    for number, plan in enumerate(("pro", "team", "free")):
        late = (datetime.now(UTC) + timedelta(seconds=number)).isoformat()
        call = {"userId": "u-1", "traits": {"plan": plan}, "messageId": f"plan-{number}", "timestamp": late}
        assert client.post("/v1/identify", json=call, headers={"x-tenant-id": PROJECT}).status_code == 200
    return server


@pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW)])
def test_people_are_found_and_looked_at(visited: Server, visit: Open, dark: bool, size: tuple[int, int]) -> None:
    window = visit(visited, dark=dark, size=size)
    window.expected = re.compile("status of 404")
    window.sign_in()
    page = window.go(PEOPLE)
    expect(page.get_by_role("link", name="u-1", exact=True)).to_be_visible()
    window.axe()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.get_by_role("row").nth(2).get_by_role("link")).to_be_focused()
    page.keyboard.press("f")
    expect(page.get_by_role("searchbox", name="Find people")).to_be_focused()
    page.get_by_role("searchbox", name="Find people").fill("onerror")
    rows = page.get_by_role("region", name="People").get_by_role("row")
    expect(rows).to_have_count(2)
    page.get_by_role("link", name=ANN).click()
    expect(page.get_by_role("region", name="Who they are")).to_contain_text(HOSTILE)
    page.goto(f"{visited.url}{PEOPLE}/u-1")
    changes = page.get_by_role("region", name="What changed in the traits").get_by_role("listitem")
    expect(changes.first).to_contain_text("plan team free")
    expect(changes).to_have_count(3)
    did = page.get_by_role("region", name="What they did")
    expect(did.get_by_role("heading", level=3).nth(1)).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text('"userId": "u-1"')
    window.axe()
    page.keyboard.press("Escape")
    fits(page)
    window.axe()
    window.turn(f"{PEOPLE}/nobody")
    expect(page.get_by_text("Nobody here has this id")).to_be_visible()
    window.axe()


def test_a_person_is_erased_by_typing_their_id(visited: Server, visit: Open) -> None:
    window = visit(visited)
    window.expected = re.compile("status of 404")
    window.sign_in()
    page = window.go(f"{PEOPLE}/u-2")
    page.get_by_role("button", name="Erase").click()
    asked = page.get_by_role("dialog")
    expect(asked.get_by_role("button", name="Erase")).to_be_disabled()
    asked.get_by_label("Type the id").fill("u-2")
    window.axe()
    asked.get_by_role("button", name="Erase").click()
    page.wait_for_url(re.compile("/people$"))
    erased = page.get_by_role("region", name="Erasures")
    expect(erased).to_contain_text("done")
    expect(erased).to_contain_text(re.compile(r"\d+ events erased"))
    window.axe()
    window.turn(f"{PEOPLE}/u-2")
    expect(page.get_by_text("Nobody here has this id")).to_be_visible()
