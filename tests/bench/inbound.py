"""Deliveries of other services, each verified and stored."""

import hmac
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.load import Connection
from tests.bench.table import Row, bench
from tests.bench.turns import sized
from tests.server_process import run, serving

DELIVERIES = sized(1_000, 10)
BYTES = 10_000
SECRET = "a-secret-of-the-sender"


@bench("inbound webhooks: a delivery of 10 kB")
def deliveries() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        key = run(directory, "key", "create", "--project", "hooks").stdout.strip()
        with serving(directory, DELTA_LOG_LEVEL="warning") as server, Connection(server.url, key) as connection:
            connection.post("/v1/endpoints", b'{"name":"repo"}')
            settings = json.dumps({"verify": {"scheme": "github", "secret": SECRET}}).encode()
            made = json.loads(connection.send("PUT", "/v1/endpoints/repo/inbound-webhook", settings))
            path = urlsplit(made["url"]).path
            deliver, post = partial(_delivered_ms, server.url, path), partial(_posted_ms, server.url, key)
            rounds = [(deliver(2 * number), post(2 * number + 1)) for number in range(DELIVERIES)]
    taken_ms, plain_ms = (sorted(round[at] for round in rounds) for at in (0, 1))
    last = int(0.99 * (DELIVERIES - 1))
    yield Row(
        "a delivery of 10 kB, GitHub's signature: p99",
        taken_ms[last],
        "ms",
        plain_ms[last],
        "POST /v1/snapshots",
        bar=20.0,
        bar_on="ours",
        note=f"{DELIVERIES} by turns, each another document; median {taken_ms[DELIVERIES // 2]:.1f} ms",
    )


def _document(number: int) -> bytes:
    text = "".join(f"{number * 7919 + at:09}" for at in range(BYTES // 9))
    return json.dumps({"action": "opened", "number": number, "text": text}).encode()


def _delivered_ms(url: str, path: str, number: int) -> float:
    body = _document(number)
    signature = hmac.digest(SECRET.encode(), body, "sha256").hex()
    headers = {"X-Hub-Signature-256": f"sha256={signature}", "X-GitHub-Delivery": f"d{number}"}
    with Connection(url, "", headers) as sender:
        return _ms(partial(sender.post, path, body, wanted=200))


def _posted_ms(url: str, key: str, number: int) -> float:
    with Connection(url, key) as sender:
        return _ms(partial(sender.post, "/v1/snapshots?endpoint=plain", _document(number)))


def _ms(send: Callable[[], object]) -> float:
    began = time.perf_counter()
    send()
    return (time.perf_counter() - began) * 1e3
