"""The document page: travelling in time, finding, and where values come from."""

import re
from collections.abc import Callable

from playwright.sync_api import APIResponse, Page, expect

from tests.browser.conftest import EMAIL, NARROW, PASSWORD, PROJECT, Open, Visit, expect_toast, fits
from tests.server_process import Server

AT = "2025-05-22T05:03:08.000Z"
DOCUMENT = f"/p/{PROJECT}/e/quakes"


def _opened(server: Server, visit: Open, address: str = f"{DOCUMENT}?at={AT}", **window: object) -> Page:
    page_window = visit(server, **window)
    page_window.sign_in()
    page = page_window.go(address)
    expect(page.get_by_role("treegrid")).to_be_visible()
    expect(page.locator(".row").first).to_be_visible()
    return page


def _number(page: Page, number: int) -> None:
    expect(page.locator(".pos")).to_contain_text(f"version {number} of 200")


def test_keys_travel_from_change_to_change_and_the_address_tells_where(server: Server, visit: Open) -> None:
    page = _opened(server, visit)
    _number(page, 137)
    expect(page.locator(".moment")).to_contain_text("Thu 22 May 2025")
    count = page.locator(".row", has_text="count")
    expect(count).to_contain_text("132")
    expect(count).to_contain_text("was 131")
    expect(page.get_by_label("What this version changed")).to_contain_text("6.2")
    page.keyboard.press("]")
    _number(page, 138)
    expect(count).to_contain_text("133")
    for number, at in ((137, "05"), (136, "04")):  # one that is passed before it is shown makes no entry
        page.keyboard.press("[")
        _number(page, number)
        expect(page).to_have_url(re.compile(f"at=2025-05-22T{at}"))
    page.go_back()
    _number(page, 137)
    beside = page.get_by_role("navigation", name="Changes beside this version")
    beside.get_by_title(re.compile("Next change")).click()
    _number(page, 138)
    beside.get_by_title(re.compile("Previous change")).click()
    _number(page, 137)
    page.keyboard.press("/")
    page.get_by_role("combobox", name="Search").fill("fef, ind")
    page.get_by_role("option", name=re.compile("NW of Fef, Indonesia record us7000q0iv")).click()
    expect(page.locator(".row.focus")).to_contain_text("NW of Fef")
    _number(page, 137)
    page.get_by_role("slider").focus()
    page.keyboard.press("Home")
    _number(page, 1)
    expect(page.get_by_label("What this version changed")).to_contain_text("nothing before it")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", re.compile(r"version \d+ of 200"))
    page.keyboard.press(".")
    _number(page, 200)
    expect(page).not_to_have_url(re.compile("at="))
    page.keyboard.press("{")
    _number(page, 199)
    page.keyboard.press("X")
    page.keyboard.press("{")
    _number(page, 198)
    page.keyboard.press("x")
    for rate in (8, 20, 4):
        page.keyboard.press("+")
        expect_toast(page, f"Plays {rate} changes a second")
    page.keyboard.press("p")
    _number(page, 200)
    page.keyboard.press("c")
    expect(page).to_have_url(re.compile("/compare\\?a=2025-05-24T.*&b=2025-05-24T21"))


def test_a_link_opens_the_same_view_anywhere(server: Server, visit: Open) -> None:
    page = _opened(server, visit, f"{DOCUMENT}?at={AT}&path=/metadata/count&panel=history&tz=Asia/Kolkata")
    _number(page, 137)
    expect(page.locator(".moment")).to_contain_text("10:33:08")
    panel = page.get_by_role("dialog", name="History of /metadata/count")
    expect(panel).to_contain_text("148 times")
    expect(panel.locator("li[aria-current]")).to_contain_text("132")
    panel.press("ArrowLeft")
    _number(page, 136)
    expect(panel.locator("li[aria-current]")).to_contain_text("131")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.get_by_role("treegrid")).to_be_focused()
    page.keyboard.press("k")
    expect(page.locator(".row.focus")).to_contain_text("api")
    page.keyboard.press("]")
    _number(page, 137)
    expect(page.locator(".row.focus")).to_contain_text("api")
    page.keyboard.press("h")
    expect(page.get_by_role("dialog", name="History of /metadata/api")).to_be_visible()


def test_a_moment_is_typed(server: Server, visit: Open) -> None:
    page = _opened(server, visit)
    page.locator(".moment").click()
    picker = page.get_by_role("dialog", name="Choose a moment")
    field = picker.get_by_role("textbox")
    field.fill("not a time")
    expect(picker.get_by_role("status")).to_contain_text("Not understood")
    field.fill("2025-05-20 12:00")
    expect(picker.get_by_role("status")).to_contain_text("Tue 20 May")
    field.press("Enter")
    expect(page.locator(".moment")).to_contain_text("Tue 20 May 2025")
    page.locator(".moment").click()
    page.get_by_role("textbox", name="Time").fill("2020-01-01")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing was kept yet")).to_be_visible()
    page.get_by_role("button", name="The first version").click()
    _number(page, 1)


def test_search_finds_in_folded_branches_and_the_exact_text_is_the_stored_one(server: Server, visit: Open) -> None:
    window = visit(server, own=True)
    window.sign_in()
    window.page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")  # as by plain HTTP
    page = window.go(f"{DOCUMENT}?at={AT}")
    expect(page.locator(".row").first).to_be_visible()
    find = page.get_by_placeholder("Search keys and values in this version")
    find.fill("sóuth sandwich")
    count, focused = page.locator(".filter .count"), page.locator(".row.focus")
    expect(count).to_contain_text(re.compile(r"of \d+"))
    expect(focused.locator("mark")).to_have_text("South Sandwich")
    expect(page).to_have_url(re.compile("find=s%C3%B3uth"))
    page.get_by_role("treegrid").focus()
    for key, number in (("n", 2), ("N", 1)):
        page.keyboard.press(key)
        expect(count).to_contain_text(f"{number} of")
    page.keyboard.press("]")
    _number(page, 138)
    expect(focused).to_contain_text("South Sandwich")  # its record changed in neither, and stays open
    page.keyboard.press("Space")
    expect(page.get_by_label("The whole value")).to_contain_text("South Sandwich")
    page.keyboard.press("Escape")
    expect(page.get_by_label("The whole value")).to_be_hidden()
    for key, said, copy in (("y", "The key path", re.compile(r"^/features/\[id=\w+\]/")), ("Y", "The value", "")):
        page.keyboard.press(key)
        expect(page.get_by_text(f"{said} is copied").first).to_be_visible()
        if copy:
            page.keyboard.press("f")
            page.keyboard.press("Control+A")
            page.keyboard.press("Control+V")
            expect(find).to_have_value(copy)
            find.fill("sóuth sandwich")
            page.get_by_role("treegrid").focus()
    page.keyboard.press("[")
    page.keyboard.press("o")
    expect(page.get_by_role("radio", name="Changed")).to_be_checked()
    page.keyboard.press("o")
    page.get_by_role("radio", name="Exact text").click()
    expect(page.locator(".tree.text")).to_contain_text('"count":132')
    expect(page.locator(".tree.text mark.changed").first).to_be_visible()
    page.get_by_role("radio", name="Changed").click()
    expect(page.locator(".row.fold").first).to_contain_text("unchanged")


def test_on_a_phone_the_tree_lies_above_the_timeline(server: Server, visit: Open) -> None:
    window = visit(server, dark=True, size=NARROW)
    window.sign_in()
    page = window.go(f"{DOCUMENT}?at={AT}")
    expect(page.locator(".row", has_text="count").first).to_contain_text("132")
    tree, timeline = page.get_by_role("treegrid").bounding_box(), page.get_by_role("slider").bounding_box()
    assert tree is not None
    assert timeline is not None
    assert tree["y"] < timeline["y"]
    fits(page)
    page.get_by_role("button", name="Next change", exact=True).click()
    expect(page.locator(".row", has_text="count").first).to_contain_text("133")


def test_a_noisy_field_is_ignored_with_what_it_silences_and_back(server: Server, visit: Open) -> None:
    page = _opened(server, visit)
    changes = page.get_by_label("What this version changed")
    expect(changes).to_contain_text("M 6.2 - 61 km NNE of Eloúnda, Greece")
    expect(changes).to_contain_text("metadata/generated")
    page.locator(".row", has_text="generated").click()
    page.keyboard.press("i")
    sheet = page.get_by_role("dialog", name="Ignore /metadata/generated")
    expect(sheet).to_contain_text("Silences 0 of 199 changes")
    expect(sheet).to_contain_text("199 of 984 changed values")
    sheet.get_by_role("button", name="Ignore this field").click()
    expect_toast(page, "/metadata/generated is ignored")
    expect(changes).not_to_contain_text("metadata/generated")
    page.get_by_role("button", name="Undo").click()
    expect(changes).to_contain_text("metadata/generated")


def test_layers_give_the_focus_back(server: Server, visit: Open) -> None:
    page = _opened(server, visit)
    moment = page.get_by_role("button", name="Thu 22 May 2025")
    moment.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Choose a moment").get_by_role("textbox")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(moment).to_be_focused()
    page.locator(".row", has_text="generated").click()
    page.keyboard.press("i")
    expect(page.get_by_role("dialog", name="Ignore /metadata/generated")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("treegrid")).to_be_focused()
    projects = page.get_by_role("button", name=f"Project {PROJECT}")
    projects.focus()
    page.keyboard.press("Enter")
    expect(page.locator("[role=menuitem]:focus")).to_be_visible()  # none of those for narrow windows alone
    page.keyboard.press("Escape")
    expect(projects).to_be_focused()


def test_what_arrives_is_seen_at_once_and_a_pinned_moment_stays(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    post = _poster(window)
    assert post("/v1/endpoints", {"name": "gauge"}).ok
    page = window.go(f"/p/{PROJECT}/e/gauge")
    expect(page.get_by_text("Waiting for the first version of gauge")).to_be_visible()
    assert post("/v1/snapshots?endpoint=gauge", {"level": 1.50}).ok
    expect(page.locator(".row", has_text="level")).to_contain_text("1.5")
    assert post("/v1/snapshots?endpoint=gauge", {"level": 1.75}).ok
    expect(page.locator(".row", has_text="level")).to_contain_text("was 1.5")
    page.keyboard.press("[")
    expect(page.locator(".pos")).to_contain_text("version 1 of 2")
    assert post("/v1/snapshots?endpoint=gauge", {"level": 2}).ok
    expect(page.get_by_role("button", name="2 newer versions")).to_be_visible()
    expect(page.locator(".row", has_text="level")).to_contain_text("1.5")
    page.get_by_role("button", name="2 newer versions").click()
    expect(page.locator(".row", has_text="level")).to_contain_text("was 1.75")


def _poster(window: Visit) -> Callable[[str, object], APIResponse]:
    """Sends as the person who is signed in, within the project."""
    login = {"email": EMAIL, "password": PASSWORD}
    token = window.context.request.post(f"{window.url}/v1/auth/login", data=login).json()["access_token"]
    headers = {"authorization": f"Bearer {token}", "x-tenant-id": PROJECT}
    return lambda path, data: window.context.request.post(window.url + path, data=data, headers=headers)
