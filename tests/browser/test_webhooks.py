"""Webhooks and their deliveries, against a receiver that fails first."""

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import expect

from tests import server_process
from tests.browser.conftest import EMAIL, NARROW, PASSWORD, PROJECT, Open, fits
from tests.browser.source import listening
from tests.server_process import Server


class Receiver(msgspec.Struct):
    """Answers with `statuses`, the last one for ever; `ids` are those of what arrived."""

    url: str
    statuses: list[int] = []
    ids: list[str] = []


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    told = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            status = told.statuses.pop(0) if len(told.statuses) > 1 else told.statuses[0]
            told.ids.append(self.headers["webhook-id"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<img src=x onerror=alert(1)>" if status >= 400 else b"")

        def log_message(self, *_: object) -> None:
            pass

    with listening(Handler) as url:
        told.url = f"{url}/hook"
        yield told


@pytest.fixture(scope="module")
def server(seeded: Path) -> Iterator[Server]:
    env = {"DELTA_ADMIN_EMAIL": EMAIL, "DELTA_ADMIN_PASSWORD": PASSWORD, "DELTA_EGRESS_ALLOW_CIDRS": "127.0.0.0/8"}
    with server_process.serving(seeded, **env) as running:
        yield running


def test_one_is_made_tested_sent_again_turned_off_and_deleted(server: Server, visit: Open, receiver: Receiver) -> None:
    receiver.statuses = [500, 204]
    window = visit(server)
    window.expected = re.compile("status of 400")
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/connect/webhooks")
    expect(page.get_by_text("No webhook yet")).to_be_visible()
    window.axe()
    page.get_by_role("button", name="New webhook").click()
    page.get_by_label("Name").fill("desk")
    page.get_by_label("Address").fill("ftp://example.com")
    page.get_by_role("button", name="Make the webhook").click()
    expect(page.locator("dialog .wrong, dialog .form-error")).to_be_visible()
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Make the webhook").click()
    assert page.get_by_role("dialog").locator(".secret code").inner_text().startswith("whsec_")
    page.get_by_role("button", name="Done").click()

    page.get_by_role("link", name="desk").click()
    page.get_by_role("button", name="Send a test").click()
    panel = page.get_by_role("region", name="The delivery")
    expect(panel).to_contain_text("500")
    expect(panel).to_contain_text("<img src=x onerror=alert(1)>")
    window.axe()
    panel.get_by_role("button", name="Redeliver").click()
    expect(panel).to_contain_text("2 attempts, arrived")
    expect(page.get_by_role("img", name="arrived late")).to_be_visible()
    assert len(set(receiver.ids)) == 1
    panel.get_by_role("radio", name="curl").click()
    expect(panel.locator("pre")).to_contain_text(f"curl -X POST '{receiver.url}'")

    hours = page.get_by_role("slider", name="Hour whose deliveries are listed")
    hours.press("End")
    expect(hours).to_have_attribute("aria-valuetext", re.compile("1 arrived, 1 attempt failed"))
    expect(page.get_by_role("img", name="arrived late")).to_be_visible()
    hours.press("ArrowLeft")
    expect(page.locator(".pos")).to_contain_text("0 arrived")
    hours.press("Escape")
    expect(hours).to_have_attribute("aria-valuetext", "the latest")

    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_text("desk is off. It was turned off.")).to_be_visible()
    page.get_by_role("button", name="Recover…").click()
    page.get_by_role("button", name="Count them").click()
    expect(page.get_by_text("All of that has arrived.")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_label("Type its name").fill("desk")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No webhook yet")).to_be_visible()


def test_another_format_asks_for_what_it_needs(server: Server, visit: Open) -> None:
    window = visit(server, dark=True, size=NARROW)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/connect/webhooks")
    page.get_by_role("button", name="New webhook").click()
    page.get_by_label("Name").fill("chat")
    page.get_by_label("Sent as").select_option("telegram")
    page.get_by_label("Address").fill("https://api.telegram.org/bot1:x/sendMessage")
    page.get_by_label("Chat id").fill("-1001")
    page.get_by_text("Only some of it").click()
    page.get_by_label("Endpoints").fill("quakes*")
    page.get_by_role("button", name="Make the webhook").click()
    page.get_by_role("button", name="Done").click()
    page.get_by_role("link", name="chat").click()
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_label("Chat id")).to_have_value("-1001")
    expect(page.get_by_label("Endpoints")).to_have_value("quakes*")
    window.axe()


def test_deliveries_narrow_and_dark(server: Server, visit: Open, receiver: Receiver) -> None:
    receiver.statuses = [500, 204, 500]
    window = visit(server, dark=True, size=NARROW)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/connect/webhooks")
    page.get_by_role("button", name="New webhook").click()
    page.get_by_label("Name").fill("pager")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Make the webhook").click()
    page.get_by_role("button", name="Done").click()
    page.get_by_role("link", name="pager").click()
    panel = page.get_by_role("region", name="The delivery")
    for answer in ("500", "204"):
        page.get_by_role("button", name="Send a test").click()
        expect(panel).to_contain_text(answer)
        window.axe()
        fits(page)
