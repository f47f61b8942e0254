"""Who reads for long does not keep the write-ahead log: it stays under twice its bound while others write."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from delta_server.config.sections import Config
from delta_server.core.errors import TooCostly, Unavailable
from delta_server.core.events.event import Event
from delta_server.core.option_types import MIB
from delta_server.core.query.plan import Aggregate, Field, Listing, Metric, Plan, Sql
from delta_server.storage.database import Tx
from delta_server.storage.eventlog import QueryResult
from delta_server.storage.events import log
from delta_server.storage.events.duckdb import engine as engine_module
from delta_server.storage.events.duckdb import instance
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.log import EmbeddedEventLog
from delta_server.storage.events.options import Events
from delta_server.storage.events.query import answers
from delta_server.storage.events.query.read_view import ALWAYS
from delta_server.storage.sqlite import adapter, wal_limit
from delta_server.storage.sqlite.adapter import DATABASE_NAME, SqliteDatabase
from delta_server.storage.sqlite.options import Storage
from delta_server.tasks.threads import ThreadPool
from tests.storage.database_contract import ENDLESS
from tests.storage.events.stored import make_project
from tests.storage.opened import START_MS, FakeClock, opened

WAL_BYTES = 1 << 20
EVENTS = 6_000
TYPE, USER = Field("eventType", "event_type", "text"), Field("userId", "user_id", "text")


class Opened(msgspec.Struct, frozen=True):
    db: SqliteDatabase
    events: EmbeddedEventLog
    project: int
    log: Path

    async def append(self, first: int, count: int) -> None:
        events = [Event(START_MS + n, START_MS, "view", user_id=f"u{n}") for n in range(first, first + count)]
        await self.events.append_events(self.project, events)

    async def write_much(self, times: float = 4) -> None:
        """`times` the bound of the log, watched after every write."""
        for _ in range(int(times * WAL_BYTES) >> 16):
            await self.db.write(_fill)
            assert self.log.stat().st_size < 2 * WAL_BYTES


def _fill(tx: Tx) -> None:
    tx.run("CREATE TABLE IF NOT EXISTS filler (bytes BLOB)")
    tx.run("INSERT INTO filler VALUES (randomblob(65536))")


@pytest.fixture
async def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opened]:
    for module in (adapter, log):
        monkeypatch.setattr(module, "HELD_S", 0.0)
    storage = Storage(data_dir=tmp_path, wal_bytes=WAL_BYTES)
    config = Config(storage=storage, events=Events(seal_events=1_000, query_threads=2, query_memory_bytes=256 * MIB))
    cpu, clock = ThreadPool(2, "cpu"), FakeClock()
    async with opened(tmp_path, clock, wal_bytes=WAL_BYTES) as db:
        project = await db.write(make_project)
        events = await EmbeddedEventLog.open(config, db, clock, cpu=cpu, spare_cpu=cpu)
        try:
            yield Opened(db, events, project, tmp_path / f"{DATABASE_NAME}-wal")
        finally:
            await events.close()
            await cpu.close()


@pytest.mark.parametrize("ascending", [True, False])
async def test_an_export_has_what_was_there_when_it_began(
    found: Opened, ascending: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event once, though all of them go into other files while it is read."""
    monkeypatch.setattr(answers, "STREAM_EVENTS", 1_000)
    monkeypatch.setattr(instance, "BATCH_ROWS", 200)
    for first in range(0, EVENTS, 1_000):
        await found.append(first, 1_000)
    await found.events.run_maintenance(found.project, seal=True)
    await found.append(EVENTS, 500)
    stream = found.events.stream_query(found.project, Listing(ALWAYS, ascending=ascending))
    await anext(stream)
    users = [row[5] for row in await anext(stream)]
    await found.write_much()
    await found.append(EVENTS + 500, 700)  # at the end of the same times
    await found.events.run_maintenance(found.project, seal=True, compact=True)
    await found.write_much()
    users += [row[5] async for rows in stream for row in rows]
    expected = [f"u{n}" for n in range(EVENTS + 500)]
    assert users == (expected if ascending else expected[::-1])


PLANS: list[Plan] = [
    Listing(ALWAYS),
    Listing(ALWAYS, limit=EVENTS),
    Listing(ALWAYS, skip=100),
    Aggregate(ALWAYS, (Metric("n", "count"),), (USER,)),
]


@pytest.mark.parametrize("plan", PLANS)
async def test_an_answer_that_is_read_slowly_holds_nothing(found: Opened, plan: Plan) -> None:
    await found.append(0, EVENTS)
    stream = found.events.stream_query(found.project, plan)
    count = 0
    async for rows in stream:
        await found.write_much(0.5)
        count += len(rows)
    assert count >= EVENTS - 100


async def test_a_file_that_is_read_slowly_holds_nothing(found: Opened) -> None:
    await found.append(0, EVENTS)
    pieces = found.events.export_parquet(found.project, Listing(ALWAYS))
    begin = await anext(pieces)
    await found.write_much()
    assert b"".join([begin, *[piece async for piece in pieces]]).endswith(b"PAR1")


async def test_an_export_has_a_longest_time(found: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MAX_STREAM_S", 0)
    await found.append(0, EVENTS)
    stream = found.events.stream_query(found.project, Listing(ALWAYS))
    with pytest.raises(TooCostly, match="an answer may take"):
        assert [rows async for rows in stream]


def _endless(found: Opened) -> Awaitable[Any]:
    """A state is held from the first look into a table on."""
    return found.db.read(lambda tx: (tx.one("SELECT id FROM project"), tx.one(ENDLESS)))


def _query(found: Opened) -> Awaitable[Any]:
    slow = "SELECT count(*) FROM range(100000000000) WHERE range % 7 = 8"
    return found.events._engine.run(found.project, lambda session: session.rows(slow))


def _sql(found: Opened) -> Awaitable[Any]:
    return found.events.run_query(
        found.project, Sql("SELECT count(*) FROM range(100000000000) WHERE range % 7 = 8", 10)
    )


@pytest.mark.parametrize("ask", [_endless, _query, _sql])
async def test_what_reads_one_state_for_long_is_ended_before_the_log_is_too_long(
    found: Opened, ask: Callable[[Opened], Awaitable[Any]]
) -> None:
    asked = asyncio.ensure_future(ask(found))
    while not asked.done():  # what holds no state yet is let be
        await found.write_much(0.25)
    with pytest.raises(Unavailable):
        await asked
    await found.write_much()


@pytest.mark.parametrize("ended", [1, log.RUNS])
async def test_a_query_that_had_to_end_runs_again(found: Opened, ended: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused only when that happens each time."""
    await found.append(0, 10)
    began: queue.SimpleQueue[threading.Event] = queue.SimpleQueue()
    answer = found.events._answering._answers.answer

    def slow(session: QuerySession, plan: Plan) -> QueryResult:
        runs.append(held := threading.Event())
        if len(runs) <= ended:
            began.put(held)
            held.wait(30)
        return answer(session, plan)

    runs: list[threading.Event] = []
    monkeypatch.setattr(found.events._answering._answers, "answer", slow)
    asked = asyncio.ensure_future(found.events.run_query(found.project, Aggregate(ALWAYS, (Metric("n", "count"),))))
    for _ in range(ended):
        held = await asyncio.to_thread(began.get, True, 30)
        found.events._engine.release(0.0)
        held.set()
    if ended < log.RUNS:
        assert (await asked).rows == [(10,)]
    else:
        with pytest.raises(Unavailable, match="so much was written"):
            await asked


async def test_another_process_that_reads_for_long_does_not_stop_writes(
    found: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wal_limit, "MAX_WAIT_S", 0.0)
    foreign = apsw.Connection(str(found.log).removesuffix("-wal"), apsw.SQLITE_OPEN_READONLY)
    foreign.execute("BEGIN")
    foreign.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    for _ in range(4 * WAL_BYTES >> 16):
        await found.db.write(_fill)
    foreign.close()
    await found.db.write(_fill)
    await found.db.checkpoint()
    assert found.log.stat().st_size < 2 * WAL_BYTES
    assert "is being read" in caplog.text
