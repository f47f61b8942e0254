"""Track something: from an address that is pasted to an endpoint that is polled, and what may go wrong on the way."""

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, expect

from tests import server_process
from tests.browser.conftest import EMAIL, NARROW, PASSWORD, PROJECT, Open
from tests.browser.source import Answer, Source, source
from tests.server_process import Server

RUNS = "<img src=x onerror=alert(1)>"
NUMBERS = count(1)


def quakes() -> Answer:
    """Two of its fields are others each time."""
    number = next(NUMBERS)
    features = [
        {"id": f"q{i}", "properties": {"mag": 4.1 + i, "place": RUNS, "updated": number if i == 0 else 7}}
        for i in range(3)
    ]
    document = {"metadata": {"generated": number, "count": 3, "odd name": 1}, "features": features}
    return Answer(msgspec.json.encode(document))


def say(path: str, authorization: str) -> Answer:
    match path.partition("?")[0]:
        case "/quakes":
            return quakes()
        case "/closed":
            return Answer(b'{"a": 1}') if authorization == "Bearer k1" else Answer(RUNS.encode(), 401)
        case "/list.csv":
            return Answer(b"city,temp\n" + b"".join(b"c%d,%d\n" % (i, i) for i in range(40)), type="text/csv")
        case "/page":
            return Answer(b'{"next": "/page?n=2", "items": [1]}' if "?" not in path else b'{"items": [2, 3]}')
        case _:
            return Answer(b"{}")


@pytest.fixture(scope="module")
def api() -> Iterator[Source]:
    with source(say) as running:
        yield running


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[Server]:
    env = {"DELTA_ADMIN_EMAIL": EMAIL, "DELTA_ADMIN_PASSWORD": PASSWORD, "DELTA_EGRESS_ALLOW_CIDRS": "127.0.0.1/32"}
    server_process.run(directory, "project", "create", PROJECT)
    with server_process.serving(directory, **env) as running:
        yield running


def ask(page: Page, url: str) -> None:
    page.get_by_label("Address").fill(url)
    page.get_by_label("Address").press("Enter")


def click(page: Page, name: str) -> None:
    """The first row of that name."""
    page.locator(".row", has=page.locator(".k", has_text=name)).first.click()


def test_from_an_address_to_its_endpoint(server: Server, visit: Open, api: Source) -> None:
    window = visit(server)
    window.expected = re.compile("status of 400")
    window.sign_in()
    page = window.go(f"/p/{PROJECT}")
    page.get_by_role("link", name="Track something").click()
    expect(page.get_by_label("Address")).to_be_focused()
    window.axe()
    # Pasted, it is tried at once; a name and password are taken out of the address
    url = f"{api.url}/quakes"
    page.get_by_label("Address").evaluate(
        """(box, text) => {
            const clipboardData = new DataTransfer()
            clipboardData.setData("text", text)
            box.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true}))
        }""",
        url.replace("http://", "http://ada:k1@"),
    )
    tree = page.get_by_role("treegrid", name="Source document")
    expect(tree).to_contain_text(RUNS)
    assert "k1" not in page.url
    expect(page.get_by_label("Address")).to_have_value(url)
    generated = page.locator(".row.changed", has_text="generated")
    expect(generated).to_contain_text("new each time")
    assert int(generated.locator("del").inner_text()) + 1 == int(generated.locator(".v").inner_text())
    expect(page.locator(".row", has=page.locator(".k", has_text="place")).first).to_contain_text("same in all 3")
    expect(page.locator(".row.changed", has_text="updated").first).to_contain_text("in 1 of 3")
    plan = page.get_by_role("region", name="What is kept")
    expect(plan).to_contain_text("All of it is kept as it comes.")
    # Suggested, never silent
    noise = plan.get_by_role("checkbox", name="metadata/generated")
    expect(noise).not_to_be_checked()
    plan.get_by_role("button", name="Ignore all 2").click()
    expect(noise).to_be_checked()
    window.axe()

    page.get_by_role("button", name="Keep nothing yet").click()
    expect(plan.get_by_role("button", name="Track every 5 min")).to_have_attribute("aria-disabled", "true")
    for name in ("generated", "mag", "id"):
        click(page, name)
    expect(plan.locator("pre")).to_contain_text("mag: properties.mag")
    expect(plan.get_by_text("left out already")).to_be_visible()
    click(page, "mag")
    click(page, "mag")
    page.get_by_role("button", name="is at least").click()
    expect(plan).to_contain_text("3 of 3")
    plan.get_by_label("What", exact=True).fill("5")
    plan.get_by_label("What", exact=True).press("Enter")
    expect(plan.get_by_text("2 of 3 records")).to_be_visible()
    expect(page.locator(".row.out")).to_contain_text("left out")
    # Edited text ticks the boxes, or says that it cannot
    plan.get_by_role("button", name="Edit").click()
    box = plan.get_by_label("Expression")
    kept = box.input_value()
    box.fill("length(features)")
    expect(plan).to_contain_text("The boxes cannot show this expression")
    box.fill("length(")
    expect(plan.get_by_role("alert")).to_be_visible()
    box.fill(kept.replace("mag: properties.mag", "mag: properties.mag, place: properties.place"))
    expect(tree.get_by_role("checkbox", name="Keep place").first).to_be_checked()
    before = len(api.asked)
    page.get_by_role("radio", name="What is kept").click()
    expect(page.get_by_role("treegrid", name="What is kept")).to_contain_text("5.1")
    assert len(api.asked) == before == 2, "editing asks nobody again"

    plan.get_by_label("Name").fill("quakes-strong")
    plan.get_by_role("radio", name="15 min").click()
    page.wait_for_url(re.compile("every=15m"))
    plan.get_by_role("button", name="Track every 15 min").click()
    page.wait_for_url(f"**/p/{PROJECT}/e/quakes-strong")
    expect(page.get_by_role("treegrid")).to_contain_text("6.1")
    assert len(api.asked) == 3, "tried twice, polled once"

    page = window.go(f"/p/{PROJECT}/track?url={url}")
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.get_by_text("quakes-strong asks this address already.")).to_be_visible()

    # How it is polled is changed on the same page
    page = window.go(f"/p/{PROJECT}/track?endpoint=quakes-strong")
    plan = page.get_by_role("region", name="What is kept")
    expect(plan.locator("pre")).to_contain_text("features[?properties.mag >= `5`]")
    plan.get_by_role("radio", name="Cron").click()
    plan.get_by_label("Cron: minute").fill("never")
    plan.get_by_role("button", name="Save").click()
    expect(plan.get_by_role("alert")).to_be_visible()
    plan.get_by_label("Cron: minute").fill("30 6 * * *")
    plan.get_by_role("button", name="Save").click()
    page.wait_for_url(f"**/p/{PROJECT}/e/quakes-strong")


def test_what_may_be_wrong_with_a_source(server: Server, visit: Open, api: Source) -> None:
    window = visit(server, dark=True, size=NARROW)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/track")
    ask(page, f"{api.url}/closed")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Sign in").select_option("bearer")
    window.axe()
    dialog.get_by_label("Token").fill("k1")
    dialog.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("treegrid")).to_contain_text("a")
    assert "k1" not in page.url
    # Another server is not told what was meant for this one
    ask(page, f"{api.url}/closed".replace("127.0.0.1", "localhost"))
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("It wants to know who asks")
    expect(page.get_by_role("alert")).to_contain_text(RUNS)
    ask(page, f"{api.url}/list.csv?api_key=k2")
    expect(page.get_by_role("treegrid")).to_contain_text("40 records by city")
    expect(page.locator("p.pos", has_text="200 text/csv")).to_be_visible()
    expect(page.get_by_role("radio", name="What is kept")).to_be_visible()
    assert "k2" not in page.url
    window.axe()
    page.get_by_role("button", name="The plan").click()
    expect(page.get_by_label("Name")).to_be_visible()
    page.get_by_role("button", name="Less").click()

    ask(page, "http://10.1.2.3/")
    expect(page.get_by_role("alert")).to_contain_text("Delta may not connect there")
    expect(page.get_by_role("alert")).to_contain_text("egress.allow_cidrs")
    window.axe()
    ask(page, f"{api.url}/empty")
    expect(page.get_by_text("There is nothing in it now.")).to_be_visible()
    ask(page, f"{api.url}/page")
    page.get_by_role("button", name="Gather all of them").click()
    expect(page.get_by_role("treegrid")).to_contain_text("3 elements")
    # A link alone has nothing asked for
    asked = len(api.asked)
    page = window.go(f"/p/{PROJECT}/track?url={api.url}/quakes&keep=metadata.count")
    expect(page.get_by_role("button", name="Try", exact=True)).to_be_visible()
    assert len(api.asked) == asked
    page.get_by_role("button", name="Try", exact=True).click()
    page.get_by_role("button", name="The plan").click()
    expect(page.locator("pre.code")).to_have_text("metadata.count")
    window.axe()
