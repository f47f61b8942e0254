"""A real server under load: snapshots in, deltas behind them, and how long everybody else waits meanwhile."""

import contextlib
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import msgspec

from tests.bench import load, postgres
from tests.bench.load import Connection, Load, Work
from tests.bench.table import Row, Skip, bench
from tests.bench.turns import compared, in_turn, sized
from tests.server_process import Server, create_key, serving

ROUNDS = sized(5, 1)
CONNECTIONS = sized(8, 2)
EACH = sized(100, 3)
LARGE_BYTES = sized(16_000_000, 20_000)
LARGE_POSTS = sized(4, 2)


class _Posted(msgspec.Struct, frozen=True):
    """One round: the requests, how many deltas were still to be computed after the last one, and for how long."""

    load: Load
    waiting: int
    wait_s: float


@bench("server: POST /v1/snapshots")
def post() -> Iterator[Row]:
    stretch = load.documents()
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as peers:
        address = None
        missing = ""
        try:
            address = peers.enter_context(postgres.cluster(Path(directory)))
        except Skip as reason:
            missing = f"no peer: {reason}"
        for what, shared, bar in (("an endpoint each", False, 0.9), ("all on one endpoint", True, 0.75)):
            work = load.lanes(stretch, connections=CONNECTIONS, each=EACH, shared=shared)
            rounds = in_turn(partial(_post, work), partial(_insert, address, work), rounds=ROUNDS)
            yield from _rows(what, work, rounds, bar, missing)


def _rows(
    what: str, work: Sequence[Work], rounds: list[tuple[_Posted, Load | None]], bar: float, missing: str
) -> Iterator[Row]:
    ours = [posted for posted, _ in rounds]
    peers = [peer for _, peer in rounds if peer]
    size = sum(len(body) for lane in work for _, body in lane) / (CONNECTIONS * EACH)
    note = f"{CONNECTIONS} connections, {size / 1e3:.0f} kB each, median of {ROUNDS} rounds"
    name = f"POST a snapshot, {what}"
    if peers:
        rates = [(posted.load.per_second, peer.per_second) for posted, peer in rounds if peer]
        yield compared(name, "/s", rates, "PostgreSQL, INSERT as jsonb", bar=bar, at_least=True, note=note)
    else:
        yield Row(name, median(posted.load.per_second for posted in ours), "/s", note=f"{note}; {missing}")
    for share in (0.5, 0.99):
        yield Row(
            f"  latency p{share * 100:.0f}",
            median(posted.load.percentile_ms(share) for posted in ours),
            "ms",
            median(peer.percentile_ms(share) for peer in peers) if peers else None,
        )
    through = median(len(p.load.latencies) / (p.load.seconds + p.wait_s) for p in ours)
    waited = f"{median(p.waiting for p in ours):.0f} to compute after the last answer"
    yield Row("  until all deltas are computed", median(p.wait_s for p in ours), "s", note=waited)
    yield Row("  snapshots with their deltas", through, "/s")


def _post(work: Sequence[Work]) -> _Posted:
    """One round against a new server."""
    with tempfile.TemporaryDirectory() as directory, _ready(Path(directory)) as (server, key, account):
        _make_endpoints(server, key)
        measured = load.run(partial(load.delta_sender, server.url, key), work)
        began = time.perf_counter()
        with Connection(server.url, account) as connection:
            waiting = load.wait_for_queues(connection)
            return _Posted(measured, waiting, time.perf_counter() - began)


def _insert(address: str | None, work: Sequence[Work]) -> Load | None:
    """None without PostgreSQL."""
    if address is None:
        return None
    postgres.make_table(address)
    return load.run(partial(postgres.sender, address), work)


@contextlib.contextmanager
def _ready(directory: Path) -> Iterator[tuple[Server, str, str]]:
    """A server with an empty database, a project's key and the account's."""
    key = create_key(directory, "bench")
    account = create_key(directory, None)
    with serving(directory, DELTA_LOG_LEVEL="warning") as server:
        yield server, key, account


def _make_endpoints(server: Server, key: str) -> None:
    with load.delta_sender(server.url, key) as send:
        for endpoint in range(CONNECTIONS):
            send(endpoint, b"{}")


@bench("server: waiting while others post")
def stalls() -> Iterator[Row]:
    stretch = load.documents()
    one = load.lanes(stretch, connections=1, each=2 * EACH, shared=False)
    many = load.lanes(stretch, connections=CONNECTIONS, each=EACH // 2, shared=False)
    large: list[Work] = [[(0, body) for body in _large()]]
    for what, work in (
        ("one caller posts 130 kB documents", one),
        (f"{CONNECTIONS} callers post 130 kB documents", many),
        ("one caller posts 16 MB documents", large),
    ):
        waits = _waits_during(work)
        note = f"median {median(waits):.1f} ms, {len(waits)} requests"
        yield Row(f"slowest GET /healthz while {what}", max(waits), "ms", note=note)


def _waits_during(work: Sequence[Work]) -> list[float]:
    """How long each of a row of small requests took while `work` was sent, in ms: the event loop's stalls, and the
    wait for one of the two cores."""
    with tempfile.TemporaryDirectory() as directory, _ready(Path(directory)) as (server, key, _):
        _make_endpoints(server, key)
        done = threading.Event()
        with ThreadPoolExecutor(1) as thread:
            waits = thread.submit(_probe, server, key, done)
            try:
                load.run(partial(load.delta_sender, server.url, key), work)
            finally:
                done.set()
            return waits.result()


def _probe(server: Server, key: str, done: threading.Event) -> list[float]:
    waits = []
    with Connection(server.url, key) as connection:
        while not done.wait(0.001):
            started = time.perf_counter()
            connection.get("/healthz")
            waits.append((time.perf_counter() - started) * 1e3)
    return waits


def _large() -> Iterator[bytes]:
    """Versions of a document of LARGE_BYTES with some records changed."""
    chance = random.Random(7)
    records = [{"id": i, "name": f"Customer number {i}", "amount": chance.random()} for i in range(LARGE_BYTES // 68)]
    for _ in range(LARGE_POSTS):
        for record in chance.sample(records, 50):
            record["amount"] = chance.random()
        yield msgspec.json.encode(records)
