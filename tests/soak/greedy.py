"""Tenant A, who does the worst a caller can, all at the same time and again and again: `python -m tests.soak.greedy
URL KEY WRITE_KEY SECONDS`. A process of its own, at the lowest priority: in life its work is another machine's.

Each shape is a function that does one round and says how it was answered (0: not at all, as meant). At the end it
prints how often each was answered with what, for a shape that is always refused for another reason proves nothing.
DELTA_SOAK_SHAPES=name,name picks some.
"""

import gzip
import json
import os
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

DIGITS = 1_000_000
CHAIN = 4_000
HIGH_CARDINALITY = ["userId", "sessionId", "data.path"]


class Tenant:
    """One server's address and the keys of A. A connection that the server ends early is simply another round."""

    def __init__(self, url: str, key: str, write_key: str, seconds: float) -> None:
        self.address = urlsplit(url)
        self.key = key
        self.write_key = write_key
        self.until = time.monotonic() + seconds
        self.random = random.Random(1)
        self.pair: list[str] = []

    def open(self) -> socket.socket:
        return socket.create_connection((self.address.hostname, self.address.port), timeout=30)

    def head(self, method: str, target: str, length: int, key: str | None, *more: str) -> bytes:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.address.netloc}", f"Content-Length: {length}"]
        lines += [f"Authorization: Bearer {key}"] if key else []
        return "\r\n".join([*lines, "Content-Type: application/json", "Connection: close", *more, "", ""]).encode()

    def ask(self, method: str, target: str, body: object = b"", *more: str, key: str | None = None) -> int:
        """The status; the whole answer is read."""
        answer = self.answer(method, target, body, *more, key=key)
        return int(answer.split(b" ", 2)[1]) if answer else 0

    def answer(self, method: str, target: str, body: object = b"", *more: str, key: str | None = None) -> bytes:
        sent = body if isinstance(body, bytes) else msgspec.json.encode(body)
        with self.open() as opened:
            opened.sendall(self.head(method, target, len(sent), key or self.key, *more) + sent)
            return b"".join(iter(lambda: opened.recv(1 << 18), b""))

    def abandon(self, method: str, target: str, body: object, after_s: float) -> int:
        sent = body if isinstance(body, bytes) else msgspec.json.encode(body)
        with self.open() as opened:
            opened.sendall(self.head(method, target, len(sent), self.key) + sent)
            time.sleep(after_s)
        return 0

    def read_slowly(self, target: str, *, bytes_per_second: int, pieces: int) -> int:
        with self.open() as opened:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            opened.sendall(self.head("GET", target, 0, self.key))
            status = int(opened.recv(12).split(b" ")[1] or 0)
            for _ in range(pieces):
                if self.over() or not opened.recv(bytes_per_second // 4):
                    break
                time.sleep(0.25)
            return status

    def hold(self, sent: bytes, seconds: float) -> int:
        """A connection that sends no more and takes nothing."""
        with self.open() as opened:
            opened.sendall(sent)
            until = min(self.until, time.monotonic() + seconds)
            while time.monotonic() < until:
                time.sleep(0.5)
        return 0

    def over(self) -> bool:
        return time.monotonic() >= self.until

    def digits(self, count: int) -> bytes:
        return b"[" + b",".join(self.random.choices([b"%d" % n for n in range(10)], k=count)) + b"]"


def names_twice(a: Tenant) -> int:
    names = ",".join(f'"{i:x}":0' for i in range(40_000))
    return a.ask("POST", "/v1/query", f'{{"metrics":["count"],"filters":[{{{names},"zz":0,"zz":0}}]}}'.encode())


def elements(a: Tenant) -> int:
    return a.ask("POST", "/v1/query", b"[" + b"{}," * 300_000 + b"{}]")


def digit_arrays(a: Tenant) -> int:
    return a.ask("POST", "/v1/snapshots?endpoint=digits", a.digits(DIGITS))


def abandoned_comparisons(a: Tenant) -> int:
    pair = dict(zip(("from_snapshot_id", "to_snapshot_id"), a.pair, strict=True))
    return a.abandon("POST", "/v1/deltas/compare", pair, 0.15)


def comparison(a: Tenant) -> int:
    pair = dict(zip(("from_snapshot_id", "to_snapshot_id"), a.pair, strict=True))
    return a.ask("POST", "/v1/deltas/compare", pair)


def bodies_without_key(a: Tenant) -> int:
    return a.hold(a.head("POST", "/v1/events", 3 << 20, None) + b"x" * (1 << 20), 5)


def answered_early(a: Tenant) -> int:
    return a.hold(a.head("POST", "/v1/snapshots", 1000, None).replace(b"Connection: close\r\n", b"") + b"x", 5)


def alias_chain(a: Tenant) -> int:
    first = a.random.randrange(1 << 40)
    calls = [{"type": "alias", "userId": f"c{first + i + 1}", "previousId": f"c{first + i}"} for i in range(CHAIN)]
    return a.ask("POST", "/v1/batch", {"batch": calls}, key=a.write_key)


def one_user_again(a: Tenant) -> int:
    calls = [{"type": "identify", "userId": "u", "traits": {f"t{i % 50}": "x" * 900}} for i in range(CHAIN)]
    return a.ask("POST", "/v1/batch", {"batch": calls}, key=a.write_key)


def heavy_query(a: Tenant) -> int:
    limit = a.random.randrange(1, 10_000)
    return a.ask(
        "POST", "/v1/query", {"metrics": ["count"], "groupBy": HIGH_CARDINALITY, "range": "30d", "limit": limit}
    )


def heavy_funnel(a: Tenant) -> int:
    steps = ["page_view", "click", "search", "api_call", "login", "signup", "purchase", "logout"]
    return a.ask("POST", "/v1/query/funnel", {"steps": steps, "range": "365d", "window": "30d"})


def heavy_sql(a: Tenant) -> int:
    statement = "SELECT count(DISTINCT a.data) FROM events a, range(30) GROUP BY a.user_id ORDER BY 1"
    return a.ask("POST", "/v1/sql", {"sql": statement})


def slow_export(a: Tenant) -> int:
    return a.read_slowly("/v1/export/events?startTime=30d", bytes_per_second=45_000, pieces=40)


def slow_documents(a: Tenant) -> int:
    return a.read_slowly("/v1/snapshots/latest/large", bytes_per_second=3_000, pieces=40)


def idle_stream(a: Tenant) -> int:
    return a.hold(a.head("GET", "/v1/stream", 0, a.key), 20)


def bomb(a: Tenant) -> int:
    return a.ask("POST", "/v1/snapshots?endpoint=bomb", gzip.compress(b" " * 100_000_000, 1), "Content-Encoding: gzip")


def deep(a: Tenant) -> int:
    return a.ask("POST", "/v1/snapshots?endpoint=deep", b"[" * 200_000 + b"]" * 200_000)


def many_endpoints(a: Tenant) -> int:
    for _ in range(10):
        status = a.ask("POST", f"/v1/snapshots?endpoint=e{a.random.randrange(300)}", {"n": a.random.random()})
    return status


def many_documents(a: Tenant) -> int:
    rows = [{"id": i, "n": a.random.random(), "text": "x" * 60} for i in range(10_000)]
    a.ask("POST", "/v1/snapshots?endpoint=rows", rows)
    a.ask("GET", "/v1/endpoints/rows/blame?limit=1000")
    return a.ask("GET", "/v1/endpoints/rows/history?path=/5/n")


class Shape(msgspec.Struct, frozen=True):
    """`threads` at the same time; `answer` is the status it gets at least once."""

    threads: int
    answer: int


SHAPES: dict[Callable[[Tenant], int], Shape] = {
    names_twice: Shape(2, 400),
    elements: Shape(2, 400),
    digit_arrays: Shape(1, 201),
    abandoned_comparisons: Shape(8, 0),
    comparison: Shape(4, 200),
    bodies_without_key: Shape(10, 0),
    answered_early: Shape(60, 0),
    alias_chain: Shape(1, 200),
    one_user_again: Shape(1, 200),
    heavy_query: Shape(6, 200),
    heavy_funnel: Shape(2, 200),
    heavy_sql: Shape(4, 200),
    slow_export: Shape(8, 200),
    slow_documents: Shape(12, 200),
    idle_stream: Shape(60, 0),
    bomb: Shape(1, 413),
    deep: Shape(1, 400),
    many_endpoints: Shape(2, 201),
    many_documents: Shape(1, 200),
}


def main(a: Tenant) -> None:
    answers: dict[str, Counter[int]] = {shape.__name__: Counter() for shape in SHAPES}

    def again(shape: Callable[[Tenant], int]) -> None:
        while not a.over():
            try:
                answers[shape.__name__][shape(a)] += 1
            except OSError:
                time.sleep(0.05)  # the server ended the connection, as it may

    a.ask("POST", "/v1/snapshots?endpoint=large", [{"id": i, "text": "x" * 80} for i in range(100_000)])
    for _ in range(2):
        answer = a.answer("POST", "/v1/snapshots?endpoint=pair", a.digits(DIGITS // 4))
        a.pair.append(msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["snapshot"]["id"])
    chosen = os.environ.get("DELTA_SOAK_SHAPES", "")
    for shape, wanted in SHAPES.items():
        for _ in range(wanted.threads if shape.__name__ in chosen or not chosen else 0):
            threading.Thread(target=again, args=[shape], daemon=True).start()
    time.sleep(max(0, a.until - time.monotonic()))
    print(json.dumps(answers), flush=True)
    os._exit(0)  # some threads still wait for an answer


if __name__ == "__main__":
    os.nice(19)
    main(Tenant(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
