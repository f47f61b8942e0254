"""What happens under an open page: its session ends, its server goes away."""

import re
from pathlib import Path

import httpx
from playwright.sync_api import Browser, expect

from tests import server_process
from tests.browser.conftest import EMAIL, PASSWORD, WIDE, Free, Open
from tests.server_process import Server


def end_all_sessions(server: Server) -> None:
    with httpx.Client(base_url=server.url) as client:
        told = client.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()
        bearer = {"authorization": f"Bearer {told['access_token']}"}
        assert client.delete("/v1/auth/sessions", headers=bearer).json()["revoked"] >= 1


def test_a_session_that_ends_asks_to_sign_in_and_goes_on(server: Server, visit: Open) -> None:
    window = visit(server)
    window.expected = re.compile(r"status of 401")
    window.sign_in()
    page = window.go("/account")
    expect(page.get_by_text("this one")).to_be_visible()
    end_all_sessions(server)
    page.get_by_role("button", name="Sign out here").wait_for()
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password").fill(PASSWORD + "!")
    page.get_by_role("button", name="Change the password").click()
    dialog = page.get_by_role("dialog", name="Your session has ended")
    expect(dialog.get_by_label("E-mail address")).to_have_value(EMAIL)
    window.axe()
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in", exact=True).click()
    expect(dialog).to_have_count(0)
    expect(page).to_have_url(f"{server.url}/account")
    expect(page.get_by_text("your other sessions have ended")).to_be_visible()  # the request was repeated
    page.get_by_label("Present password").fill(PASSWORD + "!")
    page.get_by_label("New password").fill(PASSWORD)  # as the other tests know it
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_label("Present password")).to_have_value("")


def test_a_server_that_is_gone_is_told_and_comes_back(server: Server, visit: Open) -> None:
    window = visit(server, own=True)
    window.expected = re.compile("ERR_INTERNET_DISCONNECTED|status of 401")
    window.sign_in()
    window.page.clock.install()
    page = window.go("/account")
    expect(page.get_by_text("this one")).to_be_visible()
    window.context.set_offline(True)
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password").fill("another long password")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("alert").filter(has_text="cannot be reached")).to_be_visible()
    page.clock.fast_forward(11_000)
    strip = page.get_by_text("No answer since")
    expect(strip).to_be_visible()
    expect(page.get_by_text("this one")).to_be_visible()  # what was there can still be read
    page.get_by_role("button", name="Try now").click()
    expect(strip).to_be_visible()
    window.context.set_offline(False)
    page.clock.fast_forward(60_000)
    expect(strip).to_have_count(0)


def test_a_server_that_is_killed_and_started_again_goes_on_under_the_page(tmp_path: Path, visit: Open) -> None:
    env = {"DELTA_ADMIN_EMAIL": EMAIL, "DELTA_ADMIN_PASSWORD": PASSWORD}
    with server_process.serving(tmp_path, **env) as first:
        window = visit(first, own=True)
        window.expected = re.compile("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET")
        window.sign_in()
        send_snapshot(first, 1)
        window.page.clock.install()
        page = window.go("/p/prices")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="eur")).to_be_visible()
        first.process.kill()  # as kill -9 does
        first.process.wait()
        expect(page.get_by_text("Reconnecting")).to_be_visible()
        page.clock.fast_forward(11_000)
        expect(page.get_by_text("No answer since")).to_be_visible()
        expect(page.get_by_role("link", name="eur")).to_be_visible()  # what was there can still be read
    port = first.url.rpartition(":")[2]
    with server_process.serving(tmp_path, DELTA_SERVER_PORT=port, **env) as second:
        page.clock.fast_forward(60_000)
        expect(page.get_by_text("No answer since")).to_have_count(0)
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        send_snapshot(second, 2)
        expect(page.locator("main").get_by_text("1 → 2").first).to_be_visible()  # the news come again, unasked
        expect(page).to_have_url(f"{second.url}/p/prices")
        page.goto("about:blank")  # before the server goes for good


def send_snapshot(server: Server, rate: int) -> None:
    with httpx.Client(base_url=server.url) as client:
        told = client.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()
        client.headers["authorization"] = f"Bearer {told['access_token']}"
        client.post("/v1/projects", json={"name": "prices"})  # refused the second time: it is there
        sent = client.post(
            "/v1/snapshots", json={"endpoint": "eur", "data": {"rate": rate}}, params={"project_id": "prices"}
        )
        assert sent.status_code == 201, sent.text


def test_signing_out_ends_it_in_every_tab(server: Server, visit: Open) -> None:
    window = visit(server, own=True)
    window.expected = re.compile(r"status of 401")
    window.sign_in()
    page = window.go("/account")
    other = window.context.new_page()
    other.goto(f"{server.url}/account")
    expect(other.get_by_text("this one")).to_be_visible()
    page.get_by_role("button", name="Account of").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page).to_have_url(re.compile("/signin"))
    expect(other.get_by_role("dialog", name="Your session has ended")).to_be_visible()
    assert not [cookie for cookie in window.context.cookies() if cookie["value"]]


def test_a_window_that_was_given_back_is_as_new(server: Server, browser: Browser, free: Free) -> None:
    window = free.take(browser, server.url, dark=False, size=WIDE)
    window.sign_in()
    window.settle("/account")
    window.page.evaluate("localStorage.setItem('kept', 1); sessionStorage.setItem('kept', 1)")
    window.errors.append("of the test before")
    free.give_back(window, dark=False, size=WIDE)
    assert free.take(browser, server.url, dark=False, size=WIDE) is window
    assert window.context.cookies() == []
    assert window.page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert not window.asked
    assert not window.errors
    expect(window.go("/account")).to_have_url(re.compile("/signin"))
    free.give_back(window, dark=False, size=WIDE)
