"""500 endpoints polled every minute: how late polls begin, what they cost, and beside them changedetection.io."""

import asyncio
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec

from tests.bench.load import Connection
from tests.bench.postgres import free_port
from tests.bench.table import Row, Skip, bench
from tests.bench.turns import TINY, sized
from tests.server_process import ROOT, create_key, serving

ENDPOINTS = sized(500, 4)
EVERY = sized("1m", "10s")
MEASURED_S = sized(60.0, 1.0)
SETTLED_S = sized(70.0, 0.5)
"""The first polls come all at once; after a minute each has its own moment."""
HOSTS = 50
DOCUMENT_BYTES = 20_000
LAG_MS, CORE_SHARE, PEER_RATIO = 2_000, 0.4, 0.1
_PEER = "changedetection.io==0.60.10"
_PEER_DIRECTORY = ROOT / "build" / "peers" / "changedetection"


class Source:
    """Documents of 20 kB; of the paths with an even number one that never changes, and says so by its ETag."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])

    def __enter__(self) -> "Source":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def url(self, number: int) -> str:
        return f"http://127.0.0.{2 + number % HOSTS}:{self.port}/{number}.json"

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._answer, "0.0.0.0", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ", 2)[1]
            self.asked[path] += 1
            number = int(path.strip("/").partition(".")[0])
            is_steady = number % 2 == 0
            if is_steady and 'if-none-match: "1"' in head.lower():
                writer.write(b'HTTP/1.1 304 X\r\netag: "1"\r\n\r\n')
            else:
                body = _document(number, 0 if is_steady else self.asked[path])
                etag = b'etag: "1"\r\n' if is_steady else b""
                writer.write(
                    b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b"
                    % (etag, len(body), body)
                )
            await writer.drain()
        writer.close()


def _document(number: int, version: int) -> bytes:
    """A list of records, of which a few are others in each version."""
    records = [
        {
            "sku": f"{number}-{n}",
            "name": f"article {n} of shop {number}",
            "price": 100 + n + (version if n % 20 == 0 else 0),
        }
        for n in range(DOCUMENT_BYTES // 68)
    ]
    return msgspec.json.encode({"shop": number, "records": records})


@bench("polling: 500 endpoints every minute")
def every_minute() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name, Source() as source:
        directory = Path(name)
        key = create_key(directory, "shops")
        environment = {"DELTA_LOG_LEVEL": "warning", "DELTA_EGRESS_ALLOW_CIDRS": "127.0.0.0/8"}
        with serving(directory, **environment) as server, Connection(server.url, key) as connection:
            for number in range(ENDPOINTS):
                polling = {"url": source.url(number), "interval": EVERY}
                body = msgspec.json.encode({"name": f"e{number}", "polling": polling})
                connection.post("/v1/endpoints", body, wanted=201)
            time.sleep(SETTLED_S)
            used_ms, polls, seconds = _measured(source, server.process.pid)
            lags = sorted(_lags(server.url, key, seconds))
    note = f"{polls} polls in {seconds:.0f} s, of {DOCUMENT_BYTES // 1000} kB, half unchanged"
    late_ms = lags[min(len(lags) - 1, math.ceil(len(lags) * 0.99) - 1)] if lags else 0.0
    yield Row("polls: begin late, p99", late_ms, "ms", bar=LAG_MS, bar_on="ours", note=note)
    share = used_ms / 1e3 / seconds
    yield Row(
        "polls: of one core", share * 100, "%", bar=CORE_SHARE * 100, bar_on="ours", note="deltas and packs included"
    )
    yield _beside_peer(used_ms / max(1, polls))


def _measured(source: Source, pid: int) -> tuple[float, int, float]:
    """Of a while: processor time in ms, requests, seconds."""
    asked, used, began = source.asked.total(), _cpu_ms(pid), time.perf_counter()
    time.sleep(MEASURED_S)
    return _cpu_ms(pid) - used, source.asked.total() - asked, time.perf_counter() - began


def _cpu_ms(pid: int) -> float:
    """Of the process with all threads it had, and its children, those that have ended too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own_ms = sum(map(int, fields[11:15])) * 1e3 / os.sysconf("SC_CLK_TCK")
    return own_ms + sum(_cpu_ms(int(child)) for child in children)


def _lags(url: str, key: str, seconds: float) -> Iterator[float]:
    """By how many ms polls of the last while began after their moment, which follows from the endpoint's id."""
    every_ms = int(EVERY.rstrip("ms")) * (60_000 if EVERY.endswith("m") else 1000)
    for endpoint in _get(url, key, "/v1/endpoints?limit=1000")["data"]:
        phase = int.from_bytes(uuid.UUID(endpoint["id"]).bytes[10:], "big") % every_ms
        for poll in _get(url, key, f"/v1/endpoints/{endpoint['id']}/polls?from={math.ceil(seconds)}s")["data"]:
            yield (int(poll["id"]) - phase) % every_ms


def _get(url: str, key: str, path: str, method: str = "GET") -> Any:
    with urlopen(Request(f"{url}{path}", headers={"x-api-key": key}, method=method), timeout=60) as answer:
        return json.loads(answer.read() or b"{}")


def _beside_peer(ours_ms: float) -> Row:
    name = "polls: processor time of one"
    try:
        program = _peer_or_skip()
    except Skip as reason:
        return Row(name, ours_ms, "ms", note=f"no peer: {reason}")
    theirs_ms = _peer_ms(program)
    return Row(name, ours_ms, "ms", theirs_ms, "changedetection.io", bar=PEER_RATIO, note="as many, as often")


def _peer_or_skip() -> str:
    """The program, installed beside the other peers: it brings 700 MB."""
    if TINY:
        raise Skip("it is large to install")
    program = _PEER_DIRECTORY / "bin" / "changedetection.io"
    if not program.exists():
        make = [sys.executable, "-m", "venv", str(_PEER_DIRECTORY)]
        install = [str(_PEER_DIRECTORY / "bin" / "pip"), "install", "--quiet", _PEER]
        if any(subprocess.run(each, capture_output=True).returncode for each in (make, install)):
            raise Skip(f"pip install {_PEER} failed")
    return str(program)


def _peer_ms(program: str) -> float:
    """Processor time of one of its checks: as many addresses as often, measured alike."""
    with tempfile.TemporaryDirectory() as name, Source() as source:
        port = free_port()
        environment = {**os.environ, "ALLOW_IANA_RESTRICTED_ADDRESSES": "true", "LOGGER_LEVEL": "ERROR"}
        process = subprocess.Popen(
            [program, "-d", name, "-p", str(port), "-h", "127.0.0.1"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url, key = f"http://127.0.0.1:{port}", _peer_key(Path(name), port)
            for watch in _get(url, key, "/api/v1/watch"):
                _get(url, key, f"/api/v1/watch/{watch}", method="DELETE")
            for number in range(ENDPOINTS):
                often = {"time_between_check": {"minutes": 1}, "time_between_check_use_default": False}
                _post(url, key, {"url": source.url(number), **often})
            time.sleep(SETTLED_S)
            used_ms, checks, _ = _measured(source, process.pid)
            return used_ms / max(1, checks)
        finally:
            process.kill()
            process.wait()


def _peer_key(directory: Path, port: int) -> str:
    """Of the program, once it answers."""
    for _ in range(600):
        with contextlib.suppress(OSError, ValueError, KeyError):
            settings = json.loads((directory / "changedetection.json").read_text())
            key: str = settings["settings"]["application"]["api_access_token"]
            _get(f"http://127.0.0.1:{port}", key, "/api/v1/watch")
            return key
        time.sleep(0.1)
    raise Skip("changedetection.io does not start")


def _post(url: str, key: str, body: dict[str, Any]) -> None:
    headers = {"x-api-key": key, "content-type": "application/json"}
    with urlopen(Request(f"{url}/api/v1/watch", json.dumps(body).encode(), headers), timeout=60):
        pass
