"""The overview: what is kept, the pulse, endpoints and what happened lately, as it happens."""

import json
import re

import httpx
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, PROJECT, Open, Visit
from tests.server_process import Server

HOSTILE = '<img src=x onerror="document.title=1">'


def _key(window: Visit, server: Server, project: str) -> str:
    token = window.context.request.post(
        f"{server.url}/v1/auth/login", data={"email": "ada@example.com", "password": "correct horse battery"}
    ).json()["access_token"]
    made = httpx.post(
        f"{server.url}/v1/auth/api-keys",
        json={"name": "test", "project": project, "scopes": ["write"]},
        headers={"authorization": f"Bearer {token}"},
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
    page.get_by_placeholder("Filter", exact=True).first.fill("nothing of that name")
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
