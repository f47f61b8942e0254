"""A person's whole way through the dashboard of the executable, from an empty directory."""

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import EMAIL, NARROW, PASSWORD, WIDE, Open, fits
from tests.server_process import BINARY, Server, run, serving

pytestmark = pytest.mark.skipif(not Path(BINARY[0]).exists(), reason="make build makes it")

_LIGHTNESS = """() => {
  const [red, green, blue] = getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number);
  return (red + green + blue) / 765;
}"""
PRICES = [
    {"asked": 1, "prices": [{"sku": "A1", "price": 10.5}, {"sku": "B2", "price": 7}]},
    {"asked": 2, "prices": [{"sku": "A1", "price": 10.5}, {"sku": "B2", "price": 8}]},
    {"asked": 3, "prices": [{"sku": "A1", "price": 11.25}, {"sku": "B2", "price": 8}]},
]


def look(page: Page, *seen: Locator) -> None:
    """In light and dark, wide and narrow: what matters is seen, and nothing is wider than the window."""
    for dark in (True, False):
        theme = "dark" if dark else "light"
        page.emulate_media(color_scheme="dark" if dark else "light")
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        for width, height in (NARROW, WIDE):
            page.set_viewport_size({"width": width, "height": height})
            for each in seen:
                expect(each).to_be_visible()
            fits(page)
            assert (page.evaluate(_LIGHTNESS) < 0.5) is dark


def set_up(page: Page, server: Server, directory: Path) -> None:
    token = run(directory, "setup-link", command=BINARY).stdout.strip()
    page.goto(f"{server.url}/setup#{token}")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page).to_have_url(f"{server.url}/projects")


def make_key(page: Page, server: Server) -> str:
    page.get_by_role("button", name="New project").first.click()
    page.get_by_label("Name").fill("shop")
    page.get_by_role("button", name="Make the project").click()
    expect(page).to_have_url(re.compile("/p/shop"))
    page.goto(f"{server.url}/p/shop/settings/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("sender")
    page.get_by_role("button", name="Make the key").click()
    key = page.locator("dialog code").inner_text()
    page.get_by_role("button", name="Done").click()
    return key


def test_from_an_empty_directory_to_signing_out(tmp_path: Path, visit: Open) -> None:
    with serving(tmp_path, command=BINARY) as server:
        window = visit(server)
        window.expected = re.compile(r"status of 401")
        page = window.page
        set_up(page, server, tmp_path)
        key = make_key(page, server)
        bearer = {"authorization": f"Bearer {key}"}
        for document in PRICES:
            sent = httpx.post(f"{server.url}/v1/snapshots?endpoint=prices", json=document, headers=bearer)
            assert sent.status_code == 201, sent.text

        window.settle("/p/shop/e/prices")  # the document now, and what its last version changed
        expect(page.get_by_text("3 of 3")).to_be_visible()
        expect(page.get_by_role("treegrid")).to_contain_text("11.25")
        look(page, page.get_by_role("treegrid"), page.get_by_role("slider"))
        page.keyboard.press("[")  # back in time
        expect(page.get_by_text("2 of 3")).to_be_visible()
        expect(page.get_by_role("treegrid")).not_to_contain_text("11.25")

        page.get_by_role("link", name="Compare").first.click()
        expect(page).to_have_url(re.compile("/compare"))
        expect(page.get_by_role("row", name=re.compile("price 7 8"))).to_be_visible()
        look(page, page.get_by_role("treegrid"))

        window.settle("/p/shop/e/prices/fields")
        page.get_by_role("button", name=re.compile("Ignore.*asked")).click()
        look(page, page.get_by_role("button", name="Save"))
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("button", name="/asked : ignore no longer")).to_be_visible()
        page.get_by_role("row", name=re.compile("price")).get_by_role("link", name="chart").click()
        expect(page).to_have_url(re.compile(r"/e/prices/charts\?f=%2Fprices%2F\*%2Fprice"))
        look(page, page.locator(".plot canvas").first)
        page.get_by_role("radio", name="Table").click()
        for number in ("10.5", "11.25"):
            expect(page.get_by_role("cell", name=number, exact=True).first).to_be_visible()

        window.settle("/p/shop/e/prices")  # what is ignored is no change any more
        expect(page.get_by_label("What this version changed")).to_contain_text("11.25")
        expect(page.get_by_label("What this version changed")).not_to_contain_text("asked")

        window.settle("/p/shop/settings/keys")
        page.get_by_role("row", name=re.compile("sender")).get_by_role("button", name="Revoke").click()
        page.get_by_label("Type its name").fill("sender")
        page.locator("dialog").get_by_role("button", name=re.compile("Revoke")).click()
        expect(page.locator("dialog")).to_have_count(0)
        refused = httpx.post(f"{server.url}/v1/snapshots?endpoint=prices", json=PRICES[0], headers=bearer)
        assert refused.status_code == 401

        page.get_by_role("button", name="account of").click()
        page.get_by_role("menuitem", name="Sign out").click()
        expect(page).to_have_url(re.compile("/signin"))
        server.stop()
