"""Webhooks and alerts made by keyboard alone: all is reached by Tab, where the focus is can be seen, and what is wrong
is said where the focus goes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests import server_process
from tests.browser.conftest import EMAIL, PASSWORD, PROJECT, Open, Visit
from tests.server_process import Server

MOST_STEPS = 120
SEEN = """(here) => {
    const style = getComputedStyle(here)
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0
    return ring || style.boxShadow !== "none"
}"""
"""Whether a ring or a shadow shows that it has the focus."""


@pytest.fixture(scope="module")
def server(seeded: Path) -> Iterator[Server]:
    env = {"DELTA_ADMIN_EMAIL": EMAIL, "DELTA_ADMIN_PASSWORD": PASSWORD, "DELTA_EGRESS_ALLOW_CIDRS": "127.0.0.0/8"}
    with server_process.serving(seeded, **env) as running:
        yield running


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until it has the focus; each place on the way shows that it has it."""
    for _ in range(MOST_STEPS):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() == 0:
            continue  # the address bar, between the last and the first
        assert focused.evaluate(SEEN), (
            f"nothing shows the focus on {focused.evaluate('(here) => here.outerHTML')[:200]}"
        )
        if wanted.evaluate("(here) => here === document.activeElement"):
            return
    raise AssertionError(f"Tab does not lead to {wanted}")


def begun(window: Visit, path: str, button: str) -> Page:
    """The page of the project with the form that the button opens."""
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/{path}")
    new = page.get_by_role("button", name=button)
    new.wait_for()
    tab_to(page, new)
    page.keyboard.press("Enter")
    return page


def test_a_webhook(server: Server, visit: Open) -> None:
    window = visit(server)
    window.expected = re.compile("status of 400")
    page = begun(window, "connect/webhooks", "New webhook")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type("desk")
    tab_to(page, dialog.get_by_label("Address"))
    page.keyboard.type("http://127.0.0.1:9/hook")
    chosen = dialog.get_by_role("checkbox", name="delta.created")
    tab_to(page, chosen)
    page.keyboard.press(" ")
    make = dialog.get_by_role("button", name="Make the webhook")
    tab_to(page, make)
    page.keyboard.press("Enter")
    kinds = dialog.get_by_role("group", name="What it is sent")
    expect(kinds.locator(".wrong")).to_be_visible()
    expect(kinds.get_by_role("checkbox").first).to_be_focused()
    expect(kinds).to_have_accessible_description(re.compile("events must be"))
    tab_to(page, chosen)
    page.keyboard.press(" ")
    tab_to(page, dialog.get_by_text("Only some of it"))
    page.keyboard.press("Enter")
    condition = dialog.get_by_label(re.compile("JMESPath"))
    tab_to(page, condition)
    page.keyboard.type("]")
    page.keyboard.press("Enter")
    expect(condition).to_have_accessible_description(re.compile("."))
    expect(condition).to_be_focused()
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    done = dialog.get_by_role("button", name="Done")
    done.wait_for()
    tab_to(page, done)
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("main")).to_be_focused()  # the button that opened it is gone
    tab_to(page, page.get_by_role("link", name="desk"))


def test_what_a_format_refuses_is_said(server: Server, visit: Open) -> None:
    window = visit(server)
    window.expected = re.compile("status of 400")
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/connect/webhooks")
    page.get_by_role("button", name="New webhook").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("own")
    format, make = dialog.get_by_label("Sent as"), dialog.get_by_role("button", name="Make the webhook")
    dialog.get_by_label("Address").fill("http://127.0.0.1:9/hook")
    format.select_option("apprise")
    make.click()
    expect(format).to_have_accessible_description(re.compile("apprise is off"))
    expect(format).to_be_focused()
    format.select_option("template")
    template = dialog.get_by_label("Text, with")
    template.fill("{{ ] }}")
    make.click()
    expect(template).to_have_accessible_description(re.compile("."))
    expect(template).to_be_focused()
    window.axe()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="New webhook")).to_be_focused()


def test_an_alert(server: Server, visit: Open) -> None:
    window = visit(server)
    window.expected = re.compile("status of (400|404)")
    page = begun(window, "alerts", "New alert")
    endpoint, field = [page.get_by_role("combobox", name=name, exact=True) for name in ("Of endpoint", "Field")]
    tab_to(page, endpoint)
    page.keyboard.type("quakes")
    tab_to(page, field)
    page.keyboard.type("metadata")
    refused = page.get_by_role("region", name="Rule", exact=True).get_by_role("status")
    expect(refused).to_be_visible()
    page.keyboard.press("Home")
    page.keyboard.type("/")
    page.keyboard.press("End")
    page.keyboard.type("/count")
    tab_to(page, page.get_by_label("Limit value"))
    page.keyboard.press("Control+a")
    page.keyboard.type("137")
    expect(page.locator(".pos")).to_contain_text("200 versions tried")
    tab_to(page, page.get_by_role("button", name="Save"))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type("count")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("region", name="Rules").get_by_role("link", name="count")).to_contain_text("over 137")
    tab_to(page, page.get_by_role("button", name="Mute", exact=True))
