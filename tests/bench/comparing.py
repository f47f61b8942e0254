"""The page of comparisons in Chromium: two versions of 5 MB in which 20,000 leaves differ."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from playwright.sync_api import Page

from tests.bench.browsing import Browsing, browsing, import_hourly, painted_s
from tests.bench.diff import records_of_5_mb
from tests.bench.table import Row, bench
from tests.bench.turns import TINY

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
    with browsing(_two_versions) as at:
        yield from _measured(at, at.window())


def _two_versions(directory: Path) -> None:
    before = records_of_5_mb()[: 500 if TINY else None]
    after = [{**record, "amount": 1 + number} for number, record in enumerate(before)]
    import_hourly(directory, "large", [msgspec.json.encode(before), msgspec.json.encode(after)])


def _measured(at: Browsing, page: Page) -> Iterator[Row]:
    at.open(page, "/e/large/versions")
    page.wait_for_selector("tr[data-row]")
    at.open(page, "/e/large/compare")
    took = painted_s(page, ".rc")
    rows = int(page.locator("[role=treegrid]").get_attribute("aria-rowcount") or 0)
    yield Row("compare page: first paint", took, "s", bar=PAINT_S, note=f"5 MB each, {rows:,} lines, compared anew")
    frames = sorted(page.evaluate(_SCROLL))
    within = sum(frame <= FRAME_MS for frame in frames) / len(frames)
    note = f"median {frames[len(frames) // 2]:.0f} ms, longest {frames[-1]:.0f} ms, {STEP_PX} px a frame"
    yield Row("compare page: frames of 50 ms at most", within, "", bar=SHARE, at_least=True, note=note)
