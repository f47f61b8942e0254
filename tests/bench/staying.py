"""The overview while news comes: an hour of 10 changes a second, in as short a time as the server takes for them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
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
INSPECTED = "blink::NetworkResourcesData"


class Meta(msgspec.Struct):
    node_fields: list[str]


class Head(msgspec.Struct):
    meta: Meta


class HeapSnapshot(msgspec.Struct):
    """As V8 writes it: each node is as many numbers as there are fields."""

    snapshot: Head
    nodes: list[int]
    strings: list[str]


@bench("dashboard: an hour of live updates")
def staying() -> Iterator[Row]:
    began = time.time() - ROUNDS * ROUND_S
    with browsing(_nothing) as at, httpx.Client(base_url=at.server.url, timeout=120) as client:
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
                measured.append(_megabytes(page, devtools, ENDPOINTS * (number + 2)))
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


def _megabytes(page: Page, devtools: CDPSession, versions: int) -> float:
    """What the page holds once its news are worked in, by a heap snapshot, which collects garbage first."""
    while f"{versions:,}" not in page.locator(".figs").inner_text():
        page.clock.run_for(1000)
        page.evaluate("async () => (await fetch('healthz')).text()")  # an answer that nobody reads would stay
    page.clock.run_for(10_000)  # what is below the figures follows within two seconds
    chunks: list[str] = []
    devtools.on("HeapProfiler.addHeapSnapshotChunk", lambda told: chunks.append(told["chunk"]))
    devtools.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    return _held(msgspec.json.decode("".join(chunks), type=HeapSnapshot)) / 1e6


def _held(heap: HeapSnapshot) -> int:
    """Bytes of all nodes, but of what the inspector keeps of each answer while Playwright watches the network."""
    fields = heap.snapshot.meta.node_fields
    name, size, width = fields.index("name"), fields.index("self_size"), len(fields)
    inspected = {at for at, text in enumerate(heap.strings) if text.startswith(INSPECTED)}
    nodes = heap.nodes
    return sum(nodes[at + size] for at in range(0, len(nodes), width) if nodes[at + name] not in inspected)
