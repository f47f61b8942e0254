"""Load for a running server: each connection is a thread that sends one document after another."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Self
from urllib.parse import urlsplit

import msgspec

from tests import histories
from tests.bench.turns import sized

DOCUMENT_BYTES = 130_000
STRETCH = sized(400, 12)
"""Consecutive versions: long enough that a document comes again only after as many others."""

Work = Sequence[tuple[int, bytes]]
"""(endpoint's number, document) in the order one connection sends them."""

Send = Callable[[int, bytes], None]
"""Store one document in an endpoint, by its number; returns when it is durable."""


class Load(msgspec.Struct, frozen=True):
    """What one run of requests took. Latencies are of single requests, in seconds, in order."""

    seconds: float
    latencies: list[float]

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile_ms(self, share: float) -> float:
        return self.latencies[int(share * (len(self.latencies) - 1))] * 1e3


def documents() -> list[bytes]:
    """Consecutive versions of about DOCUMENT_BYTES: of ca-fires, else of the packaged history, three to a document."""
    if "ca-fires" in histories.names():
        versions = histories.versions("ca-fires")
        best = min(range(len(versions) - STRETCH), key=lambda start: _distance(versions[start : start + STRETCH]))
        return versions[best : best + STRETCH]
    versions = histories.versions(histories.names()[0])
    third = len(versions) // 3
    return [b"[" + b",".join(versions[i + part * third] for part in range(3)) + b"]" for i in range(third)]


def _distance(versions: Sequence[bytes]) -> int:
    return sum(abs(len(version) - DOCUMENT_BYTES) for version in versions)


def lanes(stretch: Sequence[bytes], *, connections: int, each: int, shared: bool) -> list[Work]:
    """What each connection sends: to an endpoint of its own, going through the stretch from a place of its own; or,
    when `shared`, all to one endpoint, taking the next version by turns."""
    size = len(stretch)
    if shared:
        return [[(0, stretch[(i * connections + c) % size]) for i in range(each)] for c in range(connections)]
    return [[(c, stretch[(c * size // connections + i) % size]) for i in range(each)] for c in range(connections)]


def run(connect: Callable[[], AbstractContextManager[Send]], work: Sequence[Work]) -> Load:
    """Send each list over a connection of its own, all at the same time."""
    with ExitStack() as opened, ThreadPoolExecutor(len(work)) as threads:
        senders = [opened.enter_context(connect()) for _ in work]
        started = time.perf_counter()
        measured = list(threads.map(_lane, senders, work))
        seconds = time.perf_counter() - started
    return Load(seconds, sorted(latency for lane in measured for latency in lane))


def _lane(send: Send, work: Work) -> list[float]:
    latencies = []
    for endpoint, document in work:
        started = time.perf_counter()
        send(endpoint, document)
        latencies.append(time.perf_counter() - started)
    return latencies


class Connection:
    """HTTP/1.1 over one socket, without the client's own work being measured."""

    def __init__(self, url: str, key: str, headers: Mapping[str, str] = {}) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        credential = f"Authorization: Bearer {key}\r\n" if key else ""
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._head = f"Host: {address.netloc}\r\n{credential}{more}Content-Type: application/json\r\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def post(self, target: str, body: bytes, *, wanted: int = 201) -> bytes:
        return self.send("POST", target, body, wanted=wanted)

    def send(self, method: str, target: str, body: bytes, *, wanted: int = 200) -> bytes:
        status, answer = self._exchange(method, target, body)
        assert status == wanted, (status, answer)
        return answer

    def get(self, target: str) -> bytes:
        status, answer = self._exchange("GET", target, b"")
        assert status == 200, (status, answer)
        return answer

    def _exchange(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        head = f"{method} {target} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._received()
        answered, _, rest = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", answered)
        pieces, missing = [rest], int(length[1]) - len(rest) if length else 0
        while missing > 0:
            pieces.append(self._received())
            missing -= len(pieces[-1])
        return int(answered.split(b" ", 2)[1]), b"".join(pieces)

    def _received(self) -> bytes:
        data = self._socket.recv(1 << 18)
        assert data, "the server closed the connection"
        return data


@contextmanager
def delta_sender(url: str, key: str) -> Iterator[Send]:
    with Connection(url, key) as connection:
        yield lambda endpoint, document: _stored(connection.post(f"/v1/snapshots?endpoint=e{endpoint}", document))


def _stored(answer: bytes) -> None:
    assert b'"content_hash"' in answer


def wait_for_queues(connection: Connection, timeout_s: float = 120) -> int:
    """Wait until nothing is left for the background; how much was at first."""
    until, first = time.monotonic() + timeout_s, -1
    while time.monotonic() < until:
        waiting = sum(json.loads(connection.get("/healthz/details"))["queues"].values())
        first = waiting if first < 0 else first
        if not waiting:
            return first
        time.sleep(0.02)
    raise AssertionError("the background did not finish")
