"""Rules of alerts, tried on recorded history while they are edited, and the bell that counts what needs somebody."""

import re

import httpx
from playwright.sync_api import expect

from tests.browser.conftest import EMAIL, NARROW, PASSWORD, PROJECT, WAIT_MS, Open, fits
from tests.server_process import Server

HOSTILE = "<img src=x onerror=alert(1)>"


def signed_in(server: Server) -> httpx.Client:
    client = httpx.Client(base_url=server.url, timeout=WAIT_MS / 1000)
    told = client.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()
    client.headers["authorization"] = f"Bearer {told['access_token']}"
    client.params = httpx.QueryParams(project_id=PROJECT)
    return client


def test_a_rule_is_tried_dragged_saved_muted_and_deleted(server: Server, visit: Open) -> None:
    window = visit(server)
    window.expected = re.compile("status of 400")
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/alerts")
    expect(page.get_by_text("No alert yet")).to_be_visible()
    page.get_by_role("button", name="New alert").click()
    page.get_by_role("combobox", name="Of endpoint").fill("quakes")
    page.get_by_role("combobox", name="Field", exact=True).fill("/metadata/count")
    page.get_by_label("Limit value").fill("137")
    verdict = page.locator(".pos")
    expect(verdict).to_contain_text("200 versions tried")
    before = verdict.inner_text()
    limit = page.get_by_role("slider", name="Limit")
    limit.press("PageDown")
    expect(verdict).not_to_have_text(before)
    page.get_by_label("Limit value").fill("137")
    expect(page.locator(".lims [aria-current]")).to_contain_text("over 137")
    box = limit.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 60, steps=4)
    page.mouse.up()
    expect(page.get_by_label("Limit value")).not_to_have_value("137")
    page.get_by_label("Limit value").fill("137")
    window.axe()

    fires = page.get_by_role("slider", name="When it would have fired")
    fires.press("End")
    expect(page.get_by_role("button", name="Open the document then")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("dialog").get_by_label("Name").fill(HOSTILE)
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    rules = page.get_by_role("region", name="Rules")
    expect(rules.get_by_role("link", name=HOSTILE)).to_contain_text("over 137")
    page.get_by_label("Quiet hours").select_option("hold")
    expect(page.get_by_text("changed, not saved")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Mute", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Mute").click()
    expect(rules.get_by_role("img", name="muted")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    page.get_by_label("Type its name").fill(HOSTILE)
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No alert yet")).to_be_visible()


def test_what_cannot_be_tried_is_said_where_it_is_edited(server: Server, visit: Open) -> None:
    window = visit(server, dark=True, size=NARROW)
    window.expected = re.compile("status of (400|404)")
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/alerts?rule=new")
    page.get_by_role("combobox", name="Of endpoint").fill("quakes")
    page.get_by_role("combobox", name="Field", exact=True).fill("metadata")
    expect(page.get_by_role("region", name="Rule", exact=True).locator(".form-error")).to_be_visible()
    window.axe()
    page.get_by_role("combobox", name="Field", exact=True).fill("/metadata/count")
    page.get_by_label("Limit value").fill("137")
    expect(page.locator(".pos")).to_contain_text("200 versions tried")
    window.axe()
    fits(page)


def test_the_bell_counts_what_needs_somebody(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page, begin_stream = window.go_before_stream(f"/p/{PROJECT}", "/v1/stream.*alerts")
    expect(page.get_by_role("button", name="Bell: nothing needs you")).to_be_visible()
    client = signed_in(server)
    stored = client.post("/v1/snapshots", json={"endpoint": "load", "data": {"value": 5}})
    assert stored.status_code == 201, stored.text  # captured now: what is late is told to nobody
    rule = {"endpoint": "load", "kind": "threshold", "path": "/value", "op": "gt", "value": 1}
    with client.stream("GET", "/v1/stream", params={"topics": "alerts"}) as followed:
        lines = followed.iter_lines()
        next(lines)
        made = client.post("/v1/alerts/rules", json={"name": HOSTILE, **rule})
        assert made.status_code == 201, made.text
        next(line for line in lines if line.startswith("event:"))
    begin_stream()  # what came after the page had asked and before the stream began is not missed
    page.get_by_role("button", name="Bell: 1 thing to look at").wait_for()
    page.keyboard.press("b")
    item = page.get_by_role("menuitem", name=HOSTILE)
    expect(item).to_be_focused()
    window.axe()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Rule", exact=True)).to_contain_text(HOSTILE)
    client.delete(f"/v1/alerts/rules/{made.json()['rule']['id']}")


def test_whom_a_rule_tells_is_chosen_by_name_and_stays_so(server: Server, visit: Open) -> None:
    """The server keeps ids of what is chosen."""
    window = visit(server)
    window.sign_in()
    client = signed_in(server)
    hook = {"name": "pager", "url": "https://pager.example.com/", "events": ["alert.*"]}
    webhook = client.post("/v1/webhooks", json=hook).json()["webhook"]["id"]
    rule = {"endpoint": "quakes", "kind": "threshold", "path": "/metadata/count", "op": "gt", "value": 1000}
    made = client.post("/v1/alerts/rules", json={"name": "many", **rule}).json()["rule"]["id"]
    page = window.go(f"/p/{PROJECT}/alerts?rule={made}")
    page.get_by_label("pager").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("changed, not saved")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("pager")).to_be_checked()
    expect(page.locator(".pick input[type=checkbox]")).to_have_count(1)
    assert client.get(f"/v1/alerts/rules/{made}").json()["rule"]["tell"] == [webhook]
    client.delete(f"/v1/alerts/rules/{made}")
    client.delete(f"/v1/webhooks/{webhook}")
