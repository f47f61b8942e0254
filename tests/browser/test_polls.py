"""The record of an endpoint's polls: what changed, what did not, what failed; polled now, paused, resumed."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec
import pytest
from playwright.sync_api import expect

from tests import server_process
from tests.browser.conftest import EMAIL, NARROW, PASSWORD, PROJECT, Open, fits
from tests.browser.source import Answer, Source, source
from tests.server_process import Server

RUNS = "<img src=x onerror=alert(1)>"
NAME = f"prices {RUNS}"


class Said(msgspec.Struct):
    """What the source answers now."""

    answer: Answer = Answer(b'{"n": 1}', etag='"1"')


@pytest.fixture(scope="module")
def said() -> Said:
    return Said()


@pytest.fixture(scope="module")
def api(said: Said) -> Iterator[Source]:
    with source(lambda path, authorization: said.answer) as running:
        yield running


@pytest.fixture(scope="module")
def server(directory: Path, api: Source, said: Said) -> Iterator[Server]:
    """With an endpoint that was polled: stored, ten times unchanged, changed, failed."""
    env = {"DELTA_ADMIN_EMAIL": EMAIL, "DELTA_ADMIN_PASSWORD": PASSWORD, "DELTA_EGRESS_ALLOW_CIDRS": "127.0.0.1/32"}
    server_process.run(directory, "project", "create", PROJECT)
    with server_process.serving(directory, **env) as running, httpx.Client(base_url=running.url) as client:
        told = client.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()
        client.headers["authorization"] = f"Bearer {told['access_token']}"
        inside = {"project_id": PROJECT}
        polling = {"url": f"{api.url}/prices", "interval": "1d", "retries": 0}
        made = client.post("/v1/endpoints", json={"name": NAME, "polling": polling}, params=inside)
        assert made.status_code == 201, made.text
        unpolled = client.post("/v1/endpoints", json={"name": "pushed"}, params=inside)
        assert unpolled.status_code == 201, unpolled.text
        paging = {"by": "cursor", "items": "[n]", "cursor": "nxt"}
        paged = client.post(
            "/v1/endpoints", json={"name": "paged", "polling": polling | {"paging": paging}}, params=inside
        )
        assert paged.status_code == 201, paged.text
        assert client.post("/v1/endpoints/paged/poll", params=inside).status_code == 200
        poll = f"/v1/endpoints/{made.json()['endpoint']['id']}/poll"
        for answer in [
            *[said.answer] * 11,
            Answer(b'{"n": 2}', etag='"2"'),
            Answer(RUNS.encode(), 500),
        ]:
            said.answer = answer
            assert client.post(poll, params=inside).status_code == 200
        yield running


def test_the_record(server: Server, visit: Open, said: Said) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/e/{quote(NAME, safe='')}")
    page.get_by_role("link", name="Polls").click()
    rows = page.locator("tr[data-row]")
    expect(rows.first).to_contain_text("a wrong status")
    expect(rows.nth(1)).to_contain_text("changed")
    expect(page.get_by_text("unchanged,")).to_be_visible()
    expect(page.locator(".polls-bars .bad").first).to_be_visible()
    expect(page.locator(".pos")).to_contain_text("Failing since")
    window.axe()
    rows.first.get_by_role("link").click()
    panel = page.get_by_role("region", name="The poll")
    expect(panel).to_contain_text(RUNS)
    expect(panel).to_contain_text("the source answered with the status 500")
    window.axe()
    panel.get_by_role("button", name="Close").click()

    # Like ones are one line until they are wanted
    page.get_by_role("button", name="unchanged, ").click()
    expect(rows.nth(12)).to_be_visible()
    rows.nth(1).get_by_role("link").click()
    expect(panel.get_by_role("link", name="Open the version")).to_be_visible()
    page.get_by_role("button", name="a wrong status").click()
    expect(page).to_have_url(re.compile("class=status"))
    expect(rows.filter(has_not_text="a wrong status")).to_have_count(0)
    expect(rows.first).to_be_visible()
    page.get_by_role("button", name="a wrong status").click()
    expect(page.get_by_role("button", name="a wrong status")).to_have_attribute("aria-pressed", "false")

    said.answer = Answer(b'{"n": 3}', etag='"3"')
    page.get_by_role("button", name="Poll now").click()
    expect(rows.first).to_contain_text("changed")
    expect(page.locator(".pos")).to_contain_text("next in")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".pos")).to_contain_text("Paused by hand")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".pos")).to_contain_text("every 1 d")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("link", name="Change how").click()
    expect(page.get_by_role("button", name="Save")).to_be_visible()


def test_narrow_and_dark_and_one_that_is_not_polled(server: Server, visit: Open) -> None:
    window = visit(server, dark=True, size=NARROW)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/e/{quote(NAME, safe='')}/polls?class=failed")
    page.locator("tr[data-row] a").first.click()
    expect(page.get_by_role("region", name="The poll")).to_contain_text("Status 500")
    window.axe()
    fits(page)
    expect(page).to_have_url(re.compile("at="))
    failed = page.url.partition("at=")[2].partition("&")[0]
    page = window.go(f"/p/{PROJECT}/e/{quote(NAME, safe='')}/polls?class=ok&at={failed}")
    panel = page.get_by_role("region", name="The poll")
    expect(panel).to_contain_text("Status 500")  # the list leaves it out, its address does not
    page = window.turn(f"/p/{PROJECT}/e/{quote(NAME, safe='')}/polls?at=7")
    expect(panel).to_contain_text("It is not on record")
    page = window.turn(f"/p/{PROJECT}/e/paged/polls")
    page.locator("tr[data-row]").filter(has_text="perhaps not whole").first.get_by_role("link").click()
    expect(panel).to_contain_text("nxt finds nothing in it")
    fits(page)
    page = window.turn(f"/p/{PROJECT}/e/pushed/polls")  # nothing of the endpoint before is asked for there
    expect(page.get_by_text("This endpoint is not polled")).to_be_visible()
    window.axe()
    page.get_by_role("link", name="Have Delta ask").click()
    expect(page.get_by_label("Address")).to_be_visible()
