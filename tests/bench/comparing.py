"""The page of comparisons in Chromium: two versions of 5 MB in which 20,000 leaves differ."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from playwright.sync_api import Page, sync_playwright

from tests import server_process
from tests.bench.diff import records_of_5_mb
from tests.bench.table import Row, Skip, bench
from tests.bench.turns import TINY
from tests.browser.conftest import EMAIL, PASSWORD, PROJECT, WIDE, chromium

PAINT_S, FRAME_MS, SHARE = 1.5, 50, 0.95
"""Until the first rows are seen; and how long a frame may take in so many of them."""
FRAMES, STEP_PX = 12 if TINY else 240, 120

_SCROLL = f"""async () => {{
  const grid = document.querySelector(".ledger .grid");
  const took = [];
  let last = await new Promise(requestAnimationFrame);
  while (took.length < {FRAMES}) {{
    grid.scrollTop += {STEP_PX};
    const now = await new Promise(requestAnimationFrame);
    took.push(now - last);
    last = now;
  }}
  return took;
}}"""


@bench("dashboard: comparing two large versions")
def comparing() -> Iterator[Row]:
    if shutil.which("chromium") is None:
        raise Skip("no chromium here")
    env = {"DELTA_ADMIN_EMAIL": EMAIL, "DELTA_ADMIN_PASSWORD": PASSWORD}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        server_process.run(
            directory, "import", "--project", PROJECT, "--endpoint", "large", str(_two_versions(directory))
        )
        with server_process.serving(directory, **env) as server, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
            context = browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]})
            login = {"email": EMAIL, "password": PASSWORD, "cookie": True}
            context.request.post(f"{server.url}/v1/auth/login", data=login, headers={"origin": server.url})
            yield from _measured(context.new_page(), server.url)
            browser.close()
            server.stop()


def _two_versions(directory: Path) -> Path:
    before = records_of_5_mb()[: 500 if TINY else None]
    after = [{**record, "amount": 1 + number} for number, record in enumerate(before)]
    path = directory / "large.ndjson"
    lines = [
        {"at": f"2026-05-0{day}T00:00:00Z", "body": msgspec.json.encode(records).decode()}
        for day, records in enumerate((before, after), 1)
    ]
    path.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    return path


def _measured(page: Page, url: str) -> Iterator[Row]:
    page.goto(f"{url}/p/{PROJECT}/e/large/versions")
    page.wait_for_selector("tr[data-row]")
    started = time.perf_counter()
    page.goto(f"{url}/p/{PROJECT}/e/large/compare")
    page.wait_for_selector(".rc", timeout=60_000)
    took = time.perf_counter() - started
    rows = int(page.locator("[role=treegrid]").get_attribute("aria-rowcount") or 0)
    yield Row("compare page: first paint", took, "s", bar=PAINT_S, note=f"5 MB each, {rows:,} lines, compared anew")
    frames = sorted(page.evaluate(_SCROLL))
    within = sum(frame <= FRAME_MS for frame in frames) / len(frames)
    note = f"median {frames[len(frames) // 2]:.0f} ms, longest {frames[-1]:.0f} ms, {STEP_PX} px a frame"
    yield Row("compare page: frames of 50 ms at most", within, "", bar=SHARE, at_least=True, note=note)
