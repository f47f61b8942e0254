"""script.js on a page of another site: what it counts, what it leaves alone; and the page that gives it out."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from tests import server_process
from tests.browser.conftest import NARROW, PROJECT, Open, expect_toast, fits, window_of
from tests.browser.source import Answer, Source, source
from tests.secret_sweep import SWEEP
from tests.server_process import Server

HEAD = "<!doctype html><title>Shop</title><link rel=icon href=data:,><script>window.delta = function () "
EARLY = "{ (delta.q = delta.q || []).push(arguments) }; delta('early', {plan: 'pro'})</script>"


class Site(msgspec.Struct):
    """A website beside the server, and who reads what came."""

    pages: Source
    server: Server
    key: str

    def came(self) -> list[dict[str, Any]]:
        headers = {"authorization": f"Bearer {self.key}"}
        answer = httpx.get(f"{self.server.url}/v1/events/raw?source=web&limit=100", headers=headers)
        found: list[dict[str, Any]] = answer.json()["data"]
        return found[::-1]

    def wait_for(self, page: Page, count: int) -> list[tuple[str, str]]:
        """The types and paths of so many events, in any order: some are on their way together."""
        for _ in range(200):
            if len(found := self.came()) >= count:
                break
            page.wait_for_timeout(50)
        return sorted((one["eventType"], one["data"]["path"]) for one in found)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    admin = server_process.create_key(tmp_path, "shop")
    with server_process.serving(tmp_path) as server, httpx.Client(base_url=server.url) as client:
        client.headers["authorization"] = f"Bearer {admin}"
        made = client.post("/v1/auth/api-keys", json={"kind": "write", "scopes": ["visits:write"]}).json()["key"]
        SWEEP.use_keys_in(made)
        tag = f'<script defer src="{server.url}/script.js" data-key="{made}"></script>'
        with source(lambda *_: Answer(f"{HEAD}{EARLY}{tag}<p>Shop".encode(), type="text/html")) as pages:
            client.put("/v1/visits/settings", json={"origins": [pages.url]}).raise_for_status()
            yield Site(pages, server, admin)


def test_a_site_of_another_origin_is_counted(browser: Browser, site: Site) -> None:
    window = window_of(browser, site.pages.url)
    window.others = (site.server.url,)
    page = window.go("/start?utm_source=news&token=secret")
    assert site.wait_for(page, 2) == [("early", "/start"), ("page", "/start")]
    sent = next(one for one in site.came() if one["eventType"] == "page")
    assert sent["data"]["utm_source"] == "news"
    assert sent["data"]["bot"] is True  # a program drives it
    assert sent["data"]["screen"] == "992 to 1439" or sent["data"]["screen"] == "1440 and more"
    assert "secret" not in str(sent)
    page.evaluate("history.replaceState(null, '', '/start?utm_source=none'); history.pushState({}, '', '/second')")
    page.evaluate("location.hash = 'part'")
    page.evaluate("location.hash = '#/route?token=1'")
    page.evaluate("delta('bought', {amount: 7, path: 'mine'})")
    page.wait_for_timeout(20)
    page.evaluate("history.go(-2)")
    found = site.wait_for(page, 9)
    assert [one for one in found if one[0] != "page_leave"] == [
        ("bought", "mine"), ("early", "/start"), ("page", "/second"), ("page", "/second"),
        ("page", "/second#/route"), ("page", "/start"),
    ]  # fmt: skip
    window.go("/last")
    leaves = [one for one in site.came() if one["eventType"] == "page_leave"]
    assert all(one["duration"] > 0 for one in leaves)
    assert {one["data"]["path"] for one in leaves} >= {"/start", "/second#/route"}
    assert len({one["anonymousId"] for one in site.came()}) == 1
    assert (page.evaluate("document.cookie"), page.evaluate("localStorage.length + sessionStorage.length")) == ("", 0)
    assert window.context.cookies() == []
    window.check()
    window.context.close()


@pytest.mark.parametrize("asks", ["navigator.globalPrivacyControl", "navigator.doNotTrack"])
def test_who_asks_not_to_be_counted_sends_nothing(browser: Browser, site: Site, asks: str) -> None:
    window = window_of(browser, site.pages.url)
    window.others = (site.server.url,)
    name, value = asks.split(".")[1], "true" if "global" in asks else "'1'"
    window.page.add_init_script(f"Object.defineProperty(navigator, '{name}', {{value: {value}}})")
    sent: list[str] = []
    window.page.on("request", lambda request: sent.append(request.url))
    page = window.go("/start")
    page.evaluate("delta('bought')")
    page.evaluate("history.pushState({}, '', '/second')")
    window.go("/last")
    assert [url for url in sent if "/v1/" in url] == []
    window.check()
    window.context.close()


def test_the_page_gives_the_lines_and_keeps_the_settings(server: Server, visit: Open) -> None:
    window = visit(server, size=NARROW)
    window.expected = re.compile("status of 400")
    window.sign_in()
    page = window.settle(f"/p/{PROJECT}/connect/website")
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_label("In the head of each page").locator("pre")).to_contain_text('data-key="dk_write_')
    sites = page.get_by_label("Sites that may send")
    sites.fill("https://shop.example\nnonsense")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("is not an origin").first).to_be_visible()
    sites.fill("https://shop.example")
    page.get_by_role("checkbox", name="Country").uncheck()
    page.get_by_role("button", name="Save").click()
    expect_toast(page, "What is kept of visits is saved")
    fits(page)
    window.axe()
    page = window.settle(f"/p/{PROJECT}/connect/website")
    expect(sites).to_have_value("https://shop.example")
    expect(page.get_by_role("checkbox", name="Country")).not_to_be_checked()
    expect(page.get_by_role("checkbox", name="Browser Its family")).to_be_checked()
