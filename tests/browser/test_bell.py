"""The bell's rows of sources that fail and recover, and of quotas that are reached: they come and go by themselves."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from playwright.sync_api import Page, expect

from tests import server_process
from tests.browser.conftest import EMAIL, NARROW, PASSWORD, PROJECT, Open
from tests.browser.source import Answer, Source, source
from tests.browser.test_alerts import HOSTILE, signed_in
from tests.server_process import Server

RIGHT, WRONG = Answer(b'{"n": 1}'), Answer(b"{}", 500)


class Said(msgspec.Struct):
    """What the source answers now."""

    answer: Answer = RIGHT


@pytest.fixture(scope="module")
def said() -> Said:
    return Said()


@pytest.fixture(scope="module")
def api(said: Said) -> Iterator[Source]:
    with source(lambda path, authorization: said.answer) as running:
        yield running


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[Server]:
    env = {"DELTA_ADMIN_EMAIL": EMAIL, "DELTA_ADMIN_PASSWORD": PASSWORD, "DELTA_EGRESS_ALLOW_CIDRS": "127.0.0.1/32"}
    server_process.run(directory, "project", "create", PROJECT)
    with server_process.serving(directory, **env) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> httpx.Client:
    return signed_in(server)


def bell(page: Page, says: str) -> None:
    expect(page.get_by_role("button", name=f"Bell: {says}")).to_be_visible()


def add_reader(server: Server, client: httpx.Client) -> str:
    """The address of a member, whose page learns late what they may see."""
    email = "vi@example.com"
    made = client.post(f"/v1/projects/{PROJECT}/invitations", json={"email": email, "role": "viewer"}).json()
    accepted = {"token": made["token"], "password": PASSWORD, "name": "Vi"}
    assert httpx.post(f"{server.url}/v1/invitations/accept", json=accepted).is_success
    return email


def test_a_source_that_fails_is_counted_until_it_recovers(
    server: Server, visit: Open, api: Source, said: Said, client: httpx.Client
) -> None:
    polling = {"url": f"{api.url}/prices", "interval": "1d", "retries": 0}
    made = client.post("/v1/endpoints", json={"name": HOSTILE, "polling": polling})
    assert made.status_code == 201, made.text
    poll = f"/v1/endpoints/{made.json()['endpoint']['id']}/poll"
    assert client.post(poll).json()["state"] == "on"
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}")
    bell(page, "nothing needs you")
    said.answer = WRONG
    assert client.post(poll).json()["state"] == "backing_off"
    bell(page, "1 thing to look at")
    expect(page.locator("tr[data-row]").filter(has_text=HOSTILE)).to_contain_text("its source fails")
    reader = visit(server)
    reader.sign_in(add_reader(server, client))
    bell(reader.go(f"/p/{PROJECT}"), "1 thing to look at")
    page.keyboard.press("b")
    item = page.get_by_role("menuitem", name=HOSTILE)
    expect(item).to_contain_text("its polls fail")
    expect(item).to_contain_text("Poll, ")
    expect(item).to_be_focused()
    window.axe()
    page.keyboard.press("Enter")
    expect(page.locator(".pos")).to_contain_text("Failing since")
    said.answer = RIGHT
    assert client.post(poll).json()["state"] == "on"
    bell(page, "nothing needs you")
    page.go_back()
    expect(page.locator("tr[data-row]").filter(has_text=HOSTILE)).not_to_contain_text("its source fails")


def test_a_quota_that_is_reached_leads_to_the_usage(server: Server, visit: Open, client: httpx.Client) -> None:
    assert client.patch(f"/v1/projects/{PROJECT}", json={"plan": "free"}).status_code == 200
    window = visit(server, dark=True, size=NARROW)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}")
    bell(page, "nothing needs you")
    answers = [client.post("/v1/endpoints", json={"name": f"more {number}"}).status_code for number in range(6)]
    assert answers.index(402) >= 4, answers
    bell(page, "1 thing to look at")
    page.get_by_role("button", name="Bell: 1 thing to look at").click()
    item = page.get_by_role("menuitem", name="endpoints reached")
    expect(item).to_contain_text("Quota")
    window.axe()
    item.click()
    expect(page.get_by_role("heading", name="Usage")).to_be_visible()
    assert client.patch(f"/v1/projects/{PROJECT}", json={"plan": "pro"}).status_code == 200
    page.reload()
    bell(page, "nothing needs you")
