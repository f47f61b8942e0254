"""What comes in by other services' webhooks, and feeds for people who read: addresses that are shown once."""

import hashlib
import hmac
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests import server_process
from tests.browser.conftest import EMAIL, NARROW, PASSWORD, PROJECT, WAIT_MS, Open
from tests.server_process import Server

CONNECT = f"/p/{PROJECT}/connect"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def server(seeded: Path) -> Iterator[Server]:
    with server_process.serving(seeded, DELTA_ADMIN_EMAIL=EMAIL, DELTA_ADMIN_PASSWORD=PASSWORD) as running:
        yield running


CLIENT = httpx.Client(timeout=WAIT_MS / 1000)


def shown_address(page: Page) -> str:
    return page.get_by_role("dialog").locator(".secret code").first.inner_text()


def deliver(url: str, secret: str, body: bytes) -> int:
    signed = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-hub-signature-256": signed, "x-github-event": "push", "content-type": "application/json"}
    return CLIENT.post(url, content=body, headers=headers).status_code


def test_a_service_gets_an_address_that_is_replaced_and_deleted(server: Server, visit: Open) -> None:
    window = visit(server)
    window.expected = re.compile("status of (400|404)")
    window.sign_in()
    page = window.go(f"{CONNECT}/inbound")
    page.get_by_role("button", name="New address").click()
    page.get_by_role("combobox", name="Endpoint").fill("repo")
    page.get_by_label("Sender").select_option("github")
    page.get_by_label("Its secret").fill("hush")
    page.get_by_text("What of it is stored").click()
    page.get_by_label("The part that is kept").fill("repository[")
    page.get_by_role("button", name="Make the address").click()
    expect(page.get_by_role("dialog").locator(".wrong, .form-error")).to_be_visible()
    page.get_by_label("The part that is kept").fill("repository")
    page.get_by_role("button", name="Make the address").click()
    before = shown_address(page)
    assert before.startswith(f"{server.url}/v1/webhooks/")
    expect(page.get_by_label("Or in a shell")).to_contain_text(f"config[url]={before}")
    page.get_by_role("radio", name="Events").click()
    expect(page.get_by_role("dialog").locator(".secret code").first).to_have_text(f"{before}?as=event")
    window.axe()
    page.get_by_role("button", name="Done").click()

    assert deliver(before, "hush", b'{"repository": {"stars": 7}}') == 200
    assert deliver(before, HOSTILE, b"{}") == 401
    page = window.go(f"{CONNECT}/inbound")
    row = page.get_by_role("row", name="repo")
    expect(row).to_contain_text("1 in all")
    expect(row).to_contain_text("the signature is not that of the body")
    window.axe()
    row.get_by_role("button", name="New address").click()
    page.get_by_label("The old address works").select_option("0m")
    page.get_by_role("button", name="Make a new address").click()
    after = shown_address(page)
    page.get_by_role("button", name="Done").click()
    assert [deliver(url, "hush", b'{"repository": 1}') for url in (before, after)] == [404, 200]

    row.get_by_role("button", name="Change").click()
    page.get_by_text("Takes deliveries").click()
    page.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("off: deliveries are answered 404")
    row.get_by_role("button", name="Delete").click()
    page.get_by_label("Type the endpoint’s name").fill("repo")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No other service sends here yet")).to_be_visible()


def test_a_sender_that_shows_its_secret_later_waits_for_it(server: Server, visit: Open) -> None:
    window = visit(server, dark=True, size=NARROW)
    window.expected = re.compile("status of (400|404)")
    window.sign_in()
    page = window.go(f"{CONNECT}/inbound")
    page.get_by_role("button", name="New address").click()
    page.get_by_role("combobox", name="Endpoint").fill(HOSTILE)
    page.get_by_label("Sender").select_option("stripe")
    page.get_by_role("button", name="Make the address").click()
    address = shown_address(page)
    assert CLIENT.post(address, json={}).status_code == 404  # nothing is taken that nobody signed
    page.get_by_label("Its secret").fill("whsec_abc")
    window.axe()
    page.get_by_role("button", name="Save the secret").click()
    expect(page.get_by_role("row", name=HOSTILE)).to_contain_text("Stripe")
    assert CLIENT.post(address, json={}).status_code == 401


def test_a_feed_is_read_replaced_and_deleted(server: Server, visit: Open) -> None:
    window = visit(server)
    window.expected = re.compile("status of 404")
    window.sign_in()
    page = window.go(f"{CONNECT}/feeds")
    page.get_by_role("button", name="New feed").click()
    page.get_by_role("combobox", name="Endpoint").fill("nowhere")
    page.get_by_role("button", name="Make the feed").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    page.get_by_role("combobox", name="Endpoint").fill("quakes")
    page.get_by_role("button", name="Make the feed").click()
    atom = shown_address(page)
    json = page.get_by_role("region", name="JSON Feed").locator("code").inner_text()
    window.axe()
    page.get_by_role("button", name="Done").click()
    assert "quakes" in CLIENT.get(atom).text
    assert CLIENT.get(json).json()["items"]

    row = page.get_by_role("row", name="quakes")
    row.get_by_role("button", name="New address").click()
    page.get_by_role("button", name="Make a new address").click()
    new = shown_address(page)
    page.get_by_role("button", name="Done").click()
    expect(row).to_contain_text("ends in")
    assert [CLIENT.get(url).status_code for url in (atom, new)] == [200, 200]
    row.get_by_role("button", name="Delete").click()
    page.get_by_label("Type the endpoint’s name").fill("quakes")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No feed yet")).to_be_visible()
    assert [CLIENT.get(url).status_code for url in (atom, new)] == [404, 404]
