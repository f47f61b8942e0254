"""Datasets and schemas in the dashboard: what a delivery changes, its promotion, and what a schema would refuse."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import EMAIL, PASSWORD, PROJECT, Open, expect_toast
from tests.browser.source import Answer, source
from tests.server_process import Server, serving

IN = {"project_id": PROJECT}


def _rows(count: int, price: int) -> bytes:
    return b"\n".join(json.dumps({"sku": f"A-{n:04}", "price": price + n}).encode() for n in range(count))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    env = {"DELTA_ADMIN_EMAIL": EMAIL, "DELTA_ADMIN_PASSWORD": PASSWORD, "DELTA_EGRESS_ALLOW_CIDRS": "127.0.0.1/32"}
    with serving(tmp_path_factory.mktemp("datasets"), **env) as server, httpx.Client(base_url=server.url) as client:
        signed_in = client.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()
        client.headers["authorization"] = f"Bearer {signed_in['access_token']}"
        assert client.post("/v1/projects", json={"name": PROJECT}).status_code == 201
        for count, price in ((400, 0), (100, 1)):
            kind = {"content-type": "application/x-ndjson"}
            path = "/v1/datasets/products/shop/current"
            sent = client.put(path, params=IN, content=_rows(count, price), headers=kind)
            assert sent.status_code == 200, sent.text
            if price == 0:
                client.post("/v1/datasets/products/shop/promote", params=IN)
        prices: tuple[int | str | None, ...] = (1, "2", None)
        for each in prices:
            document = {"items": [{"price": each}]}
            assert client.post("/v1/snapshots", params={**IN, "endpoint": "prices"}, json=document).status_code == 201
        _keep_aside(client)
        yield server


def _keep_aside(client: httpx.Client) -> None:
    """Three polled documents that do not fit."""
    said: list[bytes] = []
    with source(lambda path, authorization: Answer(said[-1])) as api:
        polling = {"url": f"{api.url}/", "interval": "1d", "retries": 0, "enabled": False}
        client.post("/v1/endpoints", json={"name": "polled", "polling": polling}, params=IN)
        rule = {"mode": "reject", "schema": {"properties": {"price": {"type": "number"}}}}
        client.post("/v1/snapshots", params={**IN, "endpoint": "polled"}, json={"price": 1})
        client.put("/v1/endpoints/polled/schema/enforcement", json=rule, params=IN)
        for price in range(3):
            said.append(json.dumps({"price": str(price)}).encode())
            assert client.post("/v1/endpoints/polled/poll", params=IN).status_code == 200


def test_a_delivery_that_lacks_most_rows(filled: Server, visit: Open) -> None:
    """By keys alone."""
    window = visit(filled)
    window.sign_in()
    page = window.page
    window.settle(f"/p/{PROJECT}/datasets")
    expect(page.get_by_role("list", name="What changed")).to_contain_text("300 removed")
    expect(page.get_by_role("row", name="A-0100")).to_contain_text("Removed")
    press, promote = page.keyboard.press, page.get_by_role("button", name="Promote")
    page.get_by_role("navigation", name="Datasets").get_by_role("link").focus()
    press("Tab")
    expect(page.get_by_role("list", name="Clients").get_by_role("link")).to_be_focused()
    press("Tab")
    expect(promote).to_be_focused()
    press("Tab")
    expect(page.get_by_role("radio", name="All")).to_be_focused()
    press("ArrowLeft")
    press("ArrowLeft")
    expect(page.get_by_role("radio", name="Changed")).to_be_checked()
    expect(page.get_by_role("row", name="A-0000")).to_contain_text("Changed")
    expect(page).to_have_url(re.compile("kind=change"))
    page.reload()
    expect(page.get_by_role("radio", name="Changed")).to_be_checked()
    promote.focus()
    press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Promote")).to_be_disabled()
    expect(dialog.get_by_label("Type the client's name")).to_be_focused()
    press("Escape")
    expect(dialog).to_have_count(0)
    expect(promote).to_be_focused()
    press("Enter")
    page.keyboard.type("shop")
    press("Enter")
    expect(page.get_by_text("The next delivery will be compared with the previous one.")).to_be_visible()


def test_a_schema_and_what_it_would_refuse(filled: Server, visit: Open) -> None:
    window = visit(filled)
    window.sign_in()
    page = window.page
    window.settle(f"/p/{PROJECT}/e/prices/schema")
    expect(page.get_by_role("row", name="price")).to_contain_text("integer or string or null")
    page.get_by_role("button", name="items").click()
    expect(page.get_by_role("row", name="price")).to_have_count(0)
    page.get_by_role("radio", name="TypeScript").click()
    expect(page.locator("pre")).to_contain_text("export type Prices")
    page.get_by_role("radio", name="Reject").click()
    schema = {"properties": {"items": {"items": {"properties": {"price": {"type": "integer"}}}}}}
    page.get_by_label("JSON Schema; empty").fill(json.dumps(schema))
    page.get_by_role("button", name="Try on the last documents").click()
    expect(page.get_by_role("status").filter(has_text="would not fit")).to_contain_text("2 of the last 3 documents")
    page.get_by_role("button", name="Save").click()
    expect_toast(page, "The enforcement is saved")


def test_what_was_kept_aside_is_accepted_or_discarded(filled: Server, visit: Open) -> None:
    window = visit(filled)
    window.sign_in()
    page = window.page
    window.settle(f"/p/{PROJECT}/e/polled/schema")
    rows = page.get_by_role("region", name="Kept aside").get_by_role("listitem")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("/price")
    rows.first.get_by_role("button", name="Discard").click()
    expect(rows).to_have_count(2)
    rows.last.get_by_role("button", name="Accept").press("Enter")
    expect_toast(page, "1 document stored")
    expect(rows).to_have_count(1)
    rows.first.get_by_role("button", name="Accept").click()
    expect(rows).to_have_count(0)
    expect(page.get_by_role("row", name="price")).to_contain_text("integer or string")
