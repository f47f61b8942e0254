"""Devices push and pull, beside Kinto with its memory backend, which keeps nothing: its best case."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.load import Connection
from tests.bench.postgres import free_port
from tests.bench.table import Row, Skip, bench
from tests.bench.turns import ROUNDS, TINY, compared, in_turn, sized
from tests.server_process import ROOT, Server, create_key, serving

Connect = Callable[[], Connection]
"""One for each round: a server closes those that are idle while the other one works."""
NOTES = "/v1/sync/notes/delta"
PUSHED = 1_000
PULLED = sized(10_000, 2_000)
DEVICES, BATCHES, EACH = sized((32, 20, 50), (2, 2, 5))
QUIET_PULLS = sized(2_000, 20)
WITHOUT_LIMITS = {
    f"DELTA_{name}_PER_MINUTE": "off"
    for name in ("SYNC_PUSHES", "SYNC_PULLS", "RATE_LIMITS_INGEST", "RATE_LIMITS_QUERY")
}
_PEER = "kinto==26.5.0"
_PEER_DIRECTORY = ROOT / "build" / "peers" / "kinto"
_PEER_KEY = {"Authorization": "Basic YmVuY2g6YmVuY2g="}
_PEER_INI = """
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = {port}
[app:main]
use = egg:kinto
kinto.includes = kinto.plugins.default_bucket
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.userid_hmac_secret = bench
multiauth.policies = basicauth
kinto.batch_max_requests = 1000
"""


def record(number: int, version: int) -> dict[str, Any]:
    """Of 300 bytes."""
    text = f"{number * 2654435761 % 1000003} words of a note, version {version}, "
    return {"title": f"Note number {number}", "done": bool(number % 3), "text": (text * 9)[:240]}


@contextlib.contextmanager
def _delta() -> Iterator[tuple[Server, str]]:
    with tempfile.TemporaryDirectory() as directory:
        key = create_key(Path(directory), "bench")
        with serving(Path(directory), DELTA_LOG_LEVEL="warning", **WITHOUT_LIMITS) as server:
            yield server, key


def _batch(device: str, batch: int, numbers: range) -> bytes:
    changes = [
        {
            "change_id": f"{batch}-{number}",
            "record_id": f"record-{number}",
            "operation": "insert",
            "data": record(number, batch),
        }
        for number in numbers
    ]
    return msgspec.json.encode({"device_id": device, "batch_id": f"b{batch}", "changes": changes})


@contextlib.contextmanager
def _kinto() -> Iterator[str]:
    """Its address, of a new one."""
    if TINY:
        raise Skip("it is large to install")
    program = _PEER_DIRECTORY / "bin" / "kinto"
    if not program.exists():
        make = [sys.executable, "-m", "venv", str(_PEER_DIRECTORY)]
        install = [str(_PEER_DIRECTORY / "bin" / "pip"), "install", "--quiet", _PEER]
        if any(subprocess.run(each, capture_output=True).returncode for each in (make, install)):
            raise Skip(f"pip install {_PEER} failed")
    with tempfile.TemporaryDirectory() as directory:
        port, ini = free_port(), Path(directory) / "kinto.ini"
        ini.write_text(_PEER_INI.format(port=port))
        quiet = subprocess.DEVNULL
        process = subprocess.Popen([program, "start", "--ini", str(ini)], stdout=quiet, stderr=quiet)
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError, AssertionError), Connection(f"http://127.0.0.1:{port}", "") as connection:
            connection.get("/v1/")
            return
        time.sleep(0.1)
    raise Skip("Kinto does not start")


@bench("sync: push and pull beside Kinto")
def beside_kinto() -> Iterator[Row]:
    with contextlib.ExitStack() as opened:
        server, key = opened.enter_context(_delta())
        mine = _delta_rounds(partial(Connection, server.url, key))
        try:
            theirs = _kinto_rounds(partial(Connection, opened.enter_context(_kinto()), "", _PEER_KEY))
        except Skip as reason:
            yield Row("push 1,000 records in one request", next(mine)[0], "ms", note=f"no peer: {reason}")
            return
        rounds = in_turn(partial(next, mine), partial(next, theirs))
    pushes = [(1 / mine[0], 1 / peer[0]) for mine, peer in rounds]
    pulls = [(1 / mine[1], 1 / peer[1]) for mine, peer in rounds]
    anew = [(1 / mine[2], 1 / peer[1]) for mine, peer in rounds]
    kinto = "Kinto in memory"
    yield compared("push 1,000 records in one request", "/ms", pushes, kinto, bar=20, at_least=True, note="durable")
    made = "one page each, of texts made as they were pushed"
    yield compared(f"pull {PULLED:,} records", "/ms", pulls, kinto, bar=5, at_least=True, note=made)
    yield compared("the same, no record pulled before", "/ms", anew, kinto, at_least=True, note="all of it read anew")


def _delta_rounds(connect: Connect) -> Iterator[tuple[float, float, float]]:
    """With view=split pages are not put together of texts that are known."""
    with connect() as connection:
        for number in range(PULLED // PUSHED):
            body = _batch("filler", number, range(number * PUSHED, (number + 1) * PUSHED))
            connection.post(NOTES, body, wanted=200)
    for number in range(100, 100 + ROUNDS):
        body = _batch("device", number, range(PUSHED))
        with connect() as connection:
            took = _ms(partial(connection.post, NOTES, body, wanted=200))
            pull = partial(_pulled_ms, connection, f"{NOTES}?limit={PULLED}")
            yield took, pull(), _pulled_ms(connection, f"{NOTES}?limit={PULLED}&view=split")


def _kinto_rounds(connect: Connect) -> Iterator[tuple[float, float]]:
    notes = "/v1/buckets/default/collections/notes/records"

    def batch(version: int, first: int) -> bytes:
        requests = [
            {"path": f"{notes[3:]}/record-{number}", "body": {"data": record(number, version)}}
            for number in range(first, first + PUSHED)
        ]
        return msgspec.json.encode({"defaults": {"method": "PUT"}, "requests": requests})

    with connect() as connection:
        for number in range(PULLED // PUSHED):
            connection.post("/v1/batch", batch(number, number * PUSHED), wanted=200)
    for number in range(100, 100 + ROUNDS):
        body = batch(number, 0)
        with connect() as connection:
            took = _ms(partial(connection.post, "/v1/batch", body, wanted=200))
            yield took, _pulled_ms(connection, notes)


def _pulled_ms(connection: Connection, path: str) -> float:
    began = time.perf_counter()
    answer = connection.get(path)
    took = (time.perf_counter() - began) * 1e3
    assert answer.count(b'"title"') == PULLED
    return took


def _ms(work: Any) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


@bench("sync: devices that push")
def devices() -> Row:
    with _delta() as (server, key), ThreadPoolExecutor(DEVICES) as threads:
        lanes = [
            [_batch(f"device {device}", number, range(number * EACH, (number + 1) * EACH)) for number in range(BATCHES)]
            for device in range(DEVICES)
        ]
        began = time.perf_counter()
        list(threads.map(partial(_push_all, server.url, key), range(DEVICES), lanes))
        seconds = time.perf_counter() - began
    rate = DEVICES * BATCHES * EACH / seconds
    note = f"{DEVICES} people's devices, batches of {EACH}, durable"
    return Row("changes pushed", rate, "/s", bar=20_000, bar_on="ours", at_least=True, note=note)


def _push_all(url: str, key: str, device: int, bodies: list[bytes]) -> None:
    headers: Mapping[str, str] = {"x-sync-user": f"person {device}"}
    with Connection(url, key, headers) as connection:
        for body in bodies:
            connection.post(NOTES, body, wanted=200)


@bench("sync: bytes and quiet pulls")
def quiet() -> Iterator[Row]:
    with _delta() as (server, key), Connection(server.url, key) as connection:
        connection.post(NOTES, _batch("a", 0, range(PUSHED)), wanted=200)
        whole = connection.get(NOTES)
        cursor = msgspec.json.decode(whole)["next_cursor"]
        connection.post(NOTES, _batch("a", 1, range(0, PUSHED, 20)), wanted=200)
        part = connection.get(f"{NOTES}?cursor={cursor}")
        saved = 100 * (1 - len(part) / len(whole))
        yield Row("bytes saved at 5 % changed", saved, "%", bar=94.9, bar_on="ours", at_least=True)
        cursor = msgspec.json.decode(part)["next_cursor"]
        path = f"{NOTES}?cursor={cursor}&device_id=a"
        took = sorted(_ms(partial(connection.get, path)) for _ in range(QUIET_PULLS))
        note = f"median {took[len(took) // 2]:.2f} ms, {QUIET_PULLS} pulls"
        yield Row("pull with nothing new, p99", took[len(took) * 99 // 100], "ms", bar=2, bar_on="ours", note=note)
