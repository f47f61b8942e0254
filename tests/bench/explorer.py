"""What the explorer asks when it is opened, of ten million events of thirty days: the last seven days as one number and
by the hour, and the newest hundred events, all at once, as a browser does."""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec

from delta_server.core.times import DAY_MS
from tests.bench.analytics import COUNTS, fill, text
from tests.bench.load import Connection
from tests.bench.table import Row, bench
from tests.bench.turns import sized
from tests.server_process import create_key, serving

COUNT = COUNTS["10M"]
SHOWN_DAYS = sized(7, 1)
TIMES = sized(60, 2)
ZONE = "Europe/Berlin"
BAR_MS = 60
HOUR_MS = 3_600_000


@bench("explorer: its default view of ten million events")
def default_view() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as opened:
        directory, end_ms = Path(name), time.time_ns() // 1_000_000 // DAY_MS * DAY_MS
        asyncio.run(fill(directory / "delta-data", COUNT, end_ms))
        key = create_key(directory, "bench")
        server = opened.enter_context(serving(directory, DELTA_LOG_LEVEL="warning"))
        threads = opened.enter_context(ThreadPoolExecutor(len(_QUESTIONS)))
        browser = [opened.enter_context(Connection(server.url, key)) for _ in _QUESTIONS]
        _view_ms(threads, browser, end_ms)  # the first finds nothing in memory
        taken = sorted(_view_ms(threads, browser, end_ms - turn * HOUR_MS) for turn in range(1, TIMES + 1))
    p95, median = (taken[int(share * (TIMES - 1))] for share in (0.95, 0.5))
    note = f"p95 of {TIMES}, each of another hour; median {median:.1f} ms"
    yield Row("explorer's default view at 10M events", p95, "ms", bar=BAR_MS, note=note)


def _view_ms(threads: Executor, browser: list[Connection], end_ms: int) -> float:
    """Until the last of the answers."""
    began = time.perf_counter()
    asked = [
        threads.submit(question, connection, end_ms) for question, connection in zip(_QUESTIONS, browser, strict=True)
    ]
    for answer in asked:
        assert answer.result()
    return (time.perf_counter() - began) * 1e3


def _rows(more: dict[str, object], connection: Connection, end_ms: int) -> object:
    body = {"metrics": ["count"], "range": _span(end_ms), "timezone": ZONE, "filters": [], **more}
    return msgspec.json.decode(connection.post("/v1/query", json.dumps(body).encode(), wanted=200))["rows"]


def _newest(connection: Connection, end_ms: int) -> object:
    begin, end = _span(end_ms)
    return msgspec.json.decode(connection.get(f"/v1/events/raw?limit=100&startTime={begin}&endTime={end}"))["data"]


def _span(end_ms: int) -> list[str]:
    return [text(end_ms - SHOWN_DAYS * DAY_MS), text(end_ms)]


_QUESTIONS: tuple[Callable[[Connection, int], object], ...] = (
    partial(_rows, {}),
    partial(_rows, {"groupBy": ["time:1h"], "fill": "zero", "limit": 10_000}),
    _newest,
)
