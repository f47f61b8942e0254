"""A funnel: steps chosen, how many get from one to the next, all of it in the address."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from tests.browser import visitors
from tests.browser.conftest import NARROW, PROJECT, WIDE, Open, fits
from tests.server_process import Server

FUNNELS = f"/p/{PROJECT}/events/funnels"


@pytest.fixture(scope="module")
def visited(server: Server) -> Server:
    visitors.seed(server)
    return server


@pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW)])
def test_steps_are_chosen_and_drawn(visited: Server, visit: Open, dark: bool, size: tuple[int, int]) -> None:
    window = visit(visited, dark=dark, size=size)
    window.sign_in()
    page = window.go(FUNNELS)
    expect(page.get_by_text("at least two steps")).to_be_visible()
    page.get_by_role("combobox", name="Step 1").select_option("signup")
    page.get_by_role("combobox", name="Step 2").select_option("page")
    steps = page.get_by_role("region", name="Steps")
    expect(steps.locator("li").first).to_contain_text("100\u00a0%")
    expect(steps.locator("li").nth(1)).to_contain_text("half of them within")
    expect(page).to_have_url(re.compile("s=signup&s=page"))
    window.axe()
    before = steps.locator("li").nth(1).inner_text()
    page.get_by_role("combobox", name="Within").select_option("1h")
    expect(steps.locator("li").nth(1)).not_to_have_text(before)
    expect(steps.get_by_text("went no further")).to_be_visible()
    fits(page)
    window.axe()
    page.get_by_role("combobox", name="Step 1").select_option("")
    expect(page.get_by_text("at least two steps")).to_be_visible()


def test_one_is_no_people(visited: Server, visit: Open) -> None:
    alone = {"messageId": "alone", "eventType": "alone", "userId": "one", "timestamp": datetime.now(UTC).isoformat()}
    visitors.send(visitors.signed_in(visited), iter([alone]))
    window = visit(visited)
    window.sign_in()
    page = window.go(f"{FUNNELS}?s=alone&s=signup")
    expect(page.get_by_role("region", name="Steps").locator("li").first).to_contain_text("1 person, 100\u00a0%")
