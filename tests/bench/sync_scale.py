"""Sync of many: a page among millions of records, a thousand streams, and an update that sends what it changes."""

import asyncio
import contextlib
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import median

import msgspec

from delta_server.core.cursors import decode_cursor, encode_cursor
from delta_server.core.sync.digest import EMPTY
from delta_server.features.sync import pulling, store
from delta_server.storage.database import Tx
from delta_server.storage.sqlite.adapter import SqliteDatabase
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.options import Storage
from delta_server.storage.system_clock import SystemClock
from tests.bench.load import Connection
from tests.bench.streams import reached, stream
from tests.bench.sync import NOTES, WITHOUT_LIMITS
from tests.bench.table import Row, bench
from tests.bench.turns import compared, in_turn, sized
from tests.server_process import create_key, serving

FEW, MANY = sized(10_000, 200), int(os.environ.get("DELTA_BENCH_RECORDS", sized(1_000_000, 400)))
"""The bar is on DELTA_BENCH_RECORDS=10000000, which take 2.4 GB and minutes to write."""
PAGE, PAGES = sized(1000, 100), sized(30, 2)
ROWS_AT_ONCE = 4_000
CLIENTS, HAPPENINGS = sized(1_000, 5), sized(10, 2)
REACHED_S, MEMORY_MB = 0.5, 100.0


@bench("sync: a page among many")
def among_many() -> Iterator[Row]:
    """Pages that begin anywhere, of records of 100 bytes."""
    with contextlib.ExitStack() as opened:
        many, few = (opened.enter_context(_pages_of(records)) for records in (MANY, FEW))
        rounds = in_turn(many, few)
    name = f"page of {PAGE:,} among {MANY:,} records"
    yield compared(name, "ms", rounds, f"among {FEW:,}", bar=1.3, note=f"median of {PAGES} pages")


@contextlib.contextmanager
def _pages_of(records: int) -> Iterator[Callable[[], float]]:
    """Of a server with so many, the median of a few pages, in ms."""
    with tempfile.TemporaryDirectory() as name:
        key = create_key(Path(name), "bench")
        asyncio.run(_fill(Path(name), records))
        with serving(Path(name), DELTA_LOG_LEVEL="warning", **WITHOUT_LIMITS) as server:
            connect = partial(Connection, server.url, key)
            with connect() as connection:
                cursor = msgspec.json.decode(connection.get(f"{NOTES}?limit=1"))["next_cursor"]
            epoch, space, collection, *_ = decode_cursor(
                pulling.CURSORS, cursor, tuple[bytes, int, int, int, int, bool]
            )
            at = partial(encode_cursor, pulling.CURSORS, epoch, space, collection)
            yield partial(_pages_ms, connect, at, records)


def _pages_ms(connect: Callable[[], Connection], at: Callable[[int, int, bool], str], records: int) -> float:
    took = []
    with connect() as connection:
        for _ in range(PAGES):
            path = f"{NOTES}?limit={PAGE}&cursor={at(random.randrange(1, records - PAGE), records, False)}"
            began = time.perf_counter()
            answer = connection.get(path)
            took.append((time.perf_counter() - began) * 1e3)
            assert answer.count(b'"record_id"') == PAGE
    return median(took)


async def _fill(directory: Path, records: int) -> None:
    storage = Storage(data_dir=directory / "delta-data")
    db = SqliteDatabase.open(storage, SystemClock(), tuning=Tuning(rests_small=False, synchronous="OFF"))
    try:
        space, collection = await db.write(_begin, records)
        for first in range(1, records + 1, ROWS_AT_ONCE):
            await db.write(_insert, space, collection, first, min(records, first + ROWS_AT_ONCE - 1))
    finally:
        await db.close()


def _begin(tx: Tx, records: int) -> tuple[int, int]:
    [(project,)] = tx.all("SELECT id FROM project")
    space = store.insert_space(tx, project, "")
    collection = store.insert_collection(tx, space.id, "notes", EMPTY)
    size = 100 * records
    store.update_space(tx, space.id, msgspec.structs.replace(space, seq=records, records=records, size_bytes=size))
    after = msgspec.structs.replace(collection, seq=records, records=records, size_bytes=size)
    store.update_collection(tx, space.id, after)
    return space.id, collection.id


def _insert(tx: Tx, space: int, collection: int, first: int, last: int) -> None:
    tx.run(
        "WITH RECURSIVE number (n) AS (SELECT ?3 UNION ALL SELECT n + 1 FROM number WHERE n < ?4)"
        " INSERT INTO sync_change (space, seq, collection, record_id, kind, content, checksum, change_id, changed_at)"
        " SELECT ?1, n, ?2, format('record-%08d', n), 0,"
        ' CAST(format(\'{"n":%8d,"text":"%s"}\', n, hex(randomblob(37))) AS BLOB), randomblob(32), n, ?5'
        " FROM number",
        space,
        collection,
        first,
        last,
        tx.now_ms,
    )


@bench("sync: a change and 1,000 streams")
def streams() -> Iterator[Row]:
    """Devices of one person, each with a stream of its own."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as opened:
        key = create_key(Path(name), "listens")
        allowed = {"DELTA_LIMITS_STREAMS": str(2 * CLIENTS), **WITHOUT_LIMITS}
        server = opened.enter_context(serving(Path(name), DELTA_LOG_LEVEL="warning", **allowed))
        with Connection(server.url, key) as before:
            _push(before, 1)
        without = server.memory_bytes()
        clients = [opened.enter_context(stream(server.url, key, "/v1/sync/stream")) for _ in range(CLIENTS)]
        connection = opened.enter_context(Connection(server.url, key))
        took_s = sorted(
            reached(clients, partial(_push, connection, version), b'"version":%d}' % version)
            for version in range(2, HAPPENINGS + 2)
        )
        memory = (server.memory_bytes() - without) / 1e6
    note = f"the slowest of {HAPPENINGS} changes; {took_s[len(took_s) // 2]:.2f} s half of the times"
    yield Row(f"a change told to {CLIENTS:,} streams of sync", took_s[-1], "s", bar=REACHED_S, note=note)
    yield Row(f"memory for {CLIENTS:,} streams of sync", memory, "MB", bar=MEMORY_MB, note="after those")


def _push(connection: Connection, version: int) -> None:
    connection.post(NOTES, _body(version, {"data": version}), wanted=200)


def _body(version: int, what: Mapping[str, object]) -> bytes:
    change = {"change_id": f"c{version}", "record_id": "r", "operation": "update", **what}
    return msgspec.json.encode({"device_id": "phone", "batch_id": f"b{version}", "changes": [change]})


@bench("sync: an update by JSON Patch")
def patch() -> Row:
    """Of one field of a record of 5 kB."""
    before = {"title": "A note", "done": False, "text": "".join(random.Random(1).choices("abcdefgh ", k=4_950))}
    change = [{"op": "replace", "path": "/done", "value": True}]
    sent = _body(2, {"patch": change, "base_version": 1})
    with contextlib.ExitStack() as opened:
        directory = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        key = create_key(directory, "bench")
        server = opened.enter_context(serving(directory, DELTA_LOG_LEVEL="warning", **WITHOUT_LIMITS))
        connection = opened.enter_context(Connection(server.url, key))
        connection.post(NOTES, _body(1, {"data": before}), wanted=200)
        connection.post(NOTES, sent, wanted=200)
        [found] = msgspec.json.decode(connection.get(NOTES))["changes"]
    after = before | {"done": True}
    assert found["data"] == after
    whole = _body(2, {"data": after, "base_version": 1})
    saved = 100 * (1 - len(msgspec.json.encode(change)) / len(msgspec.json.encode(after)))
    note = f"of the record; of the request with this one change {100 * (1 - len(sent) / len(whole)):.1f} %"
    return Row("bytes saved by a patch of one field", saved, "%", bar=99, bar_on="ours", at_least=True, note=note)
