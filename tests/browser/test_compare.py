"""Comparing two moments, and the lists of an endpoint's changes, versions and fields."""

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, PROJECT, Open, Visit
from tests.server_process import Server

ENDPOINT = f"/p/{PROJECT}/e/quakes"
PRESS = """(times) => {
    for (let i = 0; i < times; i++)
        document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "j", bubbles: true, cancelable: true}))
}"""
"""Presses j faster than any list is drawn."""
COMPARED = f"{ENDPOINT}/compare?a=2025-05-21T01:31:00Z&b=2025-05-22T04:06:00Z"


def _open(server: Server, visit: Open, address: str, **window: object) -> tuple[Visit, Page]:
    opened = visit(server, **window)
    opened.sign_in()
    return opened, opened.go(address)


def test_a_comparison_is_filtered_walked_and_shared(server: Server, visit: Open) -> None:
    window, page = _open(server, visit, COMPARED)
    summary = page.get_by_label("Summary")
    expect(summary).to_contain_text("69 changes in 46 records")
    grid = page.get_by_role("treegrid")
    expect(grid).to_contain_text("metadata/count")
    assert int(grid.get_attribute("aria-rowcount") or 0) > 69, "heads of records are rows too"
    window.axe()

    page.get_by_role("button", name="21 added").click(modifiers=["Alt"])
    expect(summary).to_contain_text("21 of 69 changes")
    expect(page).to_have_url(re.compile("ops=add"))
    page.go_back()
    page.locator(".fchip", has_text="mag").click()
    expect(summary).to_contain_text("3 of 69 changes")
    page.reload()
    expect(summary).to_contain_text("3 of 69 changes")
    expect(grid.locator(".rc")).to_have_count(3)

    page.get_by_role("button", name="All fields").click()
    page.get_by_role("checkbox", name="Unchanged too").check()
    expect(summary).to_contain_text("and 107 unchanged")
    expect(grid.locator(".still").first).to_contain_text("metadata/url")
    row = "/features/[id=us7000q0bm]/properties/mag"
    page.goto(f"{page.url}&row={row}")
    expect(page.locator(".cr.focus")).to_contain_text("6.4")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/e/quakes\?at=.*path="))
    page.go_back()
    expect(page.locator(".cr.focus")).to_contain_text("6.4")
    page.get_by_role("checkbox", name="Unchanged too").uncheck()
    page.locator(".fchip", has_text="mag").click()
    expect(page).not_to_have_url(re.compile("row="))

    page.get_by_title("How records are matched").click()
    page.get_by_role("link", name="Set, with a preview").click()
    expect(page.get_by_label("Keys of records: fields 1")).to_be_focused()
    expect(page.locator(".verdict")).to_contain_text("Would have silenced")
    page.go_back()

    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_contain_text("B to the latest version")
    expect(keys).to_contain_text("The document at that place")
    keys.get_by_role("button", name="Close").click()

    page.get_by_role("button", name="All fields").click()
    expect(grid).to_contain_text("metadata/count")
    page.keyboard.press("v")
    expect(page).to_have_url(re.compile("view=inline"))
    expect(grid.locator(".rc").first).to_contain_text("→")
    page.keyboard.press("o")
    expect(page.get_by_role("checkbox", name="Unchanged too")).to_be_checked()
    expect(summary).to_contain_text("unchanged")
    page.keyboard.press("o")
    expect(page.get_by_role("checkbox", name="Unchanged too")).not_to_be_checked()
    expect(summary).not_to_contain_text("unchanged")
    expect(page.locator(".still")).to_have_count(0)
    page.keyboard.press("j")  # to the rows from wherever the focus is
    focused = page.locator(".cr:focus")
    expect(focused).to_have_attribute("aria-level", "1")
    page.keyboard.press("ArrowLeft")
    expect(focused).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    expect(focused).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("End")
    expect(focused).to_contain_text("record gone")
    for key in ("Home", "PageDown", "PageUp"):
        page.keyboard.press(key)
    expect(focused).to_contain_text("document")
    page.keyboard.press("ArrowDown")
    expect(focused).to_have_attribute("aria-level", "2")
    for key, said in (("y", "The key path is copied"), ("Y", "The value is copied")):
        page.keyboard.press(key)
        expect(page.get_by_text(said, exact=True).first).to_be_visible()
    values = page.get_by_label(re.compile("Values of"))
    for key in ("Escape", "Space"):
        page.keyboard.press(" ")
        expect(values).to_be_visible()
        page.keyboard.press(key)
        expect(values).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/e/quakes\?at=.*path="))


def test_moments_are_stepped_swapped_and_typed(server: Server, visit: Open) -> None:
    _, page = _open(server, visit, COMPARED)
    expect(page.locator(".mom.b")).to_contain_text("version 136")
    page.get_by_role("button", name="B one change later").click()
    expect(page.locator(".mom.b")).to_contain_text("version 137")
    for key, number in (("[", 136), ("]", 137), (".", 200), ("[", 199)):
        page.keyboard.press(key)
        expect(page.locator(".mom.b")).to_contain_text(f"version {number}")
    page.go_back()
    page.go_back()
    expect(page.locator(".mom.b")).to_contain_text("version 137")
    page.get_by_role("button", name="Swap A and B").click()
    expect(page.locator(".mom.a")).to_contain_text("version 137")
    page.get_by_title("Choose A").click()
    page.get_by_role("button", name="The first version").click()
    expect(page.locator(".mom.a")).to_contain_text("version 1 ")
    page.get_by_title("Choose A").click()
    page.get_by_label(re.compile(r"^Time \(UTC\)")).first.fill("2025-05-21 01:31")
    page.keyboard.press("Enter")
    expect(page.locator(".mom.b")).to_contain_text("version 112")
    page.goto(page.url.split("?")[0] + "?a=2025-05-21T01:31:00Z&b=2025-05-21T01:31:00Z")
    expect(page.locator("main")).to_contain_text("the same, byte for byte")


def test_a_new_record_opens_and_the_narrow_form_has_all_of_it(server: Server, visit: Open) -> None:
    window, page = _open(server, visit, COMPARED, dark=True, size=NARROW)
    page.get_by_role("button", name="Unchanged too").click()
    expect(page.locator(".rc.still").first).to_contain_text("metadata/url")
    page.get_by_role("button", name="Unchanged too").click()
    expect(page.locator(".still")).to_have_count(0)
    row = page.locator(".rr.added").first
    row.click()
    expect(page.locator(".rv").first).to_be_visible()
    expect(page.locator(".rv", has_text="mag").first).to_contain_text("6.1")
    window.axe()


def test_versions_are_marked_to_be_compared(server: Server, visit: Open) -> None:
    window, page = _open(server, visit, f"{ENDPOINT}/versions")
    expect(page.locator("tbody tr[data-row]").first).to_be_visible()
    window.axe()
    page.keyboard.press("f")
    expect(page.get_by_role("radio", name="All")).to_be_focused()
    page.locator("tr[data-row] [data-open]").first.focus()
    page.evaluate(PRESS, 40)
    more = re.compile(r"^([6-9]\d|\d{3})$")  # a key at the end of what has come so far is for nothing
    expect(page.locator(".versionlist")).to_have_attribute("aria-rowcount", more)
    page.evaluate(PRESS, 10)  # behind the rows that are drawn at first
    expect(page.locator("tr[aria-rowindex='52'] [data-open]")).to_be_focused()
    page.locator(".tree").hover()
    page.mouse.wheel(0, 9000)
    expect(page.locator("tr[aria-rowindex='52']")).to_have_count(0)
    page.keyboard.press("j")
    expect(page.locator("tr[aria-rowindex='53'] [data-open]")).to_be_focused()
    page.locator(".tree").hover()
    page.mouse.wheel(0, -9000)
    page.locator("tr[aria-rowindex='2'] [data-open]").focus()
    page.keyboard.press("X")
    page.keyboard.press("j")
    expect(page.locator("tr[aria-rowindex='3'] [data-open]")).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("c")
    expect(page).to_have_url(re.compile(r"/compare\?a="))
    expect(page.get_by_label("Summary")).to_contain_text("4 changes")


def test_changes_are_listed_by_day_and_lead_to_the_document(server: Server, visit: Open) -> None:
    window, page = _open(server, visit, f"{ENDPOINT}/changes?min=8")
    expect(page.locator(".item").first).to_be_visible()
    expect(page.locator(".item li").first).to_be_visible()
    window.axe()
    page.get_by_label("Field or place").fill("/nowhere")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("No version passes the filter")
    page.get_by_role("button", name="All changes").click()
    page.locator("[data-open]").first.focus()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/e/quakes\?at="))


def test_a_field_is_tried_saved_and_taken_back(server: Server, visit: Open) -> None:
    window, page = _open(server, visit, f"{ENDPOINT}/fields?q=metadata")
    page.get_by_role("button", name="Ignore /metadata/generated").click()
    expect(page.locator("main").get_by_role("status")).to_contain_text(
        re.compile(r"would have silenced \d+ of \d+ changes")
    )
    expect(page).to_have_url(re.compile("try="))
    window.axe()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".trial-box")).to_contain_text("Ignored: /metadata/generated")
    page.get_by_role("button", name="Undo the last change").click()
    expect(page.locator(".trial-box")).to_contain_text("Nothing is ignored")
