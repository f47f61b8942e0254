"""Where alerts are begun and read beside their own page: a value of a document, the digest, the bell."""

from playwright.sync_api import expect

from tests.browser.conftest import PROJECT, Open
from tests.browser.test_alerts import HOSTILE, signed_in
from tests.server_process import Server


def test_a_value_of_a_document_leads_to_a_rule_about_it(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/e/quakes?path=%2Fmetadata%2Fcount")
    page.get_by_role("row", name="count", exact=False).first.click(button="right")
    page.get_by_role("menuitem", name="Alert me about this").click()
    expect(page.get_by_role("combobox", name="Of endpoint")).to_have_value("quakes")
    expect(page.get_by_role("combobox", name="Field", exact=True)).to_have_value("/metadata/count")
    expect(page.get_by_label("Limit value")).not_to_have_value("")
    expect(page.locator(".pos")).to_contain_text("200 versions tried")


def test_the_digest_is_read_before_it_goes(server: Server, visit: Open) -> None:
    client = signed_in(server)
    stored = {"endpoint": "stock", "data": {"left": 1}}
    assert client.post("/v1/snapshots", json=stored).status_code == 201
    digest = {"every": "daily", "at": "08:00", "timezone": "UTC"}
    rule = {"endpoint": "stock", "kind": "threshold", "path": "/left", "op": "gt", "value": 5, "digest": digest}
    made = client.post("/v1/alerts/rules", json={"name": HOSTILE, **rule})
    assert made.status_code == 201, made.text
    assert client.post("/v1/snapshots", json={**stored, "data": {"left": 9}}).status_code == 201
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/alerts")
    page.get_by_role("button", name="Read it now").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(HOSTILE)
    window.axe()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    client.delete(f"/v1/alerts/rules/{made.json()['rule']['id']}")
