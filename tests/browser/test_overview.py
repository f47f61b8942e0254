"""The overview: what is kept, the pulse, endpoints and what happened lately, as it happens."""

import json
import re

import httpx
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, PROJECT, Open, Visit
from tests.server_process import Server

HOSTILE = '<img src=x onerror="document.title=1">'


def _token(window: Visit, server: Server) -> str:
    login = {"email": "ada@example.com", "password": "correct horse battery"}
    return str(window.context.request.post(f"{server.url}/v1/auth/login", data=login).json()["access_token"])


def _key(window: Visit, server: Server, project: str) -> str:
    made = httpx.post(
        f"{server.url}/v1/auth/api-keys",
        json={"name": "test", "project": project, "scopes": ["write"]},
        headers={"authorization": f"Bearer {_token(window, server)}"},
    )
    return str(made.json()["key"])


def _send(server: Server, key: str, endpoint: str, document: object) -> None:
    sent = httpx.post(
        f"{server.url}/v1/snapshots",
        params={"endpoint": endpoint},
        content=json.dumps(document),
        headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    assert sent.status_code == 201, sent.text


def _row(page: Page, name: str) -> str:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True)).inner_text()


def test_what_comes_is_seen_without_a_reload(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}")
    expect(page.get_by_role("row").filter(has_text="quakes")).to_contain_text("200")
    expect(page.locator(".live")).to_contain_text("Live")
    key = _key(window, server, PROJECT)
    _send(server, key, HOSTILE, {"sky": HOSTILE})
    page.get_by_role("link", name=HOSTILE, exact=True).wait_for()
    _send(server, key, HOSTILE, {"sky": "</script>"})
    expect(page.locator(".feed .item").first).to_contain_text("</script>")
    expect(page.get_by_role("row").filter(has_text=HOSTILE)).to_contain_text("2")

    page.get_by_role("button", name="Endpoints").click()
    page.get_by_role("checkbox", name="quakes").check()
    expect(page).to_have_url(re.compile("feed=quakes"))
    expect(page.locator(".feed .item").first).to_contain_text("quakes")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="show all again").click()
    expect(page.locator(".feed .item").first).to_contain_text("</script>")

    page.locator(".feed h2").hover()
    _send(server, key, HOSTILE, {"sky": "clear"})
    page.get_by_role("button", name="1 new").wait_for()
    page.locator(".figs").hover()
    expect(page.locator(".feed .item").first).to_contain_text("clear")
    assert page.title() != "1"
    window.axe()


def test_what_came_before_the_stream_began_is_fetched(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page, begin_stream = window.go_before_stream(f"/p/{PROJECT}", "/v1/stream.*snapshots")
    expect(page.get_by_role("row").filter(has_text="quakes")).to_contain_text("200")
    _send(server, _key(window, server, PROJECT), "between", {"sky": "grey"})
    begin_stream()
    page.get_by_role("link", name="between", exact=True).wait_for()


def test_the_pulse_and_the_filter_stand_in_the_address(server: Server, visit: Open) -> None:
    window = visit(server, dark=True)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}?range=all&q=QUAK")
    expect(page.get_by_role("radio", name="All")).to_be_checked()
    expect(page.get_by_role("link", name="quakes", exact=True)).to_be_visible()
    page.get_by_role("slider").press("End")
    page.wait_for_url("**hour=**")
    expect(page.get_by_role("button", name="show all again")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("button", name="show all again")).to_be_hidden()
    page.keyboard.press("f")
    filtered = page.get_by_placeholder("Filter", exact=True).first
    expect(filtered).to_be_focused()
    filtered.fill("nothing of that name")
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_role("link", name="quakes", exact=True)).to_be_visible()
    window.axe()


def test_an_empty_project_waits_for_its_first_document(server: Server, visit: Open) -> None:
    window = visit(server, size=NARROW)
    window.sign_in()
    page = window.go("/projects")
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name").fill("harbour")
    page.get_by_role("button", name="Make the project").click()
    page.get_by_role("button", name="Make a key").click()
    key = page.locator(".secret code").inner_text()
    window.axe()
    _send(server, key, "tides", {"height": 1})
    expect(page.get_by_role("row").filter(has_text="tides")).to_be_visible()
    assert "1" in _row(page, "tides")
    window.axe()


def test_a_project_of_events_alone_leads_to_them(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    headers = {"authorization": f"Bearer {_token(window, server)}"}
    httpx.post(f"{server.url}/v1/projects", json={"name": "site"}, headers=headers).raise_for_status()
    page = window.go("/p/site")
    expect(page.get_by_role("heading", name="Nothing has come yet")).to_be_visible()
    sent = httpx.post(f"{server.url}/v1/events", json={"eventType": "page"}, headers={**headers, "x-tenant-id": "site"})
    assert sent.is_success, sent.text
    page.reload()
    expect(page.get_by_role("heading", name="No documents yet")).to_be_visible()
    window.axe()
    page.get_by_role("link", name="Look at events").click()
    expect(page.get_by_role("heading", name="In all of it")).to_be_visible()


def test_of_many_endpoints_the_first_are_fetched_until_more_are_wanted(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    bearer = {"authorization": f"Bearer {_token(window, server)}"}
    httpx.post(f"{server.url}/v1/projects", json={"name": "many"}, headers=bearer).raise_for_status()
    snapshots = [
        {"endpoint": f"station {n:03}", "data": n, "captured_at": f"2026-01-01T00:{59 - n // 60:02}:{59 - n % 60:02}Z"}
        for n in range(130)
    ]
    url = f"{server.url}/v1/snapshots/batch?project_id=many"
    httpx.post(url, json={"snapshots": snapshots}, headers=bearer).raise_for_status()
    page = window.go("/p/many")
    expect(page.locator(".figs")).to_contain_text("130endpoints")
    for what in ("scroll", "filter", "choose"):
        with page.expect_request(re.compile(r"/v1/endpoints\?.*limit=100$")):
            page.reload()
        expect(page.get_by_role("link", name="station 000", exact=True)).to_be_visible()
        expect(page.get_by_role("table")).to_have_attribute("aria-rowcount", "131")
        with page.expect_request(re.compile(r"/v1/endpoints\?.*limit=1000$")):
            if what == "scroll":
                page.keyboard.press("End")
            elif what == "filter":
                page.get_by_placeholder("Filter", exact=True).fill("station 129")
            else:
                page.get_by_role("button", name="Endpoints").click()
                page.get_by_role("dialog").get_by_role("searchbox").fill("129")
        if what == "choose":
            expect(page.get_by_role("checkbox", name="station 129")).to_be_visible()
        else:
            if what == "scroll":  # further, once the rows that came have their heights
                page.evaluate("""async () => {
                    while (!document.querySelector("main").innerText.includes("station 129")) {
                        scrollTo(0, document.documentElement.scrollHeight)
                        await new Promise(requestAnimationFrame)
                    }
                }""")
            expect(page.get_by_role("link", name="station 129", exact=True)).to_be_visible()
        page.goto(f"{server.url}/p/many")
    page.get_by_role("combobox", name="Sort by").select_option("size")
    page.wait_for_url("**sort=size")
    expect(page.get_by_role("link", name="station 100", exact=True)).to_be_visible()  # of three digits, so longest
