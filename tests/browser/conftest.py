"""Tests of the dashboard in a real browser: Chromium by Playwright, against a real server in a process of its own.

One browser serves a run, one server each module, and a window one test after another: a new one takes more.
A `Visit` is a window that fails its test when anything leaves the server's origin, when the page logs an error, or when
its Content-Security-Policy refuses something.
"""

import asyncio
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    Route,
    expect,
    sync_playwright,
)
from playwright.sync_api import Error as PlaywrightError

from delta_server import app as delta_app
from delta_server.config.sections import Config
from delta_server.features.deltas import service as deltas
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.adapter import SqliteDatabase
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.options import Storage
from delta_server.storage.system_clock import SystemClock
from tests import histories, server_process
from tests.server_process import ROOT, Server

WAIT_MS = 120_000
"""A machine that does much beside takes its time. What fails, fails that late."""
expect.set_options(timeout=WAIT_MS)

SLOWED = float(os.environ.get("DELTA_BROWSER_SLOWED", "1"))
"""How many times as slow the pages are: where a test, or a quick person, is ahead of a page, 5 shows it."""

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
PROJECT = "seismology"
WIDE, NARROW = (1440, 900), (390, 844)
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = """async () => {
    const wanted = (each) => ["serious", "critical"].includes(each.impact)
    const rules = axe._audit.rules.filter((each) => !wanted(each)).map((each) => [each.id, {enabled: false}])
    const options = {rules: Object.fromEntries(rules), resultTypes: ["violations"], selectors: false, preload: false}
    return (await axe.run(document, options)).violations.filter(wanted)
        .map((each) => [each.id, each.nodes.slice(0, 3).map((node) => node.html.slice(0, 200))])
}"""
"""What axe-core's rules find besides is not looked for, and selectors are not made: a fifth of its time. Nor are sheets
fetched again, for a rule that is off by itself."""
IDLE = "new Promise((rest) => setTimeout(() => requestIdleCallback(rest, {timeout: 5000}), 30))"
"""The page has nothing to do: what it was told is drawn, and what that wants is asked for."""
_CHROMIUM = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
"""The first is without windows and what surrounds pages there: half of the work."""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    # Pages are seen for a second: compiling their hot code better, and a spare process for the next one, cost more than
    # they save. The other features are those that Playwright turns off, in place of which these stand.
    "--js-flags=--no-opt --no-maglev",
    "--disable-features=SpareRendererForSitePerProcess,AvoidUnnecessaryBeforeUnloadCheckSync,HttpsUpgrades,"
    "HttpsFirstBalancedModeAutoEnable,MediaRouter,PaintHolding,ThirdPartyStoragePartitioning",
]
_ENDED_SESSION = re.compile(r"the server responded with a status of (401|403)")


def chromium() -> str:
    """The browser's program; tests fail where there is none, for skipped ones prove nothing."""
    named = os.environ.get("DELTA_CHROMIUM")
    found = next((path for name in ([named] if named else _CHROMIUM) if (path := shutil.which(name))), None)
    assert found is not None, "these tests want Chromium: apt install chromium, or say where it is by DELTA_CHROMIUM"
    return found


def fits(page: Page) -> None:
    """Nothing is wider than the window, once what is drawn to measure was drawn anew for it."""
    width = page.evaluate("innerWidth")
    # Not `wait_for_function`: its second look is an eval in the page, which the page's own policy forbids.
    expect(page.locator("html")).to_have_js_property("scrollWidth", width)


@contextmanager
def beneath(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Playwright's event loop runs beneath the tests for as long as there is a browser. Other tests may not see it."""
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(None)


@pytest.fixture(scope="session")
def driver() -> Iterator[tuple[Playwright, asyncio.AbstractEventLoop]]:
    playwright = sync_playwright().start()
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    yield playwright, loop
    with beneath(loop):
        playwright.stop()


@pytest.fixture(scope="session")
def begun(driver: tuple[Playwright, asyncio.AbstractEventLoop]) -> Iterator[list[Browser]]:
    """The browser that runs: none before the first test that wants it."""
    browsers: list[Browser] = []
    yield browsers
    with beneath(driver[1]):
        for each in browsers:
            each.close()


@pytest.fixture(scope="module")
def browser(driver: tuple[Playwright, asyncio.AbstractEventLoop], begun: list[Browser]) -> Iterator[Browser]:
    playwright, loop = driver
    with beneath(loop):
        if not begun or not begun[-1].is_connected():
            begun[:] = [playwright.chromium.launch(executable_path=chromium(), args=FLAGS)]
        yield begun[-1]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the recorded earthquakes of a week, in two hundred versions, and all of their deltas."""
    directory = tmp_path_factory.mktemp("imported")
    history = str(histories.PACKAGED / "usgs-quakes.ndjson.zst")
    server_process.run(directory, "import", "--project", PROJECT, "--endpoint", "quakes", history)
    with ThreadPoolExecutor(1) as thread:  # an event loop may be running here
        thread.submit(asyncio.run, _compute_deltas(directory / "delta-data")).result()
    return directory


async def _compute_deltas(data_dir: Path) -> None:
    """Before the first server starts on a copy, which would compute them while pages are looked at."""
    async with delta_app.open_services(Config(storage=Storage(data_dir=data_dir))) as services:
        while await deltas.compute_queued(services):
            pass


@pytest.fixture(scope="module")
def seeded(directory: Path, imported: Path) -> Path:
    """`directory` with a copy of what is `imported`."""
    shutil.copytree(imported, directory, dirs_exist_ok=True)
    return directory


def write_into(seeded: Path, work: Callable[[Tx], object]) -> None:
    """In a transaction, before a server has the database."""

    async def write() -> None:
        storage = Storage(data_dir=seeded / "delta-data")
        db = SqliteDatabase.open(storage, SystemClock(), tuning=Tuning(rests_small=False))
        try:
            await db.write(work)
        finally:
            await db.close()

    with ThreadPoolExecutor(1) as thread:  # an event loop runs beneath the tests
        thread.submit(asyncio.run, write()).result()


@pytest.fixture(scope="module")
def server(seeded: Path) -> Iterator[Server]:
    """A server with `seeded` data and an owner."""
    with server_process.serving(seeded, DELTA_ADMIN_EMAIL=EMAIL, DELTA_ADMIN_PASSWORD=PASSWORD) as running:
        yield running


class Visit(msgspec.Struct):
    """A window at a server. `go` takes an address below it. `expected` are errors that the test causes on purpose."""

    page: Page
    context: BrowserContext
    url: str
    refused: list[str]
    errors: list[str]
    expected: re.Pattern[str] | None = None
    others: tuple[str, ...] = ()
    """Other servers that the test goes to on purpose."""
    asked: list[Request] | None = None
    """Requests that are not answered yet, but for the stream, which never is; None where nobody waits for them, for a
    tenth of a page's load is to be told of each."""
    notes: list[tuple[Any, Callable[[Request], None]]] = []

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def go_before_stream(self, path: str, stream: str) -> tuple[Page, Callable[[], None]]:
        """As `go`; the stream whose address matches does not begin until the second is called."""
        held: list[Route] = []
        pattern = re.compile(stream)
        self.page.route(pattern, lambda route: held.append(route))
        with self.page.expect_request(pattern):
            page = self.go(path)

        def begin() -> None:
            [route] = held
            route.continue_()
            self.page.unroute(pattern)

        return page, begin

    def sign_in(self, email: str = EMAIL, password: str = PASSWORD) -> None:
        """By the API, as the page itself does: the cookie is the whole session."""
        answer = self.context.request.post(
            f"{self.url}/v1/auth/login",
            data={"email": email, "password": password, "cookie": True},
            headers={"origin": self.url},
        )
        assert answer.ok, answer.text()

    def settle(self, path: str) -> Page:
        """Go there, and wait until all that the page asked for has come and is drawn."""
        if self.asked is None:
            self.asked = []
            for event, note in self.notes:
                self.page.on(event, note)
        page = self.go(path)
        page.locator("main").first.wait_for()
        self._wait_until_quiet()
        return page

    def follow(self, path: str) -> Page:
        """As `settle`, behind one, but as a link of the page does: nothing is loaded anew."""
        assert self.asked is not None, "what was asked before is not known"
        page = self.turn(path)
        self._wait_until_quiet()
        return page

    def turn(self, path: str) -> Page:
        """As `go`, but as a link of the page does. Until its code is there the page before is still seen: what is
        done next is to be found on the new one alone."""
        self.page.evaluate(
            "(to) => { history.pushState(null, '', to); dispatchEvent(new PopStateEvent('popstate')) }", path
        )
        return self.page

    def _wait_until_quiet(self) -> None:
        """Three looks in a row find nothing asked, each after the page itself had time: a slow one asks late."""
        quiet = 0
        while quiet < 3:
            self.page.evaluate(IDLE)
            quiet = 0 if self.asked else quiet + 1

    def check(self) -> None:
        found = [text for text in self.errors if self.expected is None or not self.expected.search(text)]
        assert not self.refused, f"requests left the origin: {self.refused}"
        assert not found, f"the page complained: {found}"

    def axe(self) -> None:
        """Fails for what axe-core calls serious or critical."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text())
        serious = self.page.evaluate(SERIOUS)
        assert not serious, serious


def expect_toast(page: Page, text: str) -> None:
    """The newest says so. A moment later the live region says the same, so the text alone is there twice."""
    expect(page.locator(".toast").last).to_contain_text(text)


Open = Callable[..., Visit]


class Free(msgspec.Struct):
    """Windows that no test has, by their colours and size."""

    windows: defaultdict[tuple[bool, tuple[int, int]], list[Visit]]

    def take(self, browser: Browser, url: str, *, dark: bool, size: tuple[int, int]) -> Visit:
        free = self.windows[dark, size]
        while free and free[-1].context.browser is not browser:
            free.pop()
        if not free:
            return window_of(browser, url, dark=dark, size=size)
        taken = free.pop()
        taken.url, taken.refused, taken.errors, taken.expected, taken.others = url, [], [], None, ()
        return taken

    def give_back(self, window: Visit, *, dark: bool, size: tuple[int, int]) -> None:
        """As if new: nobody is signed in, nothing is stored, and no page is there that goes on asking."""
        page = window.page
        if window.asked is not None:
            window.asked = None
            for event, note in window.notes:
                page.remove_listener(event, note)
        try:
            # Of the server, for then the renderer stays (Cross-Origin-Opener-Policy), and its storage is at hand.
            page.goto(f"{window.url}/icon.svg")
            page.evaluate("localStorage.clear(); sessionStorage.clear()")
            page.mouse.move(0, 0)
            window.context.clear_cookies()
        except PlaywrightError:  # the server is gone
            window.context.close()
        else:
            self.windows[dark, size].append(window)


@pytest.fixture(scope="session")
def free() -> Free:
    return Free(defaultdict(list))


@pytest.fixture
def visit(browser: Browser, free: Free) -> Iterator[Open]:
    """`visit(server, dark=False, size=WIDE)` is a window as if new; all are checked at the end.

    One that is the test's `own` is new, and closed: for tests that change what outlasts a page (its clock, scripts,
    routes, handlers, other pages of its context)."""
    visits: list[Visit] = []
    with ExitStack() as stack:

        def opened(
            server: Server | str, *, dark: bool = False, size: tuple[int, int] = WIDE, own: bool = False
        ) -> Visit:
            url = server if isinstance(server, str) else server.url
            if own:
                made = window_of(browser, url, dark=dark, size=size)
                stack.callback(made.context.close)
            else:
                made = free.take(browser, url, dark=dark, size=size)
                stack.callback(free.give_back, made, dark=dark, size=size)
            visits.append(made)
            return made

        yield opened
        for each in visits:
            each.check()


def window_of(browser: Browser, url: str, *, dark: bool = False, size: tuple[int, int] = WIDE) -> Visit:
    """A window that is watched, and that somebody has to check and close."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
        has_touch=size == NARROW,
        is_mobile=size == NARROW,
    )
    context.set_default_timeout(WAIT_MS)
    made = Visit(context.new_page(), context, url, [], [])
    if SLOWED > 1:
        context.new_cdp_session(made.page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
    _watch(made)
    return made


def _watch(visit: Visit) -> None:
    def guard(request: Request) -> None:
        if not request.url.startswith((visit.url, "blob:", *visit.others)):
            visit.refused.append(request.url)

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and not _is_ordinary(visit, message):
            visit.errors.append(f"{message.text} ({message.location})")

    visit.context.on("request", guard)

    def begun(request: Request) -> None:
        if visit.asked is not None and "/v1/stream" not in request.url and "/v1/sync/stream" not in request.url:
            visit.asked.append(request)

    def over(request: Request) -> None:
        if visit.asked and request in visit.asked:
            visit.asked.remove(request)

    visit.notes = [("request", begun), ("requestfinished", over), ("requestfailed", over)]
    visit.page.on("console", note)
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))


def _is_ordinary(visit: Visit, message: ConsoleMessage) -> bool:
    """Chromium logs each 401: a page that asks whether somebody is signed in is told so by one."""
    return bool(_ENDED_SESSION.search(message.text)) and "/v1/auth/refresh" in str(message.location)
