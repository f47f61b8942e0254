"""`make screenshots`: pictures of all pages, light and dark, at 1440 and 390 px, in build/screenshots.

Those of a project in which nothing has happened begin with "empty"."""

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests import server_process
from tests.browser import pages
from tests.browser.conftest import EMAIL, FLAGS, NARROW, PASSWORD, PROJECT, WIDE, Visit, chromium, window_of
from tests.browser.furnished import EMPTY, Ids, furnished
from tests.histories import PACKAGED
from tests.server_process import ROOT, Server

TARGET = ROOT / "build" / "screenshots"
HIGHEST = 2600
"""As much of a long page is in its picture."""
COUNTRIES = "select data->>'country' as country, count(*) as n from events group by 1 order by 2 desc"
SEEN = {
    "Charts": ("e/grid/charts", "?f=/load_mw"),
    "Compare": ("e/quakes/compare", "?a=2025-05-21T01:30:31Z&b=2025-05-22T04:05:08Z"),
    "Document": ("e/quakes", "?at=2025-05-22T05:03:08Z"),
    "Events": ("events", "?by=data.country&vs=previous&docs=grid"),
    "Funnels": ("events/funnels", "?s=signup&s=page"),
    "Polls": ("e/rates/polls", ""),
    "Records": ("devices/records", "?type=lists&record=groceries"),
    "Sql": ("events/sql", f"?q={COUNTRIES.replace(' ', '%20').replace('>', '%3E')}"),
}
"""Where a page is looked at that is about one thing of many, below the project."""


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    history = str(PACKAGED / "usgs-quakes.ndjson.zst")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for endpoint in ("quakes", "quakes-europe"):
            server_process.run(directory, "import", "--project", PROJECT, "--endpoint", endpoint, history)
        env = {
            "DELTA_ADMIN_EMAIL": EMAIL,
            "DELTA_ADMIN_PASSWORD": PASSWORD,
            "DELTA_AUTH_REGISTRATION": "open",
            "DELTA_EGRESS_ALLOW_CIDRS": "127.0.0.0/8",
        }
        with server_process.serving(directory, **env) as server:
            with furnished(server) as ids:
                take(server, ids)
            server.stop()


def take(server: Server, ids: Ids) -> None:
    base = f"/p/{PROJECT}"
    places = pages.inside(PROJECT, "quakes") | {name: f"{base}/{path}{more}" for name, (path, more) in SEEN.items()}
    places |= {
        "Alerts": f"{base}/alerts?rule={ids.rule}",
        "Board": f"{base}/events/boards/{ids.board}",
        "Broken": f"{base}/e/broken-source/polls",
        "History": f"{base}/e/quakes?at=2025-05-22T05:03:08Z&panel=history&path=/metadata/count",
        "NewAlert": f"{base}/alerts?rule=new",
        "Person": f"{base}/events/people/u-1",
        "Webhooks": f"{base}/connect/webhooks?hook={ids.hook}&d={ids.delivery}",
    }
    outside = pages.outside() | {
        "Invitation": f"/invite/{ids.invitation}",
        "Reset": "/reset/token",
        "Shared": ids.shared,
        "Nowhere": "/nowhere",
    }
    empty = {f"Empty{name}": path for name, path in pages.inside(EMPTY, EMPTY).items() if path.startswith("/p/")}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for dark in (False, True):
            for size in (WIDE, NARROW):
                window = window_of(browser, server.url, dark=dark, size=size)
                taken(window, outside, dark=dark, size=size)
                window.sign_in()
                taken(window, places | empty, dark=dark, size=size)
                window.context.close()
        browser.close()
    print(f"pictures are in {TARGET.relative_to(ROOT)}")


def taken(window: Visit, places: dict[str, str], *, dark: bool, size: tuple[int, int]) -> None:
    """Each as high as it is: of what scrolls by itself, what there is room for in a usual window."""
    for name, path in places.items():
        page = window.settle(path)
        high = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": size[0], "height": min(HIGHEST, max(high, size[1]))})
        page.wait_for_timeout(100)  # what is drawn to measure is drawn anew
        page.screenshot(path=TARGET / f"{name.lower()}-{'dark' if dark else 'light'}-{size[0]}.png")
        page.set_viewport_size({"width": size[0], "height": size[1]})


if __name__ == "__main__":
    main()
