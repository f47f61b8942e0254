"""Saved queries: a question under a name, opened again with all of it in the address."""

import re
from contextlib import closing

import pytest
from playwright.sync_api import expect

from tests.browser import visitors
from tests.browser.conftest import NARROW, PROJECT, WIDE, Open, expect_toast, fits
from tests.server_process import Server

EVENTS = f"/p/{PROJECT}/events"


@pytest.fixture(scope="module")
def visited(server: Server) -> Server:
    visitors.seed(server)
    return server


@pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW)])
def test_a_view_is_saved_opened_renamed_and_deleted(
    visited: Server, visit: Open, dark: bool, size: tuple[int, int]
) -> None:
    window = visit(visited, dark=dark, size=size)
    window.sign_in()
    page = window.settle(f"{EVENTS}?m=unique_users&by=data.country&f=source:is:web&range=24h")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_label("Name").fill("Countries of the web")
    window.axe()
    page.get_by_label("Name").press("Enter")
    expect(page).to_have_url(re.compile("saved="))
    window.follow(EVENTS)
    page.get_by_role("button", name="Saved", exact=True).click()
    dialog = page.get_by_role("dialog")
    window.axe()
    dialog.get_by_role("link", name="Countries of the web").click()
    expect(page.get_by_role("region", name="By data.country")).to_be_visible()
    expect(page).to_have_url(re.compile("m=unique_users.*by=data.country.*saved="))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("As", exact=True)).to_have_value("same")
    page.get_by_label("Name").fill("Countries")
    page.get_by_label("Name").press("Enter")
    expect_toast(page, "Saved as Countries")
    page.get_by_role("button", name="Saved", exact=True).click()
    expect(dialog.get_by_role("listitem")).to_have_count(1)
    dialog.get_by_role("button", name="Rename Countries").click()
    dialog.get_by_label("Name").fill("<b>Lands</b>")
    dialog.get_by_label("Name").press("Enter")
    expect(dialog.get_by_role("link", name="<b>Lands</b>")).to_be_visible()
    fits(page)
    dialog.get_by_role("button", name="Delete <b>Lands</b>").click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(dialog.get_by_text("Nothing is saved yet")).to_be_visible()


def test_a_long_statement_is_opened_by_its_id(visited: Server, visit: Open) -> None:
    window = visit(visited)
    window.sign_in()
    text = "select count(*) as n from events" + " " * 4100 + "where true"
    with closing(visitors.signed_in(visited)) as client:
        body = {"name": "Long", "kind": "sql", "spec": {"sql": text}}
        made = client.post("/v1/saved-queries", json=body)
    assert made.status_code == 201, made.text
    page = window.go(f"{EVENTS}/sql")
    page.get_by_role("button", name="Saved", exact=True).click()
    page.get_by_role("link", name="Long").click()
    expect(page.get_by_role("region", name="Result").get_by_role("heading")).to_have_text("1 row")
    page.reload()
    expect(page.get_by_role("region", name="Result").get_by_role("heading")).to_have_text("1 row")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("Name")).to_have_value("Long")
