"""The page of a document in Chromium: 5 MB at a past time, beside a peer's view of it; 200 versions by its slider."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from statistics import median

import msgspec
from playwright.sync_api import Page

from tests.bench import load
from tests.bench.browsing import Browsing, at_of, browsing, import_hourly, painted_s
from tests.bench.diff import NODE, node_or_skip, records_of_5_mb
from tests.bench.table import Row, bench
from tests.bench.turns import TINY, compared, in_turn, sized

PAINT_S, SOUGHT_S, FASTER = 1.0, 0.3, 0.1
STEPS, A_SECOND = sized(200, 4), 20
VERSIONS, FEW, AT = 4, 100, 2
"""Versions of the large document; how many values each changes; and the one that is opened, which changes one of every
record, as in the bench of comparisons."""
ROUNDS = sized(3, 1)

_SEARCH = """text => new Promise(done => {
  const began = performance.now();
  const look = () => {
    if (!document.querySelector(".row.focus mark")) return requestAnimationFrame(look);
    requestAnimationFrame(() => done(performance.now() - began));
  };
  const box = document.querySelector(".filter input");
  box.value = text;
  box.dispatchEvent(new InputEvent("input", {bubbles: true}));
  look();
})"""
_IS_COUNTED = f"() => document.querySelector('.pos')?.textContent.includes(' of {STEPS + 1}')"
_STEP = """steps => new Promise(done => {
  const slider = document.querySelector("[role=slider]");
  const value = () => [...document.querySelectorAll(".row")]
    .find(row => row.querySelector(".k")?.textContent === "step")?.querySelector(".v")?.textContent;
  const began = performance.now();
  let step = 0;
  const next = () => {
    if (value() === String(step)) step += 1;
    else return requestAnimationFrame(next);
    if (step > steps) return done((performance.now() - began) / 1e3);
    slider.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
    requestAnimationFrame(next);
  };
  next();
})"""


@bench("dashboard: opening a large document")
def opening() -> Iterator[Row]:
    node_or_skip()  # what installs the peer
    versions = _versions()
    opened: list[Opened] = []
    with browsing(lambda directory: import_hourly(directory, "large", versions)) as at, _pair(versions) as pair:
        rounds = in_turn(lambda: _open(at, opened), lambda: _peer(at, pair), rounds=ROUNDS)
    painted, sought = (median(side) for side in zip(*opened, strict=True))
    note = f"{len(versions[AT]) / 1e6:.1f} MB, a value of every record changed"
    yield Row("document page: first paint at a past time", painted, "s", bar=PAINT_S, note=note)
    yield compared("  with all that changed counted", "s", rounds, "jsondiffpatch's HTML of it", bar=FASTER)
    yield Row("  to a value that is searched", sought, "s", bar=SOUGHT_S, note="from its last letter, at once")


Opened = tuple[float, float]
"""Seconds to the first paint, and those of a search."""


def _versions() -> list[bytes]:
    records = records_of_5_mb()[: 500 if TINY else None]
    found = []
    for version in range(VERSIONS):
        for number in range(len(records) if version == AT else FEW):
            at = (version * 997 + number * 191) % len(records)
            records[at] = {**records[at], "amount": version * 100_000 + number}
        found.append(msgspec.json.encode(records))
    return found


def _open(at: Browsing, opened: list[Opened]) -> float:
    """Whoever opens it has been at the dashboard before, but not at this endpoint. Until the changes are there too."""
    page = at.window()
    at.open(page, "")
    page.wait_for_selector("tr[data-row]")
    at.open(page, f"/e/large?at={at_of(AT)}")
    painted, marked = painted_s(page, ".tree .row"), painted_s(page, ".tree .chip")
    opened.append((painted, page.evaluate(_SEARCH, "number 377") / 1e3))
    page.context.close()
    return marked


@contextlib.contextmanager
def _pair(versions: Sequence[bytes]) -> Iterator[str]:
    """Where the peer's page is, with the same two versions beside it."""
    documents = {"/before.json": versions[AT - 1], "/after.json": versions[AT]}
    handler = partial(_Files, documents, directory=str(NODE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/view.html"
        server.shutdown()


class _Files(SimpleHTTPRequestHandler):
    def __init__(self, documents: dict[str, bytes], *arguments: object, **options: str) -> None:
        self._documents = documents
        super().__init__(*arguments, **options)  # type: ignore[arg-type]  # as ThreadingHTTPServer calls its handlers

    def do_GET(self) -> None:
        body = self._documents.get(self.path)
        if body is None:
            return super().do_GET()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, *_: object) -> None:
        """Nothing of it is of interest."""


def _peer(at: Browsing, url: str) -> float:
    page = at.browser.new_page()
    page.goto(url, wait_until="commit")
    took = painted_s(page, ".jsondiffpatch-delta")
    page.close()
    return took


@bench("dashboard: stepping through versions")
def stepping() -> Row:
    bodies = cycle(load.documents())
    versions = [b'{"step":%d,"of":%s}' % (number, body) for number, body in zip(range(STEPS + 1), bodies, strict=False)]
    with browsing(lambda directory: import_hourly(directory, "steps", versions)) as at:
        page = at.window()
        at.open(page, f"/e/steps?at={at_of(0)}")
        page.wait_for_function(_IS_COUNTED)
        seconds = _stepped(page, STEPS)
    rate, size = STEPS / seconds, sum(map(len, versions)) / len(versions) / 1e3
    note = f"{len(versions)} versions of {size:.0f} kB by an arrow key, each drawn with its changes"
    return Row("document page: steps of its slider", rate, "/s", bar=A_SECOND, at_least=True, note=note)


def _stepped(page: Page, steps: int) -> float:
    return float(page.evaluate(_STEP, steps))
