"""Rules about events: made by sentences, tried on what came in, with the range that is usual at the hour."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NARROW, PROJECT, Open
from tests.browser.test_alerts import signed_in
from tests.server_process import Server

HOURS = 28 * 24
ODD = {30: 12, 31: 14}
"""How many came in, so many hours ago, where others had two."""


@pytest.fixture(scope="module")
def counted(server: Server) -> Server:
    """With events of four weeks, two an hour and one of another type, but for two hours that had more."""
    client, hour = signed_in(server), datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    events = [
        {
            "eventType": kind,
            "source": "shop",
            "timestamp": (hour - timedelta(hours=ago) + timedelta(minutes=number)).isoformat(),
            "messageId": f"{kind} {ago} {number}",
            "data": {"plan": "pro" if number else "free", "total": number + 1},
        }
        for kind in ("order", "visit")
        for ago in range(1, HOURS)
        for number in range(ODD.get(ago, 2) if kind == "order" else 1)
    ]
    for first in range(0, len(events), 500):
        part = events[first : first + 500]
        answer = client.post("/v1/events/batch", json=part, headers={"x-tenant-id": PROJECT})
        assert answer.status_code < 300, answer.text
    return server


def rule_of(page: Page) -> Locator:
    return page.get_by_role("region", name="Rule", exact=True)


def test_a_number_of_events_is_watched_by_a_sentence(counted: Server, visit: Open) -> None:
    window = visit(counted)
    window.expected = re.compile("status of 400")
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/alerts?rule=new")
    page.get_by_label("What raises it").select_option("metric")
    verdict = page.locator(".pos")
    expect(verdict).to_contain_text("steps tried")
    page.get_by_role("button", name="Only some events").click()
    value = page.get_by_label("Value of condition 1")
    value.focus()
    expect(page.locator("#alert-event-values-1 option")).to_have_count(2)
    value.fill("order")
    page.get_by_label("Limit value").fill("10")
    expect(verdict).to_contain_text("would have fired 1 time")
    expect(page.locator(".fires tbody tr")).to_contain_text("14")
    assert page.locator(".fires a").count() == 0, "events have no document to open"
    page.get_by_label("What is counted").select_option("sum")
    page.get_by_label("Field that is counted").fill("data.total")
    page.get_by_label("Limit value").fill("90")
    expect(page.locator(".fires tbody tr")).to_contain_text("105")
    page.get_by_role("button", name="And", exact=True).click()
    page.get_by_label("Field of condition 2").fill("data.plan")
    page.get_by_label("Value of condition 2").fill("pro")
    expect(page.locator(".fires tbody tr")).to_contain_text("104")
    page.get_by_role("button", name="Remove condition 2").click()
    page.get_by_label("How often").select_option("1d")
    expect(verdict).not_to_contain_text(" 672 steps")
    window.axe()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Orders")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    saved = page.get_by_role("region", name="Rules").get_by_role("link", name="Orders")
    expect(saved).to_contain_text("the sum of data.total where eventType is order")
    expect(page.get_by_text("changed, not saved")).to_have_count(0)

    page.get_by_role("button", name="As JSON").click()
    asked = '{"metrics": ["count"], "range": "1d", "filters": [["or", [["is", "eventType", "visit"]]]]}'
    page.get_by_role("textbox", name="Question to the events").fill(asked)
    page.get_by_label("Limit value").focus()
    expect(page.get_by_text("changed, not saved")).to_be_visible()
    expect(page.get_by_role("button", name="As a sentence")).to_have_count(0)


def test_what_is_usual_at_the_hour_is_drawn_as_a_band(counted: Server, visit: Open) -> None:
    window = visit(counted, dark=True, size=NARROW)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/alerts?rule=new")
    page.get_by_label("What raises it").select_option("usual")
    page.get_by_role("button", name="Only some events").click()
    page.get_by_label("Value of condition 1").fill("order")
    expect(page.get_by_label("Time zone")).to_have_value("UTC")
    verdict = page.locator(".pos")
    expect(verdict).to_contain_text("would have fired 1 time")
    expect(page.get_by_text("usual at that hour")).to_be_visible()
    band = page.locator(".trial path.usual")
    assert (band.get_attribute("d") or "").count("Z") > 100
    box, drawn = band.bounding_box(), page.locator(".trial path.ln").bounding_box()
    assert box is not None
    assert drawn is not None
    assert box["x"] > drawn["x"], "before three weeks are known, nothing is unusual"
    expect(page.get_by_role("button", name=re.compile("more than 3.5 deviations off"))).to_be_visible()
    page.get_by_label("Limit value").fill("500")
    expect(verdict).to_contain_text("would have fired never")
    window.axe()


def test_rules_are_listed_with_their_last_numbers_and_by_what_the_address_asks_for(
    counted: Server, visit: Open
) -> None:
    client = signed_in(counted)
    orders = {"metrics": ["count"], "range": "1h", "filters": [["is", "eventType", "order"]]}
    made = [
        {"name": "many", "kind": "threshold", "endpoint": "quakes", "path": "/metadata/count", "op": "gt", "value": 1},
        {"name": "few", "kind": "threshold", "endpoint": "quakes", "path": "/metadata/count", "op": "lt", "value": 1},
        {"name": "sales", "kind": "metric", "op": "gt", "value": 10, "query": orders},
    ]
    for rule in made:
        answer = client.post("/v1/alerts/rules", json=rule)
        assert answer.status_code == 201, answer.text
    window = visit(counted)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/alerts?state=raised")
    rules = page.get_by_role("region", name="Rules")
    expect(rules.get_by_role("link", name="many")).to_be_visible()
    expect(rules.get_by_role("link", name="few")).to_have_count(0)
    expect(
        rules.get_by_role("link", name="many").get_by_role("img", name=re.compile("The last 40: .* now"))
    ).to_be_visible()
    expect(rule_of(page)).to_contain_text("many")
    page.get_by_role("button", name="Show all").click()
    page.get_by_label("Rules by endpoint").select_option("events")
    expect(
        rules.get_by_role("link", name="sales").get_by_role("img", name="The last 40: 2 to 14, now 2")
    ).to_be_visible()
    expect(rules.get_by_role("link", name="many")).to_have_count(0)
    expect(page).to_have_url(re.compile("endpoint=events"))
    page.reload()
    expect(rules.get_by_role("link", name="sales")).to_be_visible()
    page.get_by_label("Rules by kind").select_option("metric")
    page.get_by_label("Rules by state").select_option("muted")
    expect(rules).to_contain_text("0 of ")
    window.axe()
