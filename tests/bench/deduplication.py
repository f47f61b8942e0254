"""What the one writer takes to know message ids of sealed events, and to find those that are new or known: runs of keys
with their filters, beside the same runs without, and beside a table of keys in SQLite, all of it in the page cache."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random

from delta_server.core.event_storage.key_run import KEY_BYTES, KeyFilter, KeyProbes, build
from delta_server.storage.database import Tx
from delta_server.storage.events.ingest import key_runs
from delta_server.storage.sqlite.adapter import SqliteDatabase
from delta_server.storage.sqlite.options import Storage
from delta_server.storage.system_clock import SystemClock
from tests.bench.table import Row, bench
from tests.bench.turns import ROUNDS, compared, sized

RUNS = 12
KEYS = sized(250_000, 500)
"""Of a run."""
BATCH = sized(2_000, 20)
MARGIN = 5
"""So many standard deviations from where a key of a run should stand it is looked for without a filter."""

Look = Callable[[Tx, Sequence[bytes]], int]


@bench("deduplication: a message id among twelve runs")
def message_ids() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        yield from asyncio.run(_measured(Path(name)))


async def _measured(directory: Path) -> list[Row]:
    rng = Random(1)
    db = SqliteDatabase.open(Storage(data_dir=directory), SystemClock())
    await db.write(lambda tx: tx.run("CREATE TABLE peer (key BLOB PRIMARY KEY) STRICT, WITHOUT ROWID"))
    stored: list[tuple[float, float]] = []
    filters: dict[int, KeyFilter] = {}
    known: list[bytes] = []
    sizes = []
    for _ in range(RUNS):
        keys = [rng.randbytes(KEY_BYTES) for _ in range(KEYS)]
        run = build(keys)
        ours_us, id = await db.write(_timed, partial(key_runs.insert, run=run, oldest_at=0, newest_at=1))
        peer_us, _ = await db.write(_timed, partial(_keep, keys=keys))
        stored.append((ours_us, peer_us))
        filters[id] = KeyFilter(run.filter)
        sizes.append(len(run.filter))
        known += keys[: BATCH // 10]
    batches = {
        "new": [rng.randbytes(KEY_BYTES) for _ in range(BATCH)],
        "known": rng.sample(known, min(BATCH, len(known))),
    }
    peers: dict[str, Look] = {
        "no filters": partial(_without_filters, runs=list(filters)),
        "a table in SQLite": _in_table,
    }
    note = f"CPU, {RUNS} runs of {KEYS:,} keys"
    rows = [
        Row("deduplication: memory a key", sum(sizes) / (RUNS * KEYS), "B", bar=2.2),
        compared("deduplication: keeping an id", "us", stored[RUNS // 2 :], "a table in SQLite", bar=0.5, note=note),
    ]
    for what, keys in batches.items():
        for peer, look in peers.items():
            rounds = [
                (
                    await db.read(_us_a_key, partial(_with_filters, filters=filters), keys, what),
                    await db.read(_us_a_key, look, keys, what),
                )
                for _ in range(ROUNDS)
            ]
            rows.append(compared(f"deduplication: an id that is {what}", "us", rounds, peer, note=note))
    await db.close()
    return rows


def _timed(tx: Tx, keep: Callable[[Tx], int]) -> tuple[float, int]:
    """us a key, and what `keep` answers."""
    began = time.process_time()
    answer = keep(tx)
    return (time.process_time() - began) / KEYS * 1e6, answer


def _keep(tx: Tx, keys: Sequence[bytes]) -> int:
    """In the order in which they come, as where each event's key is kept with it."""
    tx.many("INSERT INTO peer VALUES (?)", [(key,) for key in keys])
    return 0


def _us_a_key(tx: Tx, look: Look, keys: Sequence[bytes], what: str) -> float:
    began = time.process_time()
    found = look(tx, keys)
    elapsed = time.process_time() - began
    assert found == (len(keys) if what == "known" else 0)
    return elapsed / len(keys) * 1e6


def _with_filters(tx: Tx, keys: Sequence[bytes], *, filters: dict[int, KeyFilter]) -> int:
    """As storage/events/ingest/dedup_index.py does."""
    probes, found = KeyProbes(keys), set()
    for run, filter in filters.items():
        found |= key_runs.present(tx, run, filter.maybe(probes))
    return len(found)


def _without_filters(tx: Tx, keys: Sequence[bytes], *, runs: Sequence[int]) -> int:
    """Keys are hashes: where one should stand is known to some standard deviations."""
    margin = int(MARGIN * (KEYS / 4) ** 0.5) + 1
    found = 0
    for key in keys:
        rank = int.from_bytes(key[:4], "big") * KEYS >> 32
        first, end = max(0, rank - margin), min(KEYS, rank + margin)
        found += any(key_runs.present(tx, run, [(key, first, end)]) for run in runs)
    return found


def _in_table(tx: Tx, keys: Sequence[bytes]) -> int:
    return sum(tx.one("SELECT 1 FROM peer WHERE key = ?", key) is not None for key in keys)
