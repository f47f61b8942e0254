"""The overview while news comes: an hour of 10 changes a second, in as short a time as the server takes for them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
from playwright.sync_api import CDPSession, Page

from tests.bench.browsing import LOGIN, browsing
from tests.bench.table import Row, bench
from tests.bench.turns import sized
from tests.browser.conftest import PROJECT

A_SECOND, ROUND_S, ROUNDS = 10, 2, sized(1_800, 6)
"""Changes of a second, seconds that come at once, and how often they do."""
POINTS = 6
"""The memory is measured so often; first after a sixth of the time, when all that is kept has its length."""
FLAT = 1.1
ENDPOINTS = A_SECOND * ROUND_S


@bench("dashboard: an hour of live updates")
def staying() -> Iterator[Row]:
    began = time.time() - ROUNDS * ROUND_S
    with browsing(_nothing) as at, httpx.Client(base_url=at.server.url) as client:
        told = client.post("/v1/auth/login", json=LOGIN).raise_for_status().json()
        client.headers = {"authorization": f"Bearer {told['access_token']}"}
        client.post("/v1/projects", json={"name": PROJECT}).raise_for_status()
        _send(client, -1, began)
        page = at.window()
        page.clock.install(time=began)
        at.open(page, "")
        page.wait_for_selector("tr[data-row]")
        devtools = page.context.new_cdp_session(page)
        measured = []
        for number in range(ROUNDS):
            _send(client, number, began)
            page.clock.run_for(ROUND_S * 1000)
            if (number + 1) % (ROUNDS // POINTS) == 0:
                measured.append(_megabytes(page, devtools))
    note = ", ".join(f"{megabytes:.2f}" for megabytes in measured) + f" MB over {ROUNDS * ENDPOINTS:,} changes"
    yield Row("overview: memory after an hour of news", max(measured) / measured[0], "x", bar=FLAT, note=note)


def _nothing(_directory: Path) -> None:
    """The server begins empty."""


def _send(client: httpx.Client, number: int, began: float) -> None:
    """One change of each endpoint."""
    at = datetime.fromtimestamp(began + (number + 1) * ROUND_S, UTC).isoformat()
    snapshots = [
        {"endpoint": f"gauge {endpoint}", "data": {"round": number, "level": number * 7 % 100}, "captured_at": at}
        for endpoint in range(ENDPOINTS)
    ]
    answer = client.post("/v1/snapshots/batch", params={"project_id": PROJECT}, json={"snapshots": snapshots})
    assert answer.status_code == 201, answer.text


def _megabytes(page: Page, devtools: CDPSession) -> float:
    """What the page holds once its news are worked in, after two collections: what a first one finishes frees more."""
    for _ in range(10):
        page.clock.run_for(1000)
        page.evaluate("() => fetch('healthz')")
    for _ in range(2):
        devtools.send("HeapProfiler.collectGarbage")
    used = devtools.send("Runtime.getHeapUsage")
    return sum(float(used.get(kind, 0)) for kind in ("usedSize", "embedderHeapUsedSize", "backingStorageSize")) / 1e6
