"""What every adapter of the Database port promises. A test class of an adapter inherits this and gives the fixtures.

No schema is assumed: the tests make a table of their own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event
from uuid import UUID

import pytest

from delta_server.core import ids
from delta_server.core.errors import Conflict, Unavailable
from delta_server.storage.database import Database, Tx
from tests.storage.opened import FakeClock

WAIT_S = 10
"""Only a deadlock waits this long."""

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def put(tx: Tx, name: str) -> int:
    return tx.insert("INSERT INTO item (name) VALUES (?)", name)


def put_then_fail(tx: Tx, name: str) -> None:
    put(tx, name)
    raise Conflict(f"{name} is refused")


def names(tx: Tx) -> list[str]:
    return [row[0] for row in tx.all("SELECT name FROM item ORDER BY id")]


def now_ms(tx: Tx) -> int:
    return tx.now_ms


class Gate:
    """Holds a thread inside a call until it is let go, so that others queue up behind it."""

    def __init__(self) -> None:
        self._entered = Event()
        self._opened = Event()

    def hold(self, tx: Tx) -> None:
        self._entered.set()
        assert self._opened.wait(WAIT_S), "nobody opened the gate"

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._entered.wait, WAIT_S)

    def open(self) -> None:
        self._opened.set()


@asynccontextmanager
async def held(db: Database) -> AsyncIterator[None]:
    """Inside, the writer is busy, so that all writes made here wait and then go together."""
    gate = Gate()
    holding = asyncio.create_task(db.write(gate.hold))
    await gate.reached()
    try:
        yield
        await asyncio.sleep(0)  # one turn of the loop: the tasks made inside have queued their calls
    finally:
        gate.open()
    await holding


class DatabaseContract:
    """A subclass gives two fixtures.

    `db`: an empty database with the table `item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)`.
    `narrow`: the same with room for 3 waiting writes, one reader thread, and 50 ms for a read.
    """

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    # Writes

    async def test_what_a_write_raises_reaches_its_caller_and_undoes_it(self, db: Database):
        with pytest.raises(Conflict, match="b is refused"):
            await db.write(put_then_fail, "b")
        assert await db.read(names) == []

    async def test_a_broken_rule_of_the_schema_undoes_the_call(self, db: Database):
        def put_twice(tx: Tx) -> None:
            put(tx, "a")
            put(tx, "a")

        with pytest.raises(Exception, match=r"(?i)unique"):
            await db.write(put_twice)
        assert await db.read(names) == []

    async def test_a_failure_spares_the_calls_beside_it(self, db: Database):
        async with held(db):
            calls = [db.write(put_then_fail if i % 3 == 1 else put, str(i)) for i in range(30)]
            writes = asyncio.gather(*calls, return_exceptions=True)
        results = await writes
        assert [i for i, result in enumerate(results) if isinstance(result, Conflict)] == list(range(1, 30, 3))
        assert await db.read(names) == [str(i) for i in range(30) if i % 3 != 1]

    async def test_a_failure_of_the_first_spares_those_behind_it(self, db: Database):
        gate = Gate()

        def put_and_hold(tx: Tx) -> None:
            put(tx, "first")
            gate.hold(tx)
            raise Conflict("the first is refused")

        first = asyncio.create_task(db.write(put_and_hold))
        await gate.reached()
        behind = asyncio.gather(*(db.write(put, str(i)) for i in range(3)))
        await asyncio.sleep(0)
        gate.open()
        with pytest.raises(Conflict):
            await first
        await behind
        assert await db.read(names) == ["0", "1", "2"]

    async def test_even_an_exception_no_future_carries_is_answered(self, db: Database):
        async with asyncio.timeout(WAIT_S):
            with pytest.raises(RuntimeError):
                await db.write(lambda tx: next(iter(())))
            with pytest.raises(SystemExit):
                await db.write(lambda tx: exit_now())
            assert await db.write(put, "after") == 1

    async def test_results_are_seen_by_every_way_of_reading_once_the_write_returns(self, db: Database):
        for i in range(20):
            await db.write(put, str(i))
            assert len(await db.read(names)) == len(db.peek(names)) == len(await db.write(names)) == i + 1

    async def test_calls_run_in_the_order_they_came(self, db: Database):
        async with held(db):
            writes = asyncio.gather(*(db.write(put, str(i)) for i in range(50)))
        assert await writes == list(range(1, 51))
        assert await db.read(names) == [str(i) for i in range(50)]

    async def test_a_write_reads_what_the_one_before_wrote(self, db: Database):
        def grow(tx: Tx) -> str:
            last = tx.one("SELECT name FROM item ORDER BY id DESC LIMIT 1")
            name = str(int(last[0]) + 1) if last else "1"
            put(tx, name)
            return name

        grown = await asyncio.gather(*(db.write(grow) for _ in range(200)))
        assert grown == [str(i) for i in range(1, 201)]

    async def test_the_time_is_that_of_each_calls_start(self, db: Database, clock: FakeClock):
        def late(tx: Tx) -> int:
            clock.advance(5)
            return tx.now_ms

        start_ms = clock.time_ms
        async with held(db):
            writes = asyncio.gather(db.write(late), db.write(late), db.write(now_ms))
        assert list(await writes) == [start_ms, start_ms + 5, start_ms + 10]
        assert await db.read(now_ms) == db.peek(now_ms) == start_ms + 10

    async def test_a_cancelled_write_takes_nobody_with_it(self, db: Database):
        async with held(db):
            tasks = [asyncio.create_task(db.write(put, str(i))) for i in range(9)]
            await asyncio.sleep(0)
            tasks[4].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[4], asyncio.CancelledError)
        assert {str(i) for i in range(9) if i != 4} <= set(await db.read(names))

    async def test_cancelling_a_write_that_runs_does_not_stop_it(self, db: Database):
        gate = Gate()

        def slow(tx: Tx) -> None:
            gate.hold(tx)
            put(tx, "slow")

        task = asyncio.create_task(db.write(slow))
        await gate.reached()
        beside = asyncio.create_task(db.write(put, "beside"))
        task.cancel()
        gate.open()
        await beside
        assert await db.read(names) == ["slow", "beside"]

    async def test_a_full_queue_refuses_and_recovers(self, narrow: Database):
        async with held(narrow):
            accepted = [asyncio.create_task(narrow.write(put, str(i))) for i in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(Unavailable) as refused:
                await narrow.write(put, "too much")
            assert refused.value.retry_after_s >= 1
        await asyncio.gather(*accepted)
        await narrow.write(put, "later")
        assert await narrow.write(names) == ["0", "1", "2", "later"]

    # Reads

    async def test_a_read_stays_in_one_snapshot(self, db: Database):
        gate = Gate()

        def look_twice(tx: Tx) -> tuple[list[str], list[str]]:
            before = names(tx)
            gate.hold(tx)
            return before, names(tx)

        await db.write(put, "old")
        reading = asyncio.create_task(db.read(look_twice))
        await gate.reached()
        await db.write(put, "new")
        gate.open()
        assert await reading == (["old"], ["old"])
        assert await db.read(names) == ["old", "new"]

    async def test_a_peek_does_not_hold_on_to_its_snapshot(self, db: Database):
        for i in range(5):
            db.peek(lambda tx: tx.one("SELECT name FROM item"))  # leaves rows unread
            await db.write(put, str(i))
            assert len(db.peek(names)) == i + 1

    async def test_reads_do_not_wait_for_the_writer(self, db: Database):
        async with held(db):
            assert await db.read(names) == db.peek(names) == []

    async def test_what_a_read_raises_reaches_its_caller(self, db: Database):
        def fail(tx: Tx) -> None:
            raise Conflict("not this")

        with pytest.raises(Conflict):
            await db.read(fail)
        with pytest.raises(Conflict):
            db.peek(fail)
        assert await db.read(names) == db.peek(names) == []

    async def test_a_reader_cannot_write(self, db: Database):
        with pytest.raises(Exception, match=r"(?i)read.?only"):
            await db.read(put, "a")
        with pytest.raises(Exception, match=r"(?i)read.?only"):
            db.peek(put, "a")
        assert await db.read(names) == []

    async def test_a_long_statement_ends_at_the_deadline(self, narrow: Database):
        with pytest.raises(Unavailable):
            await narrow.read(lambda tx: tx.one(ENDLESS))
        assert await narrow.read(names) == []

    async def test_a_long_row_of_short_statements_ends_at_the_deadline(self, narrow: Database):
        def for_ever(tx: Tx) -> None:
            while True:
                names(tx)

        with pytest.raises(Unavailable):
            await narrow.read(for_ever)
        assert await narrow.read(names) == []

    async def test_waiting_for_a_thread_counts_against_the_deadline(
        self, narrow: Database, pass_time: Callable[[float], None]
    ):
        gate = Gate()
        holding = asyncio.create_task(narrow.read(gate.hold))
        await gate.reached()
        waiting = asyncio.create_task(narrow.read(names))
        await asyncio.sleep(0)  # it has asked
        pass_time(0.06)
        gate.open()
        await holding
        with pytest.raises(Unavailable):
            await waiting

    async def test_a_cancelled_read_gives_its_thread_back(self, db: Database):
        for _ in range(8):  # more than there are threads
            entered = Event()

            def endless(tx: Tx, entered: Event = entered) -> None:
                entered.set()
                tx.one(ENDLESS)

            reading = asyncio.create_task(db.read(endless))
            assert await asyncio.to_thread(entered.wait, WAIT_S)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        async with asyncio.timeout(WAIT_S):
            assert await asyncio.gather(*(db.read(names) for _ in range(20))) == [[]] * 20

    # The transaction's methods

    async def test_values_come_back_as_they_went_in(self, db: Database):
        values = (None, 0, -(2**63), 2**63 - 1, 1.5, "", "é\u202e🙂", b"", b"\x00\xff", "a\x00b")

        def echo(tx: Tx) -> tuple[object, ...] | None:
            return tx.one(f"SELECT {', '.join('?' * len(values))}", *values)

        assert await db.write(echo) == await db.read(echo) == db.peek(echo) == values

    async def test_what_each_method_answers(self, db: Database):
        def work(tx: Tx) -> None:
            assert tx.one("SELECT id FROM item") is None
            assert tx.all("SELECT id FROM item") == []
            assert [put(tx, name) for name in "abc"] == [1, 2, 3]
            tx.many("INSERT INTO item (name) VALUES (?)", [("d",), ("e",)])
            assert tx.run("UPDATE item SET name = name || '!' WHERE id > ?", 3) == 2
            assert tx.run("DELETE FROM item WHERE id > 100") == 0
            assert tx.run("INSERT INTO item (name) VALUES (?) ON CONFLICT DO NOTHING", "a") == 0
            assert tx.all("SELECT id, name FROM item ORDER BY id LIMIT 2") == [(1, "a"), (2, "b")]

        await db.write(work)
        assert await db.read(names) == ["a", "b", "c", "d!", "e!"]

    async def test_reading_one_row_of_several_returned_keeps_all_changes(self, db: Database):
        def work(tx: Tx) -> object:
            return tx.one("INSERT INTO item (name) VALUES ('a'), ('b'), ('c') RETURNING id")

        assert await db.write(work) == (1,)
        assert await db.read(names) == ["a", "b", "c"]

    @pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 200])
    async def test_many_rows_are_written_in_their_order(self, db: Database, count: int):
        wanted = [f"{i:03}" for i in range(count)]
        once = "INSERT INTO item (name) VALUES (?)"

        def work(tx: Tx) -> None:
            tx.many(once, ((name,) for name in wanted))
            tx.many(f"{once} ON CONFLICT DO NOTHING", [(name,) for name in wanted])
            tx.many("INSERT OR IGNORE INTO item (name) VALUES (?1)", [(name,) for name in wanted])
            tx.many("UPDATE item SET name = name || ? WHERE name = ?", [("!", name) for name in wanted])

        await db.write(work)
        assert await db.read(names) == [f"{name}!" for name in wanted]
        rows = await db.read(lambda tx: tx.all("SELECT id FROM item ORDER BY name"))
        assert rows == sorted(rows)

    async def test_ids_are_uuid_version_7_of_the_transactions_time(self, db: Database, clock: FakeClock):
        made = await db.write(lambda tx: [tx.new_id() for _ in range(3000)])
        other = await db.write(lambda tx: [tx.new_id() for _ in range(3000)])
        assert made == sorted(made)
        assert len({*made, *other}) == 6000
        for uid in made[:100]:
            assert UUID(bytes=uid).version == 7
            assert UUID(bytes=uid).variant == "specified in RFC 4122"
            assert ids.time_ms(uid) == clock.time_ms

    # Upkeep and the end

    async def test_stats_count_committed_writes(self, db: Database):
        before = db.stats()
        await db.write(put, "a")
        with pytest.raises(Conflict):
            await db.write(put_then_fail, "b")
        after = db.stats()
        assert after.writes == before.writes + 2
        assert after.commit_failures == 0
        assert after.database_bytes > 0
        async with held(db):
            waiting = asyncio.gather(db.write(put, "c"), db.write(put, "d"))
            await asyncio.sleep(0)
            assert db.stats().writes_waiting == 2
        await waiting

    async def test_upkeep_changes_no_data(self, db: Database):
        def fill(tx: Tx) -> None:
            tx.many("INSERT INTO item (name) VALUES (?)", [(f"{i:01000d}",) for i in range(2000)])
            tx.run("DELETE FROM item WHERE id <= 1900")

        await db.write(fill)
        before = await db.read(names)
        await db.optimize()
        assert await db.check() == []
        assert await db.vacuum(1_000_000) > 0
        assert await db.vacuum(1_000_000) == 0
        await db.checkpoint()
        assert db.stats().free_bytes == 0
        assert await db.read(names) == before

    async def test_closing_finishes_what_is_queued(self, db: Database):
        gate = Gate()
        holding = asyncio.create_task(db.write(gate.hold))
        await gate.reached()
        queued = [asyncio.create_task(db.write(put, str(i))) for i in range(5)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(db.close())
        gate.open()
        await asyncio.wait_for(asyncio.gather(holding, *queued, closing), WAIT_S)
        assert [task.result() for task in queued] == [1, 2, 3, 4, 5]
        with pytest.raises(Unavailable):
            await db.write(put, "late")
        with pytest.raises(Unavailable):
            await db.read(names)
        await db.close()


def exit_now() -> None:
    raise SystemExit(3)
