"""What the benches of the dashboard's pages share: a server with data of its own, and Chromium, signed in to it."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from playwright.sync_api import Browser, Page, sync_playwright

from tests import server_process
from tests.bench.table import Skip
from tests.bench.turns import TINY
from tests.browser.conftest import EMAIL, PASSWORD, PROJECT, WIDE, chromium
from tests.server_process import Server

LOGIN = {"email": EMAIL, "password": PASSWORD}
_UNLIMITED = {f"DELTA_RATE_LIMITS_{kind}_PER_MINUTE": "off" for kind in ("INGEST", "QUERY", "AUTH", "UNAUTHORIZED")}
_PAINTED = """selector => new Promise(done => {
  const look = () => {
    if (!document.querySelector(selector)) return requestAnimationFrame(look);
    requestAnimationFrame(() => done(performance.now()));  // the frame before this one had it
  };
  look();
})"""


class Browsing(msgspec.Struct):
    server: Server
    browser: Browser

    def window(self) -> Page:
        """A page of a browser that has the session and nothing else: its cache is empty."""
        context = self.browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]}, reduced_motion="reduce")
        login = f"{self.server.url}/v1/auth/login"
        answer = context.request.post(login, data={**LOGIN, "cookie": True}, headers={"origin": self.server.url})
        assert answer.ok, answer.text()
        return context.new_page()

    def open(self, page: Page, path: str, project: str = PROJECT) -> None:
        page.goto(f"{self.server.url}/p/{project}{path}", wait_until="commit")


@contextlib.contextmanager
def browsing(fill: Callable[[Path], None]) -> Iterator[Browsing]:
    """`fill` puts data into the server's directory before it starts."""
    program = chromium() if TINY else shutil.which("chromium")
    if program is None:
        raise Skip("no chromium here")
    env = {"DELTA_ADMIN_EMAIL": EMAIL, "DELTA_ADMIN_PASSWORD": PASSWORD, "DELTA_LOG_LEVEL": "warning", **_UNLIMITED}
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name))
        with server_process.serving(Path(name), **env) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
            yield Browsing(server, browser)
            browser.close()
            server.stop()


def import_hourly(directory: Path, endpoint: str, versions: Sequence[bytes]) -> None:
    """The versions of `at_of`, in the directory of a server that does not run yet."""
    path = directory / f"{endpoint}.ndjson"
    lines = [msgspec.json.encode({"at": at_of(n), "body": body.decode()}) for n, body in enumerate(versions)]
    path.write_bytes(b"\n".join(lines))
    server_process.run(directory, "import", "--project", PROJECT, "--endpoint", endpoint, str(path))
    path.unlink()


def at_of(number: int) -> str:
    """When the version of that number, from 0, was captured."""
    return f"2026-05-{1 + number // 24:02}T{number % 24:02}:00:00Z"


def painted_s(page: Page, selector: str) -> float:
    """From the beginning of the navigation until a frame with such an element has been drawn."""
    return float(page.evaluate(_PAINTED, selector)) / 1e3
