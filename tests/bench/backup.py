"""A backup of a large data directory beside events that come in at a steady rate."""

import asyncio
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from delta_server.app import open_services
from delta_server.config.sections import Config
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.options import Storage
from tests.bench.load import Connection
from tests.bench.table import Row, bench
from tests.bench.turns import compared, in_turn, sized
from tests.server_process import FROM_SOURCE, Server, create_key, environment, serving

STORED_BYTES = sized(2 << 30, 4 << 20)
SEGMENT_BYTES = sized(4 << 20, 1 << 20)
EVENTS_PER_S = 50_000
ROUNDS = sized(3, 1)
BATCH_EVENTS = sized(1000, 20)
CONNECTIONS = 2
ALONE_S = sized(6.0, 0.2)
ROUND = b"ROUND-000000"


class Ingested(NamedTuple):
    per_s: float
    seconds: float


@bench("backup: 2 GB beside 50,000 events/s")
def beside_events() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        asyncio.run(_fill(directory / "delta-data"))
        key = create_key(directory, "bench")
        size = (directory / "delta-data" / "delta.db").stat().st_size
        with serving(directory, DELTA_LOG_LEVEL="error") as server:
            send = _Sender(server, key)
            rounds = in_turn(partial(_while_backed_up, send, directory), partial(send.events, ALONE_S), rounds=ROUNDS)
            log_bytes = (directory / "delta-data" / "delta.db-wal").stat().st_size
    speed = median(size / 1e6 / beside.seconds for beside, _ in rounds)
    note = f"{size / 1e6:.0f} MB; copied, checked, compressed, compared"
    yield Row("backup beside events", speed, "MB/s", bar=150, at_least=True, note=note)
    kept = [(beside.per_s, alone.per_s) for beside, alone in rounds]
    note = f"{EVENTS_PER_S:,} a second are offered"
    yield compared("  events taken meanwhile", "/s", kept, "without a backup", bar=0.7, at_least=True, note=note)
    yield Row("  write-ahead log at its longest", log_bytes / 1e6, "MB", bar=512)


class _Sender:
    """Offers events at a steady rate, no two with the same id."""

    def __init__(self, server: Server, key: str) -> None:
        self._server, self._key = server, key
        self._sent = 0
        self._body = msgspec.json.encode([_event(number) for number in range(BATCH_EVENTS)])

    def events(self, seconds: float, until: threading.Event | None = None) -> Ingested:
        """For so long, or until it is over."""
        until = until or threading.Event()
        began = time.perf_counter()
        counts = [0] * CONNECTIONS
        threads = [
            threading.Thread(target=self._lane, args=(counts, lane, began, seconds, until))
            for lane in range(CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
        return Ingested(sum(counts) * BATCH_EVENTS / took, took)

    def _lane(self, counts: list[int], lane: int, began: float, seconds: float, until: threading.Event) -> None:
        every_s = BATCH_EVENTS * CONNECTIONS / EVENTS_PER_S
        with Connection(self._server.url, self._key) as connection:
            while not until.is_set() and (now := time.perf_counter()) - began < seconds:
                self._sent += 1
                body = self._body.replace(ROUND, b"%c%011d" % (97 + lane, self._sent))
                connection.post("/v1/events/batch", body, wanted=200)
                counts[lane] += 1
                time.sleep(max(0.0, min(began + counts[lane] * every_s, now + every_s) - time.perf_counter()))


def _while_backed_up(send: _Sender, directory: Path) -> Ingested:
    """Events that were taken, and how long the backup took."""
    over, took = threading.Event(), [0.0]

    def back_up() -> None:
        began = time.perf_counter()
        command = [*FROM_SOURCE, "backup", "backup.zst", "--overwrite"]
        subprocess.run(command, cwd=directory, env=environment(), check=True, capture_output=True)
        took[0] = time.perf_counter() - began
        over.set()

    thread = threading.Thread(target=back_up)
    thread.start()
    taken = send.events(600, over)
    thread.join()
    return Ingested(taken.per_s, took[0])


def _event(number: int) -> dict[str, object]:
    return {
        "messageId": f"{ROUND.decode()}-{number}",
        "eventType": ("page_view", "click", "purchase")[number % 3],
        "userId": f"user-{number * 7919 % 5000}",
        "source": "web",
        "duration": number * 31 % 4000,
        "data": {"path": f"/products/{number * 131 % 700}", "price": number % 97 + 0.99},
    }


async def _fill(data_dir: Path) -> None:
    """Sealed events, which compress no further, of a project of their own."""
    async with open_services(Config(storage=Storage(data_dir=data_dir))) as services:
        project = await services.db.write(_make_project)
        for _ in range(STORED_BYTES // SEGMENT_BYTES):
            await services.db.write(_put, project, os.urandom(SEGMENT_BYTES))


def _make_project(tx: Tx) -> int:
    account = tx.insert("INSERT INTO account (uid, name, created_at) VALUES (?, 'archive', 0)", tx.new_id())
    return tx.insert(
        "INSERT INTO project (uid, account, name, description, created_at, updated_at) VALUES (?, ?, 'old', '', 0, 0)",
        tx.new_id(),
        account,
    )


def _put(tx: Tx, project: int, parquet: bytes) -> None:
    segment = tx.insert(
        "INSERT INTO segment (project, events_count, first_at, last_at, types, json_bytes, stored_bytes, created_at,"
        " rolled) VALUES (?, 1048576, 0, 1, '{}', 0, ?, 0, 1)",
        project,
        len(parquet),
    )
    tx.run("INSERT INTO segment_data (segment, parquet) VALUES (?, ?)", segment, parquet)
