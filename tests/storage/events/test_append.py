"""The embedded event log keeps the promises of its ports, and those of append across starts, failures of the disk, and
crashes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import ParamSpec, TypeVar

import apsw
import msgspec
import pytest

from delta_server.config.sections import Config
from delta_server.core.errors import Unavailable
from delta_server.storage.database import Database, Tx
from delta_server.storage.events.log import EmbeddedEventLog
from delta_server.storage.sqlite.adapter import SqliteDatabase
from delta_server.storage.sqlite.connection import Tuning
from delta_server.storage.sqlite.options import Storage
from delta_server.tasks.threads import ThreadPool
from tests.storage.database_contract import held
from tests.storage.events.log_events import COMPANIONS, Log, event, events, numbered, stored, stored_ids
from tests.storage.events.maintenance_contract import MaintenanceContract
from tests.storage.events.reader_contract import ReaderContract
from tests.storage.events.stored import make_project
from tests.storage.events.writer_contract import WriterContract
from tests.storage.failing_disk import Disk, FailingVfs
from tests.storage.opened import FAST, FakeClock, opened

P = ParamSpec("P")
T = TypeVar("T")


@asynccontextmanager
async def log_on(db: SqliteDatabase, data_dir: Path, clock: FakeClock) -> AsyncIterator[Log]:
    cpu = ThreadPool(1, "test")
    config = Config(storage=Storage(data_dir=data_dir))
    log = await EmbeddedEventLog.open(config, db, clock, cpu=cpu, spare_cpu=cpu, companions=COMPANIONS)
    try:
        yield log
    finally:
        await log.close()
        await cpu.close()


@pytest.fixture
async def log(db: SqliteDatabase, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Log]:
    async with log_on(db, tmp_path, clock) as log:
        yield log


@pytest.fixture
async def db(tmp_path: Path, clock: FakeClock) -> AsyncIterator[SqliteDatabase]:
    async with opened(tmp_path, clock) as db:
        await db.write(lambda tx: tx.run("CREATE TABLE noted (name TEXT) STRICT"))
        yield db


@pytest.fixture
async def projects(db: Database) -> tuple[int, int]:
    return await db.write(make_project), await db.write(make_project, "other")


class TestWriting(WriterContract):
    pass


class TestReading(ReaderContract):
    pass


class TestMaintenance(MaintenanceContract):
    pass


def rows(tx: Tx) -> int:
    found = tx.one("SELECT count(*) FROM event_block")
    assert found is not None
    return int(found[0])


async def turns() -> None:
    """Let the tasks that were just made do what they can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_small_calls_that_come_in_meanwhile_share_a_block(log: Log, db: Database, projects: tuple[int, int]):
    async with held(db):
        calls = [asyncio.create_task(log.append_events(projects[0], numbered(2, "first")))]
        await turns()
        calls += [asyncio.create_task(log.append_events(projects[0], numbered(2, f"call {n}"))) for n in range(100)]
    await asyncio.gather(*calls)
    assert await db.read(rows) == 2
    assert len(await stored(log, projects[0])) == 202


async def test_a_block_has_room_for_all_events_of_the_largest_call(log: Log, db: Database, projects: tuple[int, int]):
    calls = [asyncio.create_task(log.append_events(projects[0], numbered(1, f"call {n}"))) for n in range(10)]
    await asyncio.gather(log.append_events(projects[0], numbered(10_000)), *calls)
    numbers = [one["s"] for one in await stored(log, projects[0])]
    assert len(set(numbers)) == 10_010


@pytest.mark.parametrize("sealed", [False, True])
async def test_numbers_ascend_when_the_clock_goes_back(tmp_path: Path, clock: FakeClock, sealed: bool):
    last = 0
    for start in range(4):
        async with opened(tmp_path, clock) as db, log_on(db, tmp_path, clock) as log:
            project = await db.write(make_project, f"{start}")
            for _ in range(100):
                await log.append_events(project, events(None))
            numbers = [one["s"] for one in await stored(log, project)]
            if sealed:
                await log.run_maintenance(project, seal=True)
        assert numbers == sorted(set(numbers))
        assert numbers[0] > last
        last = numbers[-1]
        clock.advance(-3_600_000)


async def test_ids_are_known_after_a_start(tmp_path: Path, clock: FakeClock):
    for start in range(3):
        async with opened(tmp_path, clock) as db, log_on(db, tmp_path, clock) as log:
            if start == 0:
                project = await db.write(make_project)
            expected = frozenset(range(100 * start))
            assert await log.append_events(project, numbered(100 * (start + 1))) == expected
    async with opened(tmp_path, clock) as db, log_on(db, tmp_path, clock) as log:
        assert len(await stored(log, project)) == 300


async def test_closing_waits_for_what_was_given(tmp_path: Path, clock: FakeClock):
    async with opened(tmp_path, clock) as db:
        project = await db.write(make_project)
        async with log_on(db, tmp_path, clock) as log:
            calls = [asyncio.create_task(log.append_events(project, events(f"{n}"))) for n in range(50)]
            await asyncio.sleep(0)
        assert await asyncio.gather(*calls) == [frozenset()] * 50


def lose(tx: Tx) -> None:
    tx.run("ROLLBACK")  # what SQLite itself does when the disk is full


@pytest.mark.parametrize("size", [1, 100])
async def test_what_was_lost_with_its_group_is_no_duplicate(tmp_path: Path, clock: FakeClock, size: int):
    tuning = msgspec.structs.replace(FAST, group_s=60)
    async with opened(tmp_path, clock, tuning=tuning) as db, log_on(db, tmp_path, clock) as log:
        project = await db.write(make_project)
        with suppress(Unavailable):  # the call that holds is lost with the others
            async with held(db):
                calls = [asyncio.create_task(log.append_events(project, numbered(size))) for _ in range(3)]
                while db.stats().writes_waiting < (1 if size == 1 else 3):
                    await asyncio.sleep(0)
                lost = asyncio.create_task(db.write(lose))
        results = await asyncio.gather(*calls, lost, return_exceptions=True)
        assert {type(result) for result in results} == {Unavailable}
        assert await stored(log, project) == []
        assert await log.append_events(project, numbered(size)) == frozenset()
        assert await log.append_events(project, numbered(size)) == frozenset(range(size))
        assert len(await stored(log, project)) == size


class Trouble:
    """While it is on, all operations of one kind fail."""

    def __init__(self, kind: str, error: type[apsw.Error]) -> None:
        self.on = False
        self._kind, self._error = kind, error

    def __call__(self, kind: str, number: int) -> apsw.Error | None:
        return self._error("injected") if self.on and kind == self._kind else None


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("kind", "error"), [("write", apsw.FullError), ("sync", apsw.IOError)])
@pytest.mark.parametrize("size", [1, 200])
async def test_what_a_disk_refused_is_stored_when_it_is_sent_again(
    tmp_path: Path, clock: FakeClock, kind: str, error: type[apsw.Error], size: int
):
    trouble = Trouble(kind, error)
    vfs = FailingVfs(f"events-{kind}-{size}", Disk(Random(1), fault=trouble))
    tuning = Tuning(vfs=vfs.name, wal_pages=100_000)
    async with opened(tmp_path, clock, tuning=tuning) as db, log_on(db, tmp_path, clock) as log:
        project = await db.write(make_project)
        await log.append_events(project, numbered(size, "before"))
        trouble.on = True
        calls = (log.append_events(project, numbered(size, f"call {n % 5}")) for n in range(10))
        refused = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(one) for one in refused} == {Unavailable}
        assert len(await stored(log, project)) == size
        trouble.on = False
        answers = [await log.append_events(project, numbered(size, f"call {n % 5}")) for n in range(10)]
        assert [len(answer) for answer in answers] == [0] * 5 + [size] * 5
        assert len(await log.append_events(project, numbered(size, "before"))) == size
        assert sorted(map(str, await stored_ids(log, project))) == sorted(
            f"{name} {n}" for name in ("before", *(f"call {n}" for n in range(5))) for n in range(size)
        )


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("seed", range(6))
async def test_a_power_cut_loses_and_doubles_nothing(tmp_path: Path, clock: FakeClock, seed: int):
    """Everything acknowledged is there once, everything else at most once, and once after it was sent again."""
    rng = Random(seed)
    disk = Disk(rng)
    vfs = FailingVfs(f"events-power-{seed}", disk)
    acknowledged: set[str] = set()

    async def send(log: Log, project: int, ids: list[str]) -> None:
        await log.append_events(project, events(*ids))
        acknowledged.update(ids)

    tuning = Tuning(vfs=vfs.name, page_size=1024, wal_pages=30, writer_cache_kib=64)
    ids = [f"{n}" for n in range(400)]
    async with opened(tmp_path / "first", clock, tuning=tuning) as db, log_on(db, tmp_path, clock) as log:
        project = await db.write(make_project)
        disk.cut_at = disk.operations + rng.randrange(1, 150)
        for _ in range(20):
            sends = [send(log, project, rng.sample(ids, rng.choice((1, 3, 50)))) for _ in range(8)]
            await asyncio.gather(*sends, return_exceptions=True)
        disk.cut()
    disk.save_survivors(tmp_path / "second")
    async with opened(tmp_path / "second", clock, tuning=FAST) as db, log_on(db, tmp_path, clock) as log:
        found = await stored_ids(log, project)
        assert len(found) == len(set(found))
        assert acknowledged <= set(found)
        await log.append_events(project, events(*ids))
        assert sorted(map(str, await stored_ids(log, project))) == sorted(ids)


async def test_a_full_queue_refuses_and_stores_nothing(tmp_path: Path, clock: FakeClock):
    tuning = msgspec.structs.replace(FAST, queue_calls=1)
    async with opened(tmp_path, clock, tuning=tuning) as db, log_on(db, tmp_path, clock) as log:
        project = await db.write(make_project)
        async with held(db):
            waiting = asyncio.create_task(db.write(lambda tx: None))
            await turns()
            for size in (1, 100):
                with pytest.raises(Unavailable, match="too many writes"):
                    await log.append_events(project, numbered(size))
        await waiting
        assert await stored(log, project) == []
        assert await log.append_events(project, [event("id 0"), event("id 99")]) == frozenset()


class HeldCpu:
    """Threads whose work begins when it is let: each call is a future of its own."""

    def __init__(self) -> None:
        self.calls: list[asyncio.Future[None]] = []

    async def __call__(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.calls.append(asyncio.get_running_loop().create_future())
        await self.calls[-1]
        return fn(*args, **kwargs)


@pytest.fixture
def cpu() -> HeldCpu:
    return HeldCpu()


@pytest.fixture
async def held_log(db: SqliteDatabase, tmp_path: Path, clock: FakeClock, cpu: HeldCpu) -> AsyncIterator[Log]:
    config = Config(storage=Storage(data_dir=tmp_path))
    log = await EmbeddedEventLog.open(config, db, clock, cpu=cpu, spare_cpu=cpu)
    yield log
    await log.close()


async def seqs(log: Log, project: int) -> list[int]:
    """In the order in which they became visible."""
    return [event["s"] for event in await stored(log, project)]


async def turn_of_the_loop() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_event_becomes_visible_behind_one_with_a_larger_seq(
    held_log: Log, projects: tuple[int, int], cpu: HeldCpu
) -> None:
    one, other = projects
    slow = asyncio.create_task(held_log.append_events(one, numbered(100, "slow")))
    await turn_of_the_loop()
    fast = asyncio.create_task(held_log.append_events(one, numbered(200, "fast")))
    small = asyncio.create_task(held_log.append_events(one, events("small")))
    await turn_of_the_loop()
    cpu.calls[1].set_result(None)
    await held_log.append_events(other, events("elsewhere"))  # another project does not wait
    assert await stored_ids(held_log, one) == []
    cpu.calls[0].set_result(None)
    await asyncio.gather(slow, fast, small)
    assert await seqs(held_log, one) == sorted(await seqs(held_log, one))
    assert len(await seqs(held_log, one)) == 301


@pytest.mark.parametrize("gone", ["first", "second"])
async def test_who_gives_up_lets_others_pass_in_order(
    held_log: Log, projects: tuple[int, int], cpu: HeldCpu, gone: str
) -> None:
    project, _ = projects
    first = asyncio.create_task(held_log.append_events(project, numbered(100, "first")))
    await turn_of_the_loop()
    second = asyncio.create_task(held_log.append_events(project, numbered(100, "second")))
    await turn_of_the_loop()
    third = asyncio.create_task(held_log.append_events(project, events("third")))
    await turn_of_the_loop()
    leaving, staying = (first, second) if gone == "first" else (second, first)
    cpu.calls[1].set_result(None)
    await turn_of_the_loop()  # the second waits for the first
    leaving.cancel()
    await turn_of_the_loop()
    if gone == "second":
        assert await stored_ids(held_log, project) == []
        cpu.calls[0].set_result(None)
    await asyncio.gather(staying, third)
    assert await seqs(held_log, project) == sorted(await seqs(held_log, project))
    assert (await stored_ids(held_log, project))[-1] == "third"
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_one_that_cannot_be_encoded_holds_up_nobody(
    held_log: Log, projects: tuple[int, int], cpu: HeldCpu
) -> None:
    project, _ = projects
    failing = asyncio.create_task(held_log.append_events(project, numbered(100, "failing")))
    await turn_of_the_loop()
    small = asyncio.create_task(held_log.append_events(project, events("small")))
    await turn_of_the_loop()
    cpu.calls[0].set_exception(Unavailable("shutting down"))
    assert await small == frozenset()
    with pytest.raises(Unavailable):
        await failing
    assert await stored_ids(held_log, project) == ["small"]


async def test_queries_of_a_project_go_behind_its_own_writes(
    log: EmbeddedEventLog, db: Database, projects: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def thread(project: int) -> str:
        return await log._engine.run(project, lambda _: threading.current_thread().name.rpartition("_")[0])

    writes, asks = projects
    monkeypatch.setattr(log._engine._turns, "is_behind", lambda _: False)  # a slow machine lets it use its share up
    async with held(db):
        writing = asyncio.create_task(log.append_events(writes, [event(None)]))
        await asyncio.sleep(0)
        assert (await thread(writes), await thread(asks)) == ("delta-later-query", "delta-query")
    await writing
    assert await thread(writes) == "delta-query"
