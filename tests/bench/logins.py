"""Very many people sign in at once: what memory that takes, and how long everybody else waits meanwhile."""

import asyncio
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from delta_server import app
from delta_server.config.sections import Config
from delta_server.features.users import service as users
from delta_server.features.users import tokens
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.options import Storage
from tests.bench import load
from tests.bench.load import Connection, Send
from tests.bench.table import Row, bench
from tests.bench.turns import sized
from tests.features.users.people import HASH, PASSWORD
from tests.server_process import Server, create_key, serving

PEOPLE = sized(200, 3)
WATCH_S = 0.01


@bench("logins: 200 people at once")
def logins() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        key = create_key(directory, "bench")
        asyncio.run(_add_people(directory / "delta-data"))
        env = {"DELTA_RATE_LIMITS_AUTH_PER_MINUTE": "off", "DELTA_LOG_LEVEL": "warning"}
        with serving(directory, **env) as server, ThreadPoolExecutor(2) as threads:
            load.run(partial(_signing_in, server.url), [[(0, b"")]])  # what the first login loads is there already
            before, done = server.memory_bytes(), threading.Event()
            waits = threads.submit(_until, done, partial(_get_all, server, key))
            peak = threads.submit(_until, done, lambda seen: seen.append(server.memory_bytes()))
            try:
                took = load.run(partial(_signing_in, server.url), [[(number, b"")] for number in range(PEOPLE)])
            finally:
                done.set()
            others, note = sorted(waits.result()), f"{PEOPLE} logins within {took.seconds:.1f} s"
            yield Row("memory that rises", (max(peak.result()) - before) / 1e6, "MB", bar=150, bar_on="ours", note=note)
            p99 = others[int(0.99 * (len(others) - 1))]
            note = f"of {len(others)}; median {others[len(others) // 2]:.1f} ms"
            yield Row("p99 of a GET meanwhile", p99, "ms", bar=100, bar_on="ours", note=note)


async def _add_people(directory: Path) -> None:
    async with app.open_services(Config(storage=Storage(data_dir=directory))) as svc:
        await tokens.prepare(svc)
        await svc.db.write(_add)


def _add(tx: Tx) -> None:
    for number in range(PEOPLE):
        users.add(tx, email=f"person{number}@example.com", name="", role="member", password=HASH)


@contextmanager
def _signing_in(url: str) -> Iterator[Send]:
    with Connection(url, "") as connection:
        yield lambda number, _: _login(connection, number)


def _login(connection: Connection, number: int) -> None:
    body = json.dumps({"email": f"person{number}@example.com", "password": PASSWORD})
    assert b"access_token" in connection.post("/v1/auth/login", body.encode(), wanted=200)


def _until(done: threading.Event, see: Callable[[list[float]], None]) -> list[float]:
    seen: list[float] = []
    while not seen or not done.wait(WATCH_S):
        see(seen)
    return seen


def _get_all(server: Server, key: str, seen: list[float]) -> None:
    """Of a connection of its own, as each caller has."""
    with Connection(server.url, key) as connection:
        started = time.perf_counter()
        connection.get("/v1/projects")
        seen.append((time.perf_counter() - started) * 1e3)
