"""Deliveries to a local receiver: how many a second, what dead receivers cost the others, and what ten webhooks cost
whoever stores snapshots."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from urllib.request import urlopen

from tests.bench import load
from tests.bench.load import Connection
from tests.bench.table import Row, bench
from tests.bench.turns import compared, in_turn, sized
from tests.server_process import ROOT, Server, run, serving

ENDPOINTS = 50
DELIVERIES = sized(10_000, 50)
HEALTHY, DEAD, OF_PROJECT = sized(180, 4), sized(20, 2), 50
EACH = sized(40, 2)
"""Snapshots of each project, of which all its webhooks hear."""
ROUNDS = sized(3, 1)
MATCHING = 10
POSTS, CONNECTIONS = sized(200, 5), 4
ENV = {"DELTA_LOG_LEVEL": "warning", "DELTA_EGRESS_ALLOW_CIDRS": "127.0.0.0/8"}


class Receiver:
    """In a process of its own; /count/NAME of its port says how many came to /NAME."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self.url = f"http://127.0.0.1:{int(process.stdout.readline())}"

    def count(self, name: str) -> int:
        return int(urlopen(f"{self.url}/count/{name}").read())

    def open(self) -> None:
        urlopen(f"{self.url}/open").read()

    def wait_for(self, name: str, count: int, timeout_s: float = 300) -> None:
        until = time.monotonic() + timeout_s
        while self.count(name) < count:
            assert time.monotonic() < until, f"{self.count(name)} of {count} arrived"
            time.sleep(0.01)


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    command = [sys.executable, str(Path(__file__).with_name("webhook_receiver.py"))]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Receiver(process)
        finally:
            process.kill()


@bench("webhooks: deliveries a second")
def rate() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name, receiving() as receiver:
        key = run(Path(name), "key", "create", "--project", "p", "--scope", "admin").stdout.strip()
        with serving(Path(name), **ENV) as server, Connection(server.url, key) as connection:
            webhook = _make(connection, f"{receiver.url}/closed", ["snapshot.created"])
            _post(connection, DELIVERIES)
            _wait_for_rows(connection)
            before = receiver.count("closed")
            receiver.open()
            began = time.perf_counter()
            connection.post(f"/v1/webhooks/{webhook}/test", b"{}", wanted=202)
            receiver.wait_for("closed", before + DELIVERIES + 1)
            per_second = DELIVERIES / (time.perf_counter() - began)
    yield Row(
        "webhooks: deliveries to a local receiver", per_second, "/s", bar=1000, at_least=True,
        note=f"{DELIVERIES:,} about {ENDPOINTS} endpoints that had waited",
    )  # fmt: skip


@bench("webhooks: dead receivers beside healthy ones")
def dead() -> Iterator[Row]:
    rounds = in_turn(partial(_seconds, "hangs"), partial(_seconds, "others"), rounds=ROUNDS)
    what = f"webhooks: until {HEALTHY} have all, {DEAD} dead beside them"
    yield compared(what, "s", rounds, "none is dead", bar=1.1)


def _seconds(others: str) -> float:
    """Until all webhooks but DEAD, which send to the path `others`, have heard of all snapshots."""
    with tempfile.TemporaryDirectory() as name, receiving() as receiver:
        projects = [f"p{number}" for number in range(-(-(HEALTHY + DEAD) // OF_PROJECT))]
        keys = [
            run(Path(name), "key", "create", "--project", each, "--scope", "admin").stdout.strip() for each in projects
        ]
        with serving(Path(name), **ENV) as server, contextlib.ExitStack() as opened:
            connections = [opened.enter_context(Connection(server.url, key)) for key in keys]
            for number in range(HEALTHY + DEAD):
                path = others if number < DEAD else "in"
                _make(connections[number % len(connections)], f"{receiver.url}/{path}", ["snapshot.created"])
            began = time.perf_counter()
            for connection in connections:
                _post(connection, EACH)
            receiver.wait_for("in", HEALTHY * EACH)
            return time.perf_counter() - began


@bench("webhooks: POST with ten that match")
def posting() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name, receiving() as receiver:
        keys = [run(Path(name), "key", "create", "--project", of, "--scope", "admin").stdout.strip() for of in "ab"]
        with serving(Path(name), **ENV) as server:
            with Connection(server.url, keys[0]) as connection:
                for _ in range(MATCHING):
                    _make(connection, f"{receiver.url}/in", ["snapshot.created"])
            rates = [partial(_posted, server, key, receiver) for key in keys]
            for each in rates:
                each()
            rounds = in_turn(*rates, rounds=sized(5, 1))
    yield compared(
        f"POST a snapshot, {MATCHING} webhooks hear of it", "/s", rounds, "without", bar=0.9, at_least=True,
        note=f"{CONNECTIONS} connections, 1 kB",
    )  # fmt: skip


def _posted(server: Server, key: str, receiver: Receiver) -> float:
    """Snapshots a second; begins when what the round before brought has arrived."""
    seen = -1
    while seen != (seen := receiver.count("in")):
        time.sleep(0.5)
    document = b'{"n":%d,"text":"' + b"x" * 1000 + b'"}'
    work = [[(lane, document % (time.time_ns() + n)) for n in range(POSTS)] for lane in range(CONNECTIONS)]
    return load.run(partial(load.delta_sender, server.url, key), work).per_second


def _make(connection: Connection, url: str, events: Sequence[str]) -> str:
    body = {"name": "w", "url": url, "events": list(events), "retry_schedule": ["1h"]}
    made: str = json.loads(connection.post("/v1/webhooks", json.dumps(body).encode()))["webhook"]["id"]
    return made


def _post(connection: Connection, snapshots: int) -> None:
    for start in range(0, snapshots, 500):
        batch = [
            {"endpoint": f"e{number % ENDPOINTS}", "data": {"n": number}}
            for number in range(start, min(snapshots, start + 500))
        ]
        connection.post("/v1/snapshots/batch", json.dumps({"snapshots": batch}).encode())


def _wait_for_rows(connection: Connection) -> None:
    """Until all deliveries of the one webhook have their rows."""
    waiting = 0
    while waiting < min(DELIVERIES, 10_000):
        waiting = json.loads(connection.get("/v1/webhooks?include=summary"))["data"][0]["waiting"]
        time.sleep(0.05)
