"""The overview in a Chromium whose cache is empty: until 1,000 endpoints are listed, and what goes over the wire."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from playwright.sync_api import Page

from delta_server import app
from delta_server.config.sections import Config
from delta_server.features.snapshots.importing import Version
from delta_server.storage.sqlite.options import Storage
from tests.bench.browsing import Browsing, browsing, painted_s
from tests.bench.history import BENCH, fill
from tests.bench.overview import ENDPOINTS, fill_endpoints
from tests.bench.table import Row, bench
from tests.bench.turns import ROUNDS

USABLE_S, WIRE_KB = 1.0, 150


@bench("dashboard: first load")
def first_load() -> Iterator[Row]:
    with browsing(lambda directory: asyncio.run(_fill(directory))) as at:
        rounds = [_loaded(at) for _ in range(ROUNDS)]
    seconds, kilobytes = (median(side) for side in zip(*rounds, strict=True))
    note = f"{ENDPOINTS:,} endpoints, by a link, nothing cached"
    yield Row("first load: to the overview usable", seconds, "s", bar=USABLE_S, note=note)
    yield Row("  over the wire", kilobytes, "kB", bar=WIRE_KB, note="with headers, and what changed lately")


async def _fill(directory: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    async with app.open_services(Config(storage=Storage(data_dir=directory / "delta-data"))) as svc:
        endpoint = await fill(svc, "first", [Version(now_ms, b"{}")])
        await fill_endpoints(svc, endpoint.project, now_ms)


def _loaded(at: Browsing) -> tuple[float, float]:
    page = at.window()
    received = _received(page)
    at.open(page, "", project=BENCH)
    took = painted_s(page, "tr[data-row]")
    page.wait_for_selector(".feed .item")  # what is beside the list counts too
    page.context.close()
    return took, sum(received) / 1e3


def _received(page: Page) -> list[int]:
    """The bytes of each answer as they came: compressed, with its headers."""
    sizes: list[int] = []
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
    return sizes
