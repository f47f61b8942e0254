"""The page of synced records: found, opened, compared, put back; of others for who may see them."""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, PROJECT, Open
from tests.browser.test_alerts import signed_in
from tests.browser.test_devices import HOSTILE, NOTES, push
from tests.server_process import Server

RECORDS = f"/p/{PROJECT}/devices/records"
GROCERIES = {"title": "Milk", "items": [{"id": 1, "name": "Oats"}], "large": 12345678901234567890}


def change(client: httpx.Client, device: str, batch: str, headers: dict[str, str] | None = None, **more: Any) -> None:
    changes = [{"change_id": batch, "record_id": "groceries", "operation": "update", **more}]
    body = {"device_id": device, "batch_id": batch, "changes": changes}
    answer = client.post("/v1/sync/lists/delta", json=body, headers=headers)
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    """Three versions of a record, many others, an encrypted one, a deletion, and a record of somebody else."""
    with closing(signed_in(server)) as client:
        change(client, "phone", "1", data=GROCERIES)
        change(client, HOSTILE, "2", data={**GROCERIES, "title": HOSTILE})
        change(client, "phone", "3", data={**GROCERIES, "items": [{"id": 1, "name": "Oats"}, {"id": 2, "name": "Rye"}]})
        push(
            client, "phone", "4", **{"x-gone": 1, **{f"note-{number:03}": {"number": number} for number in range(130)}}
        )
        [gone] = client.get("/v1/sync/notes/records", params={"prefix": "x-gone"}).json()["data"]
        changes = [
            {"change_id": "s", "record_id": "secret", "operation": "insert", "encrypted": "aGVsbG8="},
            {"change_id": "d", "record_id": "x-gone", "operation": "delete", "base_version": gone["version"]},
        ]
        client.post(NOTES, json={"device_id": "phone", "batch_id": "5", "changes": changes}).raise_for_status()
        change(client, "ann’s", "1", {"x-sync-user": "ann"}, data={"of": "Ann"})
        yield client


def test_a_record_is_opened_compared_and_put_back(server: Server, client: httpx.Client, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/devices")
    page.get_by_role("region", name="Devices").get_by_role("link", name="lists").click()
    page.get_by_role("region", name="Records").get_by_role("link", name="groceries").click()
    record = page.get_by_role("region", name="Record", exact=True)
    expect(record.get_by_role("treegrid")).to_contain_text("12345678901234567890")
    expect(page.get_by_role("region", name="What this version changed")).to_contain_text("Rye")
    history = page.get_by_role("region", name="History")
    expect(history.get_by_role("listitem")).to_have_count(3)
    window.axe()
    page.keyboard.press("[")
    expect(record.get_by_role("treegrid")).to_contain_text(HOSTILE)
    page.keyboard.press(".")
    expect(page.get_by_role("region", name="What this version changed")).to_contain_text("Rye")  # the newest again
    history.get_by_role("link", name="Compare version").last.click()
    rows = record.get_by_role("row")
    expect(rows.filter(has_text="Rye")).to_be_visible()
    expect(record.get_by_text("1 change")).to_be_visible()
    window.axe()
    record.get_by_label("Version A").select_option(index=1)
    expect(rows.filter(has_text="title")).to_contain_text(HOSTILE)
    record.get_by_role("button", name="Done").click()
    history.get_by_role("button", name="Restore version").last.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("every device gets it")
    dialog.get_by_role("button", name="Restore").click()
    expect(history.get_by_role("listitem")).to_have_count(4)
    expect(history.get_by_role("listitem").first).to_contain_text("changed here")
    [found] = client.get("/v1/sync/lists/records", params={"project_id": PROJECT}).json()["data"]
    assert found["data"] == GROCERIES


def test_records_are_found_and_news_is_seen(server: Server, client: httpx.Client, visit: Open) -> None:
    window = visit(server, dark=True, size=NARROW)
    window.sign_in()
    page = window.go(f"{RECORDS}?type=notes")
    listed = page.get_by_role("list", name="Records").get_by_role("listitem")
    expect(listed).to_have_count(100)
    page.get_by_role("button", name="Show more").click()
    expect(listed).to_have_count(131)
    page.get_by_label("Find records").fill("note-00")
    expect(listed).to_have_count(10)
    window.axe()
    push(client, "tablet", "news", **{"note-00-new": 1})
    expect(listed).to_have_count(11)
    page.get_by_label("Find records").fill("nothing")
    expect(page.get_by_text("No record has an id that begins with")).to_be_visible()
    page.get_by_label("Find records").fill("s")
    page.get_by_role("link", name="secret").click()
    expect(page.get_by_text("the server has no key")).to_be_visible()
    expect(page.get_by_text("It keeps 5 B")).to_be_visible()
    page.get_by_role("link", name="All records").click()
    page.get_by_label("Find records").fill("")
    page.get_by_role("radio", name="Deleted").click()
    page.get_by_role("link", name="x-gone").click()
    expect(page.get_by_text("This version is the record’s deletion")).to_be_visible()
    page.get_by_role("button", name="Restore version").click()
    expect(page.get_by_role("dialog")).to_contain_text("it comes back")
    window.axe()


def test_a_record_that_came_before_the_stream_began_is_listed(
    server: Server, client: httpx.Client, visit: Open
) -> None:
    window = visit(server)
    window.sign_in()
    page, begin_stream = window.go_before_stream(f"{RECORDS}?type=notes&prefix=zz", "/v1/sync/stream")
    expect(page.get_by_text("No record has an id that begins with")).to_be_visible()
    push(client, "tablet", "early", **{"zz-1": 1})
    begin_stream()
    expect(page.get_by_role("list", name="Records").get_by_role("listitem")).to_have_count(1)


def test_who_may_looks_into_the_space_of_another(server: Server, client: httpx.Client, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/devices")
    page.get_by_role("button", name="Choose whose").click()
    page.get_by_role("dialog").get_by_label("Find somebody").fill("ann")
    window.axe()
    page.get_by_role("dialog").get_by_role("link", name="ann").click()
    whose = page.get_by_role("region", name="Whose data")
    expect(whose).to_contain_text("You see the data of ann.")
    expect(page.get_by_role("region", name="Devices")).to_contain_text("ann’s")
    page.get_by_role("link", name="lists").click()
    page.get_by_role("link", name="groceries").click()
    expect(page.get_by_role("treegrid")).to_contain_text("Ann")
    window.axe()
    whose.get_by_role("link", name="Back to your own").click()
    expect(whose).to_contain_text("You see your own data.")


def test_by_keyboard_alone(server: Server, client: httpx.Client, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go(f"{RECORDS}?type=notes")
    listed = page.get_by_role("list", name="Records")
    expect(listed.get_by_role("listitem")).to_have_count(100)
    keys, record = page.keyboard, page.get_by_role("region", name="Record", exact=True)
    for key in ("j", "j", "j", "k"):
        keys.press(key)
    links = listed.get_by_role("link")
    second, third = links.nth(1), links.nth(2)
    expect(second).to_be_focused()
    keys.press("Enter")
    expect(record.get_by_role("treegrid")).to_contain_text("number")
    expect(second).to_be_focused()
    keys.press("j")
    keys.press("Enter")
    opened = third.locator("b").inner_text()
    expect(record.get_by_role("heading", name=opened)).to_be_visible()
    window.axe()
    keys.press("Escape")
    expect(record).to_contain_text("Choose a record")
    expect(third).to_be_focused()
    keys.press("f")
    keys.type("note-12")
    expect(listed.get_by_role("listitem")).to_have_count(10)
    keys.press("Enter")
    expect(listed.get_by_role("link", name="note-120")).to_be_focused()
    keys.press("f")
    keys.press("Escape")
    expect(listed.get_by_role("listitem")).to_have_count(100)
    expect(page.get_by_label("Find records")).to_be_focused()
    keys.press("Escape")
    keys.press("k")
    expect(links.first).to_be_focused()

    page = window.go(f"{RECORDS}?type=lists")
    page.get_by_role("link", name="groceries").wait_for()
    keys.press("j")
    keys.press("Enter")
    compare = page.get_by_role("region", name="History").get_by_role("link", name="Compare version").last
    compare.focus()
    keys.press("Enter")
    expect(record.get_by_text("two versions compared")).to_be_visible()
    keys.press("Escape")
    expect(record.get_by_role("treegrid")).to_contain_text("12345678901234567890")
    expect(page).not_to_have_url(re.compile("from="))
    keys.press("Escape")
    expect(page.get_by_role("link", name="groceries")).to_be_focused()


def test_by_keyboard_where_the_list_makes_room(server: Server, client: httpx.Client, visit: Open) -> None:
    window = visit(server, size=NARROW)
    window.sign_in()
    page = window.go(f"{RECORDS}?type=lists")
    row = page.get_by_role("link", name="groceries")
    row.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="All records")).to_be_focused()
    page.keyboard.press("Enter")
    expect(row).to_be_focused()
