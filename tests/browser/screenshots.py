"""`make screenshots`: pictures of all pages, light and dark, at 1440 and 390 px, in build/screenshots."""

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests import server_process
from tests.browser import pages
from tests.browser.conftest import EMAIL, FLAGS, NARROW, PASSWORD, PROJECT, WIDE, Visit, chromium, window_of
from tests.histories import PACKAGED
from tests.server_process import ROOT, Server

TARGET = ROOT / "build" / "screenshots"
SEEN = {"Compare": "?a=2025-05-21T01:30:31Z&b=2025-05-22T04:05:08Z", "Document": "?at=2025-05-22T05:03:08Z"}
"""The moments of pages that are about one or two."""


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    history = str(PACKAGED / "usgs-quakes.ndjson.zst")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for endpoint in ("quakes", "quakes-europe"):
            server_process.run(directory, "import", "--project", PROJECT, "--endpoint", endpoint, history)
        env = {"DELTA_ADMIN_EMAIL": EMAIL, "DELTA_ADMIN_PASSWORD": PASSWORD}
        with server_process.serving(directory, **env) as server:
            take(server)
            server.stop()


def take(server: Server) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for dark in (False, True):
            for size in (WIDE, NARROW):
                window = window_of(browser, server.url, dark=dark, size=size)
                taken(window, pages.outside(), dark=dark, width=size[0])
                window.sign_in()
                taken(window, pages.inside(PROJECT, "quakes"), dark=dark, width=size[0])
                window.context.close()
        browser.close()
    print(f"pictures are in {TARGET.relative_to(ROOT)}")


def taken(window: Visit, places: dict[str, str], *, dark: bool, width: int) -> None:
    for name, path in places.items():
        page = window.settle(path + SEEN.get(name, ""))
        page.screenshot(path=TARGET / f"{name.lower()}-{'dark' if dark else 'light'}-{width}.png")


if __name__ == "__main__":
    main()
