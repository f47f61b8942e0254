"""Numbers over time, drawn and as a table."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import PROJECT, Open
from tests.server_process import Server


def test_numbers_are_drawn_read_and_taken_out(server: Server, visit: Open) -> None:
    window = visit(server)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/e/quakes/charts")
    expect(page.get_by_role("button", name="metadata/count")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".plot canvas")).to_be_visible()
    window.axe()
    box = page.locator(".plot .u-over")
    box.hover()
    expect(page.locator(".plot figcaption")).to_contain_text("metadata/count 1")
    page.get_by_role("radio", name="Table").click()
    expect(page.get_by_role("row").nth(100)).to_be_attached()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == "time,field,record,label,value"
    assert lines[1].split(",")[1] == "/metadata/count"
    page.get_by_role("radio", name="Steps").click()
    box.click(position={"x": 300, "y": 60})
    page.wait_for_url("**/e/quakes?at=**")


def test_many_records_are_a_band(server: Server, visit: Open) -> None:
    window = visit(server, dark=True)
    window.sign_in()
    page = window.go(f"/p/{PROJECT}/e/quakes/charts?f=%2Ffeatures%2F*%2Fproperties%2Fmag")
    expect(page.get_by_text("with the median and the quartiles around it")).to_be_visible()
    page.locator(".plot .u-over").hover()
    expect(page.locator(".plot .dark path")).to_have_attribute("d", re.compile("^M"))
    page.get_by_title("Which records are drawn").click()
    picker = page.get_by_role("dialog", name="Which records are drawn")
    picker.get_by_role("searchbox").fill("sandgerdi")
    expect(picker.get_by_role("checkbox")).to_have_count(1)  # a click while the list still shrinks may miss the dialog
    picker.get_by_role("checkbox", name=re.compile("Sandger")).check()
    expect(page).to_have_url(re.compile("records=.*us7000q1a9"))
    window.axe()
    page.reload()
    expect(page.get_by_title("Which records are drawn")).to_contain_text("One record")
    page.locator(".plot .u-over").hover(position={"x": 1260, "y": 90})
    expect(page.locator(".plot figcaption")).to_contain_text("Sandgerði")


def test_a_chosen_record_that_is_gone_is_marked(server: Server, visit: Open) -> None:
    window = visit(server)
    window.expected = re.compile("404")
    window.sign_in()
    gone = "%2Ffeatures%2F%5Bid%3Dgone%5D"
    page = window.go(f"/p/{PROJECT}/e/quakes/charts?f=%2Ffeatures%2F*%2Fproperties%2Fmag&records={gone}")
    expect(page.get_by_text("The chosen record has no numbers here")).to_be_visible()
    page.get_by_title("Which records are drawn").click()
    picker = page.get_by_role("dialog", name="Which records are drawn")
    marked = picker.get_by_role("checkbox", name=re.compile("not in the latest version"))
    expect(marked).to_be_checked()
    window.axe()
    marked.click()
    expect(marked).to_have_count(0)
    expect(page).not_to_have_url(re.compile("records="))
