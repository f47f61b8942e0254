"""Setting up, signing in, and coming back to where one was."""

import re
import time
from base64 import b32decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from playwright.sync_api import expect

from tests import server_process
from tests.browser.conftest import EMAIL, NARROW, PASSWORD, Open
from tests.server_process import Server


@pytest.mark.parametrize(("dark", "size"), [(False, (1440, 900)), (True, NARROW)])
def test_signing_in_comes_back_to_the_address(server: Server, visit: Open, dark: bool, size: tuple[int, int]) -> None:
    window = visit(server, dark=dark, size=size)
    window.expected = re.compile(r"status of 401")
    page = window.go("/account")
    expect(page).to_have_url(re.compile(r"/signin\?next=%2Faccount$"))
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill("a wrong password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("password")
    window.axe()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(server.url + "/account")


def test_an_address_that_is_none_says_so_with_and_without_a_session(server: Server, visit: Open) -> None:
    window = visit(server)
    window.expected = re.compile("404")
    page = window.go("/nothere")
    expect(page.get_by_role("heading")).to_have_text("There is no such page")
    window.axe()
    window.sign_in()
    page = window.go("/p/x/no/such/page")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.get_by_role("link", name="To the overview", exact=True).click()
    page.wait_for_url("**/p/**")


def test_the_printed_link_makes_the_first_owner(tmp_path: Path, visit: Open) -> None:
    with server_process.serving(tmp_path) as server:
        token = server_process.run(tmp_path, "setup-link").stdout.strip()
        window = visit(server)
        page = window.go("/")
        expect(page).to_have_url(server.url + "/setup")
        expect(page.get_by_label("Setup token")).to_be_visible()
        window.axe()
        page.get_by_label("Setup token").fill(token)
        page.get_by_label("E-mail address").fill(EMAIL)
        page.get_by_label("Password").fill("short")
        page.get_by_role("button", name="Make the account").click()
        expect(page).to_have_url(server.url + "/setup")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Make the account").click()
        expect(page).not_to_have_url(re.compile("/setup"))
        page.reload()  # the session is in the cookie
        expect(page.get_by_role("banner")).to_be_visible()


def test_a_forgotten_password_is_set_by_a_link_of_the_command_line(
    server: Server, directory: Path, visit: Open
) -> None:
    """No mail is sent here, and the page says so."""
    window = visit(server)
    page = window.go("/forgot")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_role("button", name="Send a link").click()
    expect(page.get_by_role("heading", name="This server sends no mail")).to_be_visible()
    token = server_process.run(directory, "user", "reset-link", EMAIL).stdout.strip()
    page = window.go(f"/link#reset={token}")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("heading", name="Your password is set")).to_be_visible()
    window.sign_in()


def test_a_second_factor_is_added_used_and_ended_by_keys_alone(server: Server, visit: Open) -> None:
    """Nothing is clicked: each step has the focus where people go on typing."""
    window = visit(server, size=NARROW)
    window.sign_in()
    page = window.go("/account")
    page.get_by_role("button", name="Add a second factor").press("Enter")
    expect(page.get_by_role("textbox", name="Password", exact=True)).to_be_focused()
    page.keyboard.type(PASSWORD + "\n")
    expect(page.get_by_role("textbox", name="Code")).to_be_focused()
    page.keyboard.type(code_now(page.locator("code.totp").inner_text().replace(" ", "")) + "\n")
    expect(page.get_by_text("Keep these recovery codes.")).to_be_visible()
    window.axe()
    codes = page.locator(".codes code").all_inner_texts()
    window.context.clear_cookies()
    page = window.go("/signin")
    expect(page.get_by_label("E-mail address")).to_be_focused()
    page.keyboard.type(EMAIL)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD + "\n")
    expect(page.get_by_label("Code")).to_be_focused()
    page.get_by_role("button", name="Use a recovery code").press("Enter")
    expect(page.get_by_label("Recovery code")).to_be_focused()
    page.keyboard.type(codes[0] + "\n")
    expect(page).not_to_have_url(re.compile("/signin"))
    page = window.go("/account")
    page.get_by_role("button", name="Turn it off").press("Enter")
    expect(page.get_by_role("textbox", name="Password", exact=True)).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    page.keyboard.type(codes[1] + "\n")
    expect(page.get_by_role("button", name="Add a second factor")).to_be_visible()


def code_now(secret: str) -> str:
    """As an authenticator app computes it."""
    return TOTP(b32decode(secret), 6, SHA1(), 30).generate(int(time.time())).decode()
