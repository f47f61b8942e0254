"""The page of devices: who is behind, names, removal."""

import json
from typing import Any

import httpx
from playwright.sync_api import expect

from tests.browser.conftest import NARROW, PROJECT, Open
from tests.browser.test_alerts import signed_in
from tests.server_process import Server

HOSTILE = "<img src=x onerror=alert(1)>"
NOTES = "/v1/sync/notes/delta"


def push(client: httpx.Client, device: str, batch: str, **notes: Any) -> None:
    changes = [
        {"change_id": f"{batch}-{record}", "record_id": record, "operation": "update", "data": data}
        for record, data in notes.items()
    ]
    answer = client.post(NOTES, json={"device_id": device, "batch_id": batch, "changes": changes})
    assert answer.status_code == 200, answer.text


def pulled(client: httpx.Client, device: str) -> None:
    """It has all there is, and says so by the cursor of its next pull."""
    cursor = client.get(NOTES, params={"project_id": PROJECT, "device_id": device}).json()["next_cursor"]
    client.get(NOTES, params={"project_id": PROJECT, "device_id": device, "cursor": cursor})


def test_devices_are_seen_named_and_removed(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/devices")
    expect(page.get_by_text("No device yet")).to_be_visible()
    client = signed_in(server)
    push(client, "phone", "1", a={"title": "A"}, b={"title": "B"})
    push(client, HOSTILE, "1", c={"title": "C"})
    pulled(client, "phone")
    pulled(client, HOSTILE)
    push(client, "phone", "2", a={"title": "A2"})
    page = window.go(f"/p/{PROJECT}/devices")
    devices = page.get_by_role("region", name="Devices").get_by_role("listitem").filter(has_text="last seen")
    expect(devices).to_have_count(2)
    expect(devices.first).to_contain_text("1 change behind")
    expect(devices.last).to_contain_text("up to date")
    window.axe()
    devices.last.get_by_role("button", name="Name").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Ann’s phone")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(devices.last).to_contain_text("Ann’s phone")
    devices.first.get_by_role("button", name="Remove").click()
    page.get_by_label("The device’s name").fill(HOSTILE)
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(devices).to_have_count(1)


def test_on_a_phone_in_the_dark(server: Server, visit: Open) -> None:
    window = visit(server, dark=True, size=NARROW)
    window.sign_in()
    client = signed_in(server)
    push(client, "tablet", "9", z={"title": "Z"})
    page = window.go(f"/p/{PROJECT}/devices")
    expect(page.get_by_text("tablet")).to_be_visible()
    window.axe()


def test_uploads_that_are_not_visible_yet_stand_at_their_device(server: Server, visit: Open) -> None:
    client = signed_in(server)
    records = [{"data_type": "photos", "record_id": f"p{number}", "data": number} for number in range(60)]
    deletions = [{"data_type": "photos", "record_id": f"p{number}", "operation": "delete"} for number in range(55)]

    def send(upload: str, lines: list[dict[str, Any]], complete: bool) -> int:
        body = "".join(json.dumps(line) + "\n" for line in lines)
        asked = {"project_id": PROJECT, "device_id": "camera", "upload_id": upload, "complete": str(complete).lower()}
        headers = {"content-type": "application/x-ndjson"}
        return client.post("/v1/sync/upload", content=body, params=asked, headers=headers).status_code

    assert send("all", records, True) == 200
    assert send("open", records[:2], False) == 200
    assert send("deletes", deletions, True) == 409
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/devices")
    camera = page.get_by_role("region", name="Devices").get_by_role("listitem").filter(has_text="camera")
    expect(camera).to_contain_text("uploads open: 2 lines")
    expect(camera).to_contain_text("upload deletes of 55 lines")
    expect(camera).to_contain_text("was refused: ")
    expect(camera).not_to_contain_text("upload all")
    window.axe()


def disagree(client: httpx.Client) -> None:
    """The phone and the desk change one record of `tasks`, whose conflicts wait for a choice."""
    assert client.put("/v1/sync/types/tasks", json={"conflicts": "manual"}).status_code == 200
    base = {"title": "Milk", "done": False, "tags": ["a"]}
    known = None
    for device, batch, data in (
        ("desk", "1", base),
        ("desk", "2", {**base, "title": "Milk, eggs", "done": True}),
        ("phone", "3", {**base, "title": HOSTILE, "tags": ["a", "b"]}),
    ):
        change = {"change_id": batch, "record_id": "t1", "operation": "update", "data": data, "base_version": known}
        body = {"device_id": device, "batch_id": f"tasks-{batch}", "mode": "per_record", "changes": [change]}
        answer = client.post("/v1/sync/tasks/delta", json=body)
        assert answer.status_code == 200, answer.text
        known = known or answer.json()["version"]


def test_a_conflict_is_merged_place_by_place(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    client = signed_in(server)
    disagree(client)
    page = window.go(f"/p/{PROJECT}/devices")
    conflicts = page.get_by_role("region", name="Conflicts")
    expect(conflicts.get_by_role("heading", name="1 conflict")).to_be_visible()
    expect(conflicts.get_by_role("row", name="/done")).to_contain_text("true")
    page.get_by_role("listitem").filter(has_text="tasks").get_by_role("button", name="Change what happens").click()
    page.get_by_role("dialog").get_by_label("What happens").select_option("reject")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_text("The later change is refused")).to_be_visible()
    merge = conflicts.get_by_role("button", name="Take the merged")
    expect(merge).to_be_disabled()
    window.axe()
    conflicts.get_by_role("button", name=HOSTILE).click()
    expect(conflicts.get_by_text("all chosen")).to_be_visible()
    merge.click()
    expect(conflicts.get_by_role("heading", name="No conflicts")).to_be_visible()
    [record] = client.get("/v1/sync/tasks/delta", params={"project_id": PROJECT}).json()["changes"]
    assert record["data"] == {"title": HOSTILE, "done": True, "tags": ["a", "b"]}
