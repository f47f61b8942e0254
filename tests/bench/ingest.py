"""Events into a real server over HTTP, each acknowledged when it is on disk and known by its message id."""

import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import apsw
import msgspec

from tests.bench import event_data, load
from tests.bench.load import Connection, Load, Send, Work
from tests.bench.table import Row, bench
from tests.bench.turns import sized
from tests.server_process import Server, create_key, run, serving

ROUNDS = sized(3, 1)
CONNECTIONS = sized(8, 2)
BATCH_EVENTS = sized(500, 5)
BATCHES_EACH = sized(100, 2)
SINGLE_CONNECTIONS = sized(32, 2)
SINGLES_EACH = sized(400, 3)
QUESTION = msgspec.json.encode(
    {"metrics": ["count", "p95_duration"], "groupBy": ["time:1h", "eventType"], "range": "30d", "limit": 10_000}
)


@bench("ingest: POST /v1/events/batch")
def batches() -> Iterator[Row]:
    lanes, size = _batches()
    rounds = [_sent(lanes) for _ in range(ROUNDS)]
    alone = median(_events_per_second(one) for one in rounds)
    note = f"{CONNECTIONS} connections, {BATCH_EVENTS} events of {size:.0f} bytes a request, median of {ROUNDS} rounds"
    yield Row("events in batches, durable, deduplicated", alone, "/s", bar=60_000, at_least=True, note=note)
    p99 = median(one.percentile_ms(0.99) for one in rounds)
    yield Row("  latency of a request p99", p99, "ms", bar=100)
    again = median(_events_per_second(_sent(lanes, resend=True)) for _ in range(ROUNDS))
    yield Row("  the same batches once more: all duplicates", again, "/s")
    beside = [_sent(lanes, asking=True) for _ in range(ROUNDS)]
    busy = median(_events_per_second(one) for one in beside)
    yield Row("  while a query runs in a loop", busy, "/s", alone, "without the queries", bar=0.7, at_least=True)


@bench("ingest: POST /v1/track")
def singles() -> Iterator[Row]:
    lanes, _ = _lanes(SINGLE_CONNECTIONS, SINGLES_EACH, 1)
    work = [[(0, _track(json.loads(body)["events"][0])) for _, body in lane] for lane in lanes]
    rounds = [_sent(work, target="/v1/track") for _ in range(ROUNDS)]
    note = f"{SINGLE_CONNECTIONS} connections, one event a request, median of {ROUNDS} rounds"
    yield Row("single events, durable", median(r.per_second for r in rounds), "/s", bar=2500, at_least=True, note=note)
    yield Row("  latency p99", median(r.percentile_ms(0.99) for r in rounds), "ms")


@bench("ingest: stored bytes")
def stored() -> Iterator[Row]:
    lanes, size = _batches()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with _ready(directory) as (server, key):
            load.run(partial(_sender, server.url, key, "/v1/events/batch"), lanes)
            server.stop()
        run(directory, "events", "seal")
        run(directory, "events", "compact")
        database = apsw.Connection(str(directory / "delta-data" / "delta.db"), apsw.SQLITE_OPEN_READONLY)
        count = _sum(database, "events_count", "segment")
        segments = _sum(database, "stored_bytes", "segment")
        keys = _sum(database, "length(keys)", "key_page") + _sum(database, "length(filter)", "key_run")
        rollups = _sum(database, "stored_bytes", "rollup")
        database.close()
    assert count == CONNECTIONS * BATCHES_EACH * BATCH_EVENTS
    note = "16 bytes of each are its random UUID"
    yield Row("sealed event", segments / count, "bytes", size, "its JSON", bar=0.1, note=note)
    yield Row("  its deduplication key, for a week", keys / count, "bytes", size, "its JSON")
    yield Row("  its share of the rollups", rollups / count, "bytes", size, "its JSON")


def _sum(database: apsw.Connection, what: str, table: str) -> int:
    [(found,)] = database.execute(f"SELECT coalesce(sum({what}), 0) FROM {table}").fetchall()
    assert isinstance(found, int)
    return found


def _batches() -> tuple[list[Work], float]:
    return _lanes(CONNECTIONS, BATCHES_EACH, BATCH_EVENTS)


def _lanes(connections: int, each: int, events: int) -> tuple[list[Work], float]:
    """What each connection sends, and the mean size of an event's JSON."""
    import duckdb

    count = connections * each * events
    made = event_data.made(duckdb.connect(), count=count, end_ms=time.time_ns() // 1_000_000, days=1, at_once=events)
    lanes: list[list[tuple[int, bytes]]] = [[] for _ in range(connections)]
    size = 0
    for number, rows in enumerate(made):
        parts = [msgspec.json.encode(event_data.wire(row)) for row in rows]
        size += sum(map(len, parts))
        lanes[number % connections].append((0, b'{"events":[' + b",".join(parts) + b"]}"))
    return list(lanes), size / count


def _track(event: dict[str, object]) -> bytes:
    named = {"event": event.pop("eventType"), "properties": event.pop("data"), "type": "track"}
    return json.dumps({**named, **event}).encode()


def _events_per_second(measured: Load) -> float:
    return measured.per_second * BATCH_EVENTS


def _sent(
    lanes: Sequence[Work], *, target: str = "/v1/events/batch", resend: bool = False, asking: bool = False
) -> Load:
    """One round against a new server; with `resend` the second sending of the same."""
    with tempfile.TemporaryDirectory() as directory, _ready(Path(directory)) as (server, key):
        connect = partial(_sender, server.url, key, target)
        if resend:
            load.run(connect, lanes)
        with _asking(server, key) if asking else contextlib.nullcontext():
            measured = load.run(connect, lanes)
        with Connection(server.url, key) as connection:
            answer = json.loads(connection.post("/v1/query", b'{"metrics":["count"],"range":"7d"}', wanted=200))
        per_request = BATCH_EVENTS if target.endswith("batch") else 1
        assert answer["rows"] == [{"count": sum(map(len, lanes)) * per_request}], answer
        return measured


@contextlib.contextmanager
def _asking(server: Server, key: str) -> Iterator[None]:
    """Queries one after the other for as long as this lasts."""
    done = threading.Event()

    def ask() -> None:
        with Connection(server.url, key) as connection:
            while not done.is_set():
                connection.post("/v1/query", QUESTION, wanted=200)

    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(ask)
        try:
            yield
        finally:
            done.set()
            asking.result()


@contextlib.contextmanager
def _ready(directory: Path) -> Iterator[tuple[Server, str]]:
    """A server with an empty database, and a key."""
    key = create_key(directory, "bench")
    with serving(directory, DELTA_LOG_LEVEL="warning") as server:
        yield server, key


@contextlib.contextmanager
def _sender(url: str, key: str, target: str) -> Iterator[Send]:
    with Connection(url, key) as connection:
        yield lambda _, body: _accepted(connection.post(target, body, wanted=200))


def _accepted(answer: bytes) -> None:
    assert b'"rejected":[]' in answer, answer
