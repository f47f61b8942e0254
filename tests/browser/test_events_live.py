"""Events as they come in: shown at once, filtered, held back, opened."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.browser import visitors
from tests.browser.conftest import NARROW, PROJECT, WIDE, Open, fits
from tests.server_process import Server

LIVE = f"/p/{PROJECT}/events/live"
STREAM = re.compile(r"/v1/stream\?(.*&)?topics=events\b")


def event(id: str, **more: Any) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {"messageId": id, "eventType": "page", "source": "web", "userId": "ann", "timestamp": at, **more}


@pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW)])
def test_what_comes_is_shown_filtered_held_and_opened(
    server: Server, visit: Open, dark: bool, size: tuple[int, int]
) -> None:
    client = visitors.signed_in(server)
    tag = f"{size[0]}"
    window = visit(server, dark=dark, size=size)
    window.sign_in()
    page = window.go(LIVE)
    rows = page.locator(".event-list li")
    page.get_by_text(re.compile("the next shows here|since this page was opened")).wait_for()
    expect(page.get_by_role("status").first).to_have_class("live live")
    visitors.send(client, iter([event(f"a{tag}", data={"path": "<img src=x onerror=alert(1)>"})]))
    expect(rows.first).to_contain_text("<img src=x onerror=alert(1)>")
    window.axe()
    page.get_by_role("button", name="Pause").click()
    visitors.send(client, iter([event(f"b{tag}", eventType=f"bought{tag}"), event(f"c{tag}", source="app")]))
    page.get_by_role("button", name="Go on (2 new)").click()
    expect(page.get_by_text(f"bought{tag}")).to_be_visible()
    page.get_by_role("button", name="Add a filter").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Field").fill("source")
    form.get_by_label("Is").select_option("is_not")
    form.get_by_label("Value").fill("web")
    form.get_by_role("button", name="Add").click()
    expect(page).to_have_url(re.compile("f=source%3Ais_not%3Aweb"))
    expect(page.get_by_text(f"bought{tag}")).to_have_count(0)
    page.get_by_title("Without this").click()
    page.get_by_role("searchbox", name="Words in events").fill(f"BOUGHT{tag} ann")
    expect(rows).to_have_count(1)
    rows.first.get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_contain_text("no library says so")
    expect(page.get_by_role("dialog")).to_contain_text("With the keynot recorded")
    window.axe()
    page.keyboard.press("Escape")
    page.get_by_role("searchbox", name="Words in events").fill("")
    expect(rows.nth(1)).to_be_visible()
    page.locator(".live-page h2").click()
    for key, place in (("j", 0), ("j", 1), ("ArrowUp", 0)):
        page.keyboard.press(key)
        expect(rows.nth(place).get_by_role("button")).to_be_focused()
    page.keyboard.press("f")
    expect(page.get_by_role("searchbox", name="Words in events")).to_be_focused()
    page.get_by_role("searchbox", name="Words in events").fill("nowhere")
    expect(page.get_by_text("None of the newest events meets all of that")).to_be_visible()
    fits(page)


def test_what_a_library_says_of_itself_and_its_clock_is_shown(server: Server, visit: Open) -> None:
    client = visitors.signed_in(server)
    call = {
        "event": "signup",
        "userId": "bo",
        "messageId": "lib",
        "context": {"library": {"name": "lib-x", "version": "2"}},
    }
    slow = datetime.now(UTC) - timedelta(hours=2)
    late = {"sentAt": slow.isoformat(), "timestamp": (slow - timedelta(seconds=10)).isoformat()}
    made = client.post("/v1/auth/api-keys", json={"project_id": PROJECT, "name": "site", "kind": "write"})
    assert made.status_code == 201, made.text
    answer = client.post("/v1/track", json=call | late, auth=(made.json()["key"], ""))
    assert answer.status_code == 200, answer.text
    window = visit(server)
    window.sign_in()
    page = window.go(LIVE)
    page.locator(".event-list button", has_text="signup").click()
    opened = page.get_by_role("dialog")
    expect(opened).to_contain_text("lib-x 2")
    expect(opened).to_contain_text("slow and was corrected")
    expect(opened.get_by_role("link", name=made.json()["api_key"]["id"])).to_be_visible()


@pytest.mark.parametrize(("dark", "size"), [(False, WIDE), (True, NARROW)])
def test_all_that_is_known_of_an_event_is_within_its_dialog(
    server: Server, visit: Open, dark: bool, size: tuple[int, int]
) -> None:
    client = visitors.signed_in(server)
    tag = f"{size[0]}"
    slow = datetime.now(UTC) - timedelta(minutes=57)
    call = {"event": f"{tag}{'wide' * 30}", "userId": "long" * 50, "messageId": f"wide{tag}"}
    times = {"sentAt": slow.isoformat(), "timestamp": (slow - timedelta(seconds=3)).isoformat()}
    body = call | times | {"context": {"library": {"name": "lib" * 60}}}
    answer = client.post("/v1/track", json=body, headers={"x-tenant-id": PROJECT})
    assert answer.status_code == 200, answer.text
    window = visit(server, dark=dark, size=size)
    window.sign_in()
    page = window.go(LIVE)
    page.locator(".event-list button", has_text=f"{tag}wide").click()
    opened = page.get_by_role("dialog")
    expect(opened).to_contain_text("slow and was corrected")
    edge = opened.evaluate("each => each.getBoundingClientRect().right")
    ends = opened.locator("h2, dd").evaluate_all("all => all.map((each) => each.getBoundingClientRect().right)")
    assert max(ends) < edge, "what is known is cut off"
    assert opened.evaluate("each => each.scrollWidth <= each.clientWidth")
    window.axe()


def test_what_comes_while_the_stream_begins_is_shown(server: Server, visit: Open) -> None:
    client = visitors.signed_in(server)
    window = visit(server, own=True)
    window.sign_in()

    order: list[str] = []

    def between(route: Route) -> None:
        """The page has asked for the stream, which has not begun."""
        visitors.send(client, iter([event("between", eventType="between")]))
        order.append("sent")
        route.continue_()

    window.page.route(STREAM, between)
    window.page.on("request", lambda asked: order.append("listed") if "/v1/events/raw" in asked.url else None)
    page = window.go(LIVE)
    expect(page.locator(".event-list b", has_text="between")).to_be_visible()
    assert order[-1] == "listed", "at the last, for a page waits two seconds for its stream, which may take longer"


def test_events_are_shown_where_there_is_no_stream(server: Server, visit: Open) -> None:
    client = visitors.signed_in(server)
    visitors.send(client, iter([event("before", eventType="before")]))
    window = visit(server, own=True)
    window.expected = re.compile("ERR_FAILED")
    window.sign_in()
    window.page.route(STREAM, lambda route: route.abort())
    page = window.go(LIVE)
    expect(page.locator(".event-list b", has_text="before")).to_be_visible()
