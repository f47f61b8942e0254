"""A delivery of NDJSON to a server on disk: bytes a second, and what the server's memory rises by meanwhile."""

import http.client
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from urllib.parse import urlsplit

import msgspec

from tests.bench.table import Row, bench
from tests.bench.turns import ROUNDS, sized
from tests.server_process import Server, create_key, serving

PIECE_ROWS = sized(70_000, 500)
"""Rows of 150 bytes, of which a delivery has the same again and again."""
PIECES = sized(100, 2)
BAR_MB_PER_S, BAR_MB = 120, 50


def _rows() -> bytes:
    """Of texts that do not compress to nothing."""
    return b"".join(
        msgspec.json.encode(
            {
                "id": number,
                "name": f"thing {number * 2654435761 % 1000003}",
                "price": number % 977 / 7,
                "tags": ["a", "b", str(number % 13)],
                "text": "%x" % (number * 0x9E3779B97F4A7C15 % (1 << 64)) * 4,
            }
        )
        + b"\n"
        for number in range(PIECE_ROWS)
    )


@bench("datasets: a delivery of 1 GB")
def upload() -> Iterator[Row]:
    piece = _rows()
    with tempfile.TemporaryDirectory() as directory:
        key = create_key(Path(directory), "bench")
        with serving(Path(directory), DELTA_LOG_LEVEL="warning") as server:
            _put(server, key, [piece])
            before = _peak_mb(server)
            rates = [_put(server, key, [piece] * PIECES) for _ in range(ROUNDS)]
            rise = _peak_mb(server) - before
    size = f"{len(piece) * PIECES / 1e6:,.0f} MB"
    yield Row(f"upload of {size} NDJSON", median(rates), "MB/s", bar=BAR_MB_PER_S, bar_on="ours", at_least=True)
    yield Row("peak memory of the server rises by", rise, "MB", bar=BAR_MB, bar_on="ours", note=f"{ROUNDS} in turn")


def _put(server: Server, key: str, pieces: list[bytes]) -> float:
    """MB a second."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=600)
    size = sum(map(len, pieces))
    began = perf_counter()
    connection.putrequest("PUT", "/v1/datasets/prices/shop/current")
    for name, value in (("authorization", f"Bearer {key}"), ("content-type", "application/x-ndjson")):
        connection.putheader(name, value)
    connection.putheader("content-length", str(size))
    connection.endheaders()
    for piece in pieces:
        connection.send(piece)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    answer.read()
    return size / (perf_counter() - began) / 1e6


def _peak_mb(server: Server) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024
