"""The ways in and out for people, with a mail server, an identity provider and a proxy around the server."""

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

import httpx
import msgspec
import pytest
from playwright.sync_api import Page, expect

from tests import server_process, smtp_server
from tests.browser.conftest import EMAIL, NARROW, PASSWORD, PROJECT, Open
from tests.features.users import identity_provider
from tests.features.users.identity_provider import CLIENT, SECRET, IdentityProvider, free_port
from tests.features.users.people import app_code
from tests.server_process import Server
from tests.smtp_server import MailServer
from tests.storage.opened import FakeClock

STEP_MS = 30_000
REFUSED = re.compile("status of 40[13]")


class Around(msgspec.Struct):
    """`mail` is the link in the next mail to an address."""

    server: Server
    provider: IdentityProvider
    mail: Callable[[str], str]

    def api(self, email: str = EMAIL) -> httpx.Client:
        """Somebody's own."""
        login = {"email": email, "password": PASSWORD}
        told = httpx.post(f"{self.server.url}/v1/auth/login", json=login).raise_for_status().json()
        return httpx.Client(base_url=self.server.url, headers={"authorization": f"Bearer {told['access_token']}"})

    def add(self, email: str, role: str = "admin") -> None:
        """A user with the password of all, and a member of the project."""
        with self.api() as owner:
            invitation = {"email": email, "role": role}
            owner.post(f"/v1/projects/{PROJECT}/invitations", json=invitation).raise_for_status()
        accepted = {"token": self.mail(email).rpartition("=")[2], "password": PASSWORD, "name": ""}
        httpx.post(f"{self.server.url}/v1/invitations/accept", json=accepted).raise_for_status()


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Around]:
    mails, port = MailServer(), free_port()
    provider = IdentityProvider(free_port(), FakeClock(time.time_ns() // 1_000_000))
    provider.redirect_uri = f"http://127.0.0.1:{port}/v1/auth/oidc/callback"
    with _running(mails, provider) as loop:
        env = _env(port, mails.port, provider.url)
        with server_process.serving(tmp_path_factory.mktemp("people"), **env) as server:
            made = Around(server, provider, _links(mails, loop))
            with made.api() as owner:
                owner.post("/v1/projects", json={"name": PROJECT}).raise_for_status()
            yield made


def _env(port: int, smtp_port: int, issuer: str) -> dict[str, str]:
    return {
        "DELTA_ADMIN_EMAIL": EMAIL,
        "DELTA_ADMIN_PASSWORD": PASSWORD,
        "DELTA_SERVER_PORT": str(port),
        "DELTA_SERVER_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DELTA_SERVER_TRUSTED_PROXIES": "127.0.0.1",
        "DELTA_EGRESS_ALLOW_CIDRS": "127.0.0.0/8",
        "DELTA_AUTH_REGISTRATION": "open",
        "DELTA_AUTH_TRUSTED_HEADER_HEADER": "Remote-Email",
        "DELTA_AUTH_OIDC_ISSUER": issuer,
        "DELTA_AUTH_OIDC_CLIENT_ID": CLIENT,
        "DELTA_AUTH_OIDC_CLIENT_SECRET": SECRET,
        "DELTA_AUTH_OIDC_NAME": "Castle",
        "DELTA_AUTH_OIDC_AUTO_CREATE": "true",
        "DELTA_SMTP_HOST": "127.0.0.1",
        "DELTA_SMTP_PORT": str(smtp_port),
        "DELTA_SMTP_TLS": "none",
        "DELTA_SMTP_FROM_ADDRESS": "delta@example.com",
    }


@contextmanager
def _running(mails: MailServer, provider: IdentityProvider) -> Iterator[asyncio.AbstractEventLoop]:
    """Both on an event loop in a thread of its own: the tests' own has the browser."""
    loop, opened = asyncio.new_event_loop(), AsyncExitStack()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        for work in (smtp_server.running(mails), identity_provider.running(provider)):
            asyncio.run_coroutine_threadsafe(opened.enter_async_context(work), loop).result(30)
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(opened.aclose(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _links(mails: MailServer, loop: asyncio.AbstractEventLoop) -> Callable[[str], str]:
    read = Counter[str]()

    def link(to: str) -> str:
        read[to] += 1
        received = asyncio.run_coroutine_threadsafe(mails.received(read[to], to=to), loop).result()
        return next(line.strip() for line in received[read[to] - 1].text.splitlines() if "/link#" in line)

    return link


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Account of").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page).to_have_url(re.compile("/signin"))


def test_a_second_factor_is_added_by_its_secret_and_asked_for(around: Around, visit: Open) -> None:
    around.add("factor@example.com")
    window = visit(around.server, dark=True, size=NARROW)
    window.expected = REFUSED
    window.sign_in("factor@example.com")
    page = window.go("/account")
    part = page.get_by_role("region", name="Second factor")
    part.get_by_role("button", name="Add a second factor").click()
    part.get_by_label("Password").fill(PASSWORD)
    part.get_by_role("button", name="Go on").click()
    drawn = part.get_by_role("img", name="QR code").locator("path").get_attribute("d") or ""
    assert drawn.count("h1v1h-1z") > 400  # version 6 and up: an address of that length has so many dark squares
    secret = part.get_by_text("Secret:").locator("code").inner_text().replace(" ", "")
    window.axe()
    part.get_by_role("textbox", name="Code").fill(app_code(secret, _now_ms()))
    part.get_by_role("button", name="Turn it on").click()
    shown = part.locator(".codes code")
    expect(shown).to_have_count(10)
    recovery = shown.all_inner_texts()
    assert len(set(recovery)) == 10
    part.get_by_role("button", name="I have kept them").click()
    expect(part).to_contain_text("10 recovery codes are left")

    sign_out(page)
    page.goto(f"{around.server.url}/projects")
    sign_in(page, "factor@example.com")
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Code").fill(app_code(secret, _now_ms() + STEP_MS))  # each is good once
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{around.server.url}/projects")

    for is_good in (True, False):
        sign_out(page)
        sign_in(page, "factor@example.com")
        page.get_by_role("button", name="Use a recovery code").click()
        page.get_by_label("Recovery code").fill(recovery[0])
        page.get_by_role("button", name="Sign in").click()
        if is_good:
            expect(page.get_by_role("button", name="Account of")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_visible()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_single_sign_on_comes_back_to_the_view_that_was_asked_for(around: Around, visit: Open) -> None:
    around.provider.clock.time_ms = _now_ms()
    around.provider.person |= {"sub": "grace-1", "email": "grace@example.com"}
    window = visit(around.server)
    window.expected = REFUSED
    window.others = (around.provider.url,)
    page = window.go("/account?tab=1")
    page.get_by_role("link", name="Sign in with Castle").click()
    expect(page).to_have_url(f"{around.server.url}/account?tab=1")
    expect(page.get_by_role("main")).to_contain_text("grace@example.com")
    assert "/authorize" in around.provider.asked
    sign_out(page)
    around.provider.person |= {"sub": "somebody else", "email": EMAIL}  # the address of who signs in by a password
    page.get_by_role("link", name="Sign in with Castle").click()
    expect(page.get_by_role("alert")).to_contain_text("There is a user with your address already")
    window.axe()
    page.get_by_role("link", name="Back to the sign-in").click()
    expect(page.get_by_role("link", name="Sign in with Castle")).to_be_visible()


def test_whom_a_proxy_names_comes_in_by_its_word(around: Around, visit: Open) -> None:
    around.add("proxied@example.com")
    window = visit(around.server, own=True)
    window.expected = REFUSED
    page = window.go("/account")
    page.get_by_role("button", name="Sign in as your proxy says").click()
    expect(page.get_by_role("alert")).to_be_visible()  # it names nobody
    window.context.set_extra_http_headers({"remote-email": "proxied@example.com"})
    page.get_by_role("button", name="Sign in as your proxy says").click()
    expect(page).to_have_url(f"{around.server.url}/account")
    expect(page.get_by_role("main")).to_contain_text("proxied@example.com")


def test_who_registers_confirms_and_who_forgets_sets_another_password(around: Around, visit: Open) -> None:
    window = visit(around.server, size=NARROW)
    window.expected = REFUSED
    page = window.go("/signin")
    page.get_by_role("link", name="Make one").click()
    page.get_by_label("E-mail address").fill("new@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("heading")).to_have_text("Look into your mail")
    page.goto(around.mail("new@example.com"))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading")).to_have_text("Your address is confirmed")
    expect(page).not_to_have_url(re.compile("#"))  # the token stays in no history
    page.get_by_role("link", name="Sign in").click()
    sign_in(page, "new@example.com")
    expect(page.get_by_role("button", name="Account of")).to_be_visible()

    elsewhere = visit(around.server)
    elsewhere.expected = REFUSED
    forgotten = elsewhere.go("/signin")
    forgotten.get_by_role("link", name="Forgot the password?").click()
    forgotten.get_by_label("E-mail address").fill("new@example.com")
    forgotten.get_by_role("button", name="Send a link").click()
    expect(forgotten.get_by_role("heading")).to_have_text("Look into your mail")
    link = around.mail("new@example.com")
    forgotten.goto(link)
    forgotten.get_by_label("New password").fill("another long password")
    forgotten.get_by_role("button", name="Set the password").click()
    expect(forgotten.get_by_role("heading")).to_have_text("Your password is set")
    forgotten.get_by_role("link", name="Sign in").click()
    sign_in(forgotten, "new@example.com", "another long password")
    expect(forgotten.get_by_role("button", name="Account of")).to_be_visible()
    page.reload()  # the reset ended this session
    expect(page).to_have_url(re.compile("/signin"))


def test_who_is_invited_joins_the_project_and_leaves_it(around: Around, visit: Open) -> None:
    owner = visit(around.server)
    owner.sign_in()
    page = owner.go(f"/p/{PROJECT}/settings/members")
    page.get_by_role("button", name="Invite").click()
    page.get_by_label("E-mail address").fill("bo@example.com")
    page.get_by_role("dialog").get_by_label("Role").select_option("admin")
    page.get_by_role("dialog").get_by_role("button", name="Invite").click()
    expect(page.get_by_role("dialog")).to_contain_text("on its way to bo@example.com")
    shown = page.get_by_role("dialog").locator(".secret code").inner_text()

    window = visit(around.server)
    window.expected = REFUSED
    link = around.mail("bo@example.com")
    assert link == shown
    page = window.go(link.removeprefix(around.server.url))
    page.get_by_label("Your name").fill("Bo")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Accept the invitation").click()
    page.get_by_role("link", name="Sign in").click()
    sign_in(page, "bo@example.com")
    expect(page.get_by_role("button", name="Account of Bo")).to_be_visible()

    page = window.go(f"/p/{PROJECT}/settings/members")
    page.get_by_role("row").filter(has_text="bo@example.com").get_by_role("button", name="Leave").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Leave")).to_be_disabled()
    window.axe()
    dialog.get_by_label("Type its name").fill(PROJECT)
    dialog.get_by_role("button", name="Leave").click()
    expect(page).to_have_url(f"{around.server.url}/projects")
    expect(page.get_by_role("link", name=PROJECT, exact=True)).to_have_count(0)


def test_a_member_sees_no_data_of_others(around: Around, visit: Open) -> None:
    around.add("eve@example.com", "editor")
    with around.api() as owner:
        change = {"change_id": "1", "record_id": "r", "operation": "insert", "data": 1}
        body = {"device_id": "theirs", "batch_id": "1", "changes": [change]}
        told = owner.post(f"/v1/sync/notes/delta?project_id={PROJECT}", json=body, headers={"x-sync-user": "ann"})
        told.raise_for_status()
    window = visit(around.server)
    window.sign_in("eve@example.com")
    page = window.go(f"/p/{PROJECT}/devices")
    expect(page.get_by_text("No device yet")).to_be_visible()
    expect(page.get_by_role("button", name="Choose whose")).to_have_count(0)
    window.expected = REFUSED
    page = window.go(f"/p/{PROJECT}/devices?person=ann")
    expect(page.get_by_role("alert").first).to_contain_text("sync:admin")
    expect(page.get_by_text("theirs")).to_have_count(0)


def test_own_sessions_are_ended_one_by_one_and_together(around: Around, visit: Open) -> None:
    around.add("many@example.com")
    here, other = visit(around.server), visit(around.server)
    other.expected = REFUSED
    here.sign_in("many@example.com")
    other.sign_in("many@example.com")
    sessions = here.go("/account").get_by_role("region", name="Sessions")
    abandoned = other.go("/account")
    expect(abandoned.get_by_text("this one")).to_be_visible()
    here.page.reload()
    ends = sessions.get_by_role("button", name=re.compile("^End Chrome"))
    expect(ends).to_have_count(1)
    ends.click()
    expect(ends).to_have_count(0)
    abandoned.reload()
    expect(abandoned).to_have_url(re.compile("/signin"))
    for _ in range(2):
        around.api("many@example.com").close()
    here.page.reload()
    sessions.get_by_role("button", name="End all others").click()
    expect(sessions.get_by_role("listitem")).to_have_count(1)
    expect(sessions).to_contain_text("this one")
