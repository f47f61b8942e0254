"""The whole life of a key: waiting, sealed, merged, past its time; across starts and undone writes."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from delta_server.core.errors import Conflict
from delta_server.core.event_storage import key_run
from delta_server.storage.database import Database, Tx
from delta_server.storage.events.ingest import append, blocks, dedup_index, key_runs
from delta_server.storage.events.ingest.append import Appender
from delta_server.storage.events.ingest.dedup_index import DedupIndex, SealedKeys, collect_keys
from delta_server.storage.events.ingest.key_merging import KeyMaintenance
from delta_server.storage.sqlite.adapter import SqliteDatabase
from delta_server.tasks.threads import ThreadPool
from tests.often import seeds
from tests.storage.events.log_events import DAY_MS, events
from tests.storage.events.stored import make_project
from tests.storage.opened import FakeClock, opened

KEPT_MS = 8 * DAY_MS
STRETCH_MS = DAY_MS
LAST = 1 << 62


class Keys:
    """The part of the event log that knows ids, with sealing that makes no segments."""

    def __init__(self, db: SqliteDatabase, clock: FakeClock, cpu: ThreadPool, seen: DedupIndex, last_seq: int) -> None:
        self.db, self.clock, self.cpu, self.seen = db, clock, cpu, seen
        self.appender = Appender(db, clock, cpu, seen, last_seq)
        self.scheduler = KeyMaintenance(db, cpu, seen)

    async def append(self, project: int, ids: list[int]) -> set[int]:
        """The ids that were stored."""
        given = events(*map(str, ids))
        for one in given:
            one.received_at = self.clock.now_ms()
        duplicates = await self.appender.append_events(project, given, None)
        return {id for index, id in enumerate(ids) if index not in duplicates}

    async def seal(self, project: int, *, error: Exception | None = None) -> None:
        sealing = await collect_keys(self.db, self.cpu, project, LAST)
        await self.db.write(self.store, sealing, error)

    async def tend(self) -> None:
        await self.scheduler.run(self.clock.now_ms())

    def store(self, tx: Tx, sealing: SealedKeys, error: Exception | None = None) -> None:
        tx.many("DELETE FROM event_block WHERE seq = ?", [(seq,) for seq in sealing.keys])
        self.seen.sealed(tx, sealing)
        if error is not None:
            raise error

    def runs(self) -> list[int]:
        """How many keys each has."""
        return [run.count for run in self.db.peek(key_runs.all_whole)]

    def pages(self) -> int:
        row = self.db.peek(lambda tx: tx.one("SELECT count(*) FROM key_page"))
        assert row is not None
        return int(row[0])


@asynccontextmanager
async def keys_in(data_dir: Path, clock: FakeClock) -> AsyncIterator[Keys]:
    cpu = ThreadPool(1, "test")
    async with opened(data_dir, clock) as db:
        seen = DedupIndex(KEPT_MS)
        await seen.load(db)
        keys = Keys(db, clock, cpu, seen, await db.read(blocks.last_seq))
        yield keys
        await keys.appender.close()
        await cpu.close()


@pytest.fixture
async def keys(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Keys]:
    async with keys_in(tmp_path, clock) as keys:
        yield keys


@pytest.fixture
async def project(keys: Keys) -> int:
    return await keys.db.write(make_project)


@pytest.mark.parametrize("count", [1, 399, 400, 401, 3000])
async def test_what_is_sealed_is_known(keys: Keys, project: int, count: int):
    ids = list(range(count))
    await keys.append(project, ids)
    await keys.seal(project)
    assert keys.runs() == [count]
    assert await keys.append(project, [*ids, -1]) == {-1}
    await keys.tend()
    assert await keys.append(project, [*ids, -1, -2]) == {-2}


async def test_sealing_events_without_ids_makes_no_run(keys: Keys, project: int):
    await keys.appender.append_events(project, events(None, None), None)
    await keys.seal(project)
    assert keys.runs() == []


@pytest.mark.parametrize("tended", [False, True])
async def test_sealing_that_was_undone_leaves_what_was(keys: Keys, project: int, tended: bool):
    await keys.append(project, list(range(500)))
    with pytest.raises(Conflict):
        await keys.seal(project, error=Conflict("undone"))
    if tended:
        await keys.tend()
    assert await keys.append(project, list(range(501))) == {500}
    await keys.seal(project)
    await keys.tend()
    assert keys.runs() == [501]
    assert await keys.append(project, list(range(502))) == {501}


async def test_a_run_of_an_id_that_was_undone_does_not_answer_for_the_next_one(keys: Keys, project: int):
    """SQLite gives the id of a row that was rolled back to the next."""
    await keys.append(project, list(range(1000)))
    with pytest.raises(Conflict):
        await keys.seal(project, error=Conflict("undone"))
    other = await keys.db.write(make_project, "other")
    await keys.append(other, list(range(2000)))
    await keys.seal(other)
    assert await keys.append(project, list(range(1001))) == {1000}
    assert await keys.append(other, list(range(2001))) == {2000}


async def test_an_event_that_comes_while_its_first_is_sealed_is_a_duplicate(keys: Keys, project: int):
    await keys.append(project, list(range(300)))
    sealing = await collect_keys(keys.db, keys.cpu, project, LAST)
    calls = [keys.append(project, list(range(301))) for _ in range(3)]
    sealed = keys.db.write(keys.store, sealing)
    stored = await asyncio.gather(*calls[:1], sealed, *calls[1:])
    assert [one for one in stored if one] == [{300}]


async def test_merging_keeps_all_and_leaves_nothing_behind(keys: Keys, project: int):
    for part in range(9):
        await keys.append(project, list(range(part * 500, part * 500 + 520)))
        await keys.seal(project)
    assert len(keys.runs()) == 9
    await keys.tend()
    assert keys.runs() == [4520]
    assert keys.pages() == -(-4520 // key_runs.PAGE_KEYS)
    assert await keys.append(project, list(range(4530))) == set(range(4520, 4530))


async def test_merging_that_was_cut_off_is_begun_again(tmp_path: Path, clock: FakeClock):
    async with keys_in(tmp_path, clock) as keys:
        project = await keys.db.write(make_project)
        for part in range(8):
            await keys.append(project, list(range(part * 500, part * 500 + 500)))
            await keys.seal(project)
        tending = asyncio.create_task(keys.tend())
        while keys.db.peek(lambda tx: tx.one("SELECT 1 FROM key_run WHERE filter = x''")) is None:
            await asyncio.sleep(0)
        tending.cancel()
        await asyncio.wait([tending])
        assert await keys.append(project, list(range(4001))) == {4000}
    async with keys_in(tmp_path, clock) as keys:
        assert await keys.append(project, list(range(4002))) == {4001}
        await keys.tend()
        assert keys.runs() == [4000]
        assert keys.pages() == 10
        assert keys.db.peek(lambda tx: tx.one("SELECT count(*) FROM key_run")) == (1,)
        assert await keys.append(project, list(range(4003))) == {4002}


async def test_runs_go_past_their_time(keys: Keys, clock: FakeClock, project: int):
    for day in range(3):
        await keys.append(project, list(range(day * 1000, day * 1000 + 1000)))
        await keys.seal(project)
        clock.advance(STRETCH_MS)
    clock.advance(KEPT_MS - 3 * STRETCH_MS)  # the first day's are exactly as old as they may be
    assert await keys.append(project, list(range(3000))) == set()
    clock.advance(1)
    assert await keys.append(project, [0, 1000, 2000]) == {0}
    await keys.tend()
    assert keys.runs() == [1000, 1000]
    clock.advance(KEPT_MS)
    await keys.tend()
    assert keys.runs() == []
    assert keys.pages() == 0


async def test_what_is_sealed_leaves_memory(keys: Keys, project: int):
    await keys.append(project, list(range(20_000)))
    await keys.append(project, list(range(20_000, 20_100)))
    sealing = await collect_keys(keys.db, keys.cpu, project, LAST)
    await keys.append(project, [30_000])
    await keys.db.write(keys.store, sealing)
    await keys.seen.resolve_uncertain(keys.db)
    assert len(keys.seen._unsealed) == 1
    assert keys.seen._doubtful == {}


@pytest.mark.parametrize("count", [1, 100])
async def test_what_was_not_stored_leaves_memory(keys: Keys, project: int, count: int):
    await keys.append(project, [-1])
    await _lose(keys, project, list(range(count)))
    await keys.append(project, [0])
    await keys.tend()
    assert len(keys.seen._unsealed) == 2
    assert await keys.append(project, [-1, 0, 1]) == {1}


async def test_what_a_deleted_project_had_leaves_memory(keys: Keys, project: int):
    other = await keys.db.write(make_project, "other")
    for each in (project, other):
        await keys.append(each, list(range(100)))
    gone = await keys.db.write(blocks.delete_first, project, 1)
    assert [len(some) // key_run.KEY_BYTES for some in gone.values()] == [100]
    keys.seen.mark_uncertain(gone)
    await keys.tend()
    assert len(keys.seen._unsealed) == 100
    assert await keys.db.write(blocks.delete_first, project, 1) == {}
    assert await keys.append(other, [0, 100]) == {100}, "what the other one has is known"


async def test_no_read_at_the_start_is_of_everything(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch):
    """Each has a deadline, which a store that is large enough would pass."""
    async with keys_in(tmp_path, clock) as keys:
        project = await keys.db.write(make_project)
        for n in range(7):
            await keys.append(project, [n])
        built = key_run.build([key_run.key(2, f"m{n}") for n in range(1000)])
        run = await keys.db.write(key_runs.insert, built, 0, clock.now_ms())
        await keys.db.write(lambda tx: tx.run("UPDATE key_run SET filter = x'0102' WHERE id = ?", run))
    monkeypatch.setattr(dedup_index, "BLOCKS_PER_READ", 2)
    monkeypatch.setattr(dedup_index, "PAGES_PER_READ", 1)
    looked: list[str] = []

    def noted(name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
        def note(*asked: Any) -> Any:
            looked.append(name)
            return fn(*asked)

        return note

    monkeypatch.setattr(blocks, "keys_after", noted("blocks", blocks.keys_after))
    monkeypatch.setattr(key_runs, "keys", noted("keys", key_runs.keys))
    reads: list[list[str]] = []

    class Noting:
        async def read(self, fn: Callable[..., Any], *args: Any) -> Any:
            looked.clear()
            found = await db.read(fn, *args)
            reads.append(list(looked))
            return found

    async with opened(tmp_path, clock) as db:
        await DedupIndex(KEPT_MS).load(cast("Database", Noting()))
    assert max(map(len, reads)) == 1
    assert [each for some in reads for each in some] == ["blocks"] * 5 + ["keys"] * 4, (
        "two blocks or one page at a time, until there are none"
    )


@pytest.mark.parametrize("change", ["filter = x'0102'", "filter = x'0102', hash = NULL", "hash = zeroblob(16)"])
async def test_a_damaged_filter_is_made_anew(tmp_path: Path, clock: FakeClock, change: str):
    now = clock.now_ms()
    async with keys_in(tmp_path, clock) as keys:
        built = key_run.build([key_run.key(1, f"m{n}") for n in range(1000)])
        await keys.db.write(lambda tx: key_runs.insert(tx, built, now, now))
        await keys.db.write(lambda tx: tx.run(f"UPDATE key_run SET {change}"))
    async with keys_in(tmp_path, clock) as keys:
        wanted = [key_run.key(1, f"m{n}") for n in range(900, 1100)]
        found = await keys.db.write(lambda tx: keys.seen.find_duplicates(tx, wanted))
        assert found == frozenset(range(100))


@pytest.mark.parametrize("count", [1, 399, 400, 401, 30_000])
async def test_of_many_keys_those_that_a_run_holds_are_found(keys: Keys, count: int):
    """In pages by themselves and over the end of one, whichever are looked for together."""
    held = [key_run.key(1, f"m{n}") for n in range(count)]
    built = key_run.build(held)
    run = await keys.db.write(key_runs.insert, built, 0, 0)
    ranks = {key: rank for rank, key in enumerate(key_run.split(built.keys))}
    everywhere = [(key, 0, count) for key in (*held[:3], *(key_run.key(2, f"m{n}") for n in range(3)))]
    beside = [(key, max(0, rank - 20), min(count, rank + 20)) for key, rank in ranks.items()]
    elsewhere = [(key, rank + 1, rank + 40) for key, rank in ranks.items()]
    for some in (1, 63, 64, 65, count):
        found = await keys.db.read(key_runs.present, run, beside[:some])
        assert found == {key for key, _, _ in beside[:some]}
    assert await keys.db.read(key_runs.present, run, everywhere) == set(held[:3])
    assert await keys.db.read(key_runs.present, run, elsewhere) == set()
    assert await keys.db.read(key_runs.present, run + 1, beside) == set()


# Looked up before the transaction


@pytest.mark.parametrize("share", [1, 0.5, 0])
async def test_of_large_calls_no_page_is_read_in_the_transaction(
    keys: Keys, project: int, monkeypatch: pytest.MonkeyPatch, share: float
):
    """Ten thousand that are there held the writer for 80 ms."""
    count = append.LOOKED_UP_EVENTS
    await keys.append(project, list(range(count)))
    await keys.seal(project)
    read_by, present = list[str](), key_runs.present
    encoded_by, encode = [], blocks.encode

    def noted(tx: Tx, run: int, places: Sequence[tuple[bytes, int, int]]) -> set[bytes]:
        read_by.extend([threading.current_thread().name] * len(places))
        return present(tx, run, places)

    def noted_encode(*args: Any) -> blocks.Block:
        encoded_by.append(threading.current_thread().name)
        return encode(*args)

    monkeypatch.setattr(key_runs, "present", noted)
    monkeypatch.setattr(blocks, "encode", noted_encode)
    first = round(count * (1 - share))
    new = await keys.append(project, list(range(first, first + count)))
    assert new == set(range(count, first + count))
    assert len(read_by) >= count * share
    assert "delta-writer" not in {*read_by, *encoded_by}


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("guessed_by", [1, 8])
async def test_what_seems_to_be_stored_is_not_encoded_and_what_is_not_is_stored_all_the_same(
    keys: Keys, project: int, monkeypatch: pytest.MonkeyPatch, sealed: bool, guessed_by: int
):
    encoded_by, encode = list[str](), blocks.encode

    def noted(*args: Any) -> blocks.Block:
        encoded_by.append(threading.current_thread().name.partition("_")[0])
        return encode(*args)

    await keys.append(project, list(range(100)))
    if sealed:
        await keys.seal(project)
        await keys.seen.resolve_uncertain(keys.db)
    monkeypatch.setattr(blocks, "encode", noted)
    monkeypatch.setattr(dedup_index, "GUESSED_BY", guessed_by)
    assert await keys.append(project, list(range(100))) == set()
    assert encoded_by == []
    assert await keys.append(project, [0, *range(200, 250)]) == set(range(200, 250))
    assert encoded_by == (["delta-writer"] if guessed_by == 1 else ["test", "delta-writer"])
    encoded_by.clear()
    assert await keys.append(project, list(range(300, 400))) == set(range(300, 400))
    assert encoded_by == ["test"]
    assert await keys.append(project, [0, *range(200, 250), *range(300, 400)]) == set()


BETWEEN = ["nothing", "merged", "expired", "sealed", "stored", "lost"]


@pytest.mark.parametrize("between", BETWEEN)
async def test_what_changes_behind_the_look_counts(keys: Keys, project: int, clock: FakeClock, between: str):
    """Keys 0 to 99 are in one run, 100 to 199 in another, and 200 to 299 wait, when 0 to 399 are looked up."""
    for first in (0, 100):
        await keys.append(project, list(range(first, first + 100)))
        await keys.seal(project)
    await keys.append(project, list(range(200, 300)))
    wanted = [key_run.key(project, str(n)) for n in range(400)]
    looked_up = await keys.db.read(keys.seen.look_up, wanted)
    if between == "merged":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(key_run, "TIER_RUNS", 2)
            await keys.tend()
        assert keys.runs() == [200]
    elif between == "expired":
        clock.advance(2 * KEPT_MS)
        await keys.tend()
    elif between == "sealed":
        await keys.seal(project)
    elif between == "stored":
        await keys.append(project, list(range(300, 400)))
    elif between == "lost":
        await keys.db.write(lambda tx: tx.run("DELETE FROM event_block"))
    known = {"expired": 0, "stored": 400, "lost": 200}.get(between, 300)
    found = await keys.db.write(lambda tx: keys.seen.find_duplicates(tx, wanted, looked_up))
    assert found == frozenset(range(known))
    assert found == await keys.db.write(lambda tx: keys.seen.find_duplicates(tx, wanted))


class Model:
    """When each id was last stored; what must be a duplicate, and what must not."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._stored_at: dict[tuple[int, int], int] = {}

    def stored(self, project: int, ids: list[int], stored: set[int]) -> None:
        now = self._clock.now_ms()
        for id in ids:
            at = self._stored_at.get((project, id), -(10**15))
            if id in stored:
                assert at < now - KEPT_MS, "stored twice"
                self._stored_at[project, id] = now
            else:
                assert at >= now - KEPT_MS - STRETCH_MS, "taken for a duplicate although its first is not there"


@pytest.mark.parametrize("seed", seeds(4))
async def test_any_order_of_what_happens_to_keys(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, seed: int
):
    monkeypatch.setattr(append, "LOOKED_UP_EVENTS", (40, 10_000)[seed % 2])
    rng, model = Random(seed), Model(clock)
    projects: list[int] = []
    for start in range(4):
        async with keys_in(tmp_path / "data", clock) as keys:
            if start == 0:
                projects = [await keys.db.write(make_project, name) for name in ("one", "two")]
            for _ in range(40):
                await _something(keys, rng, model, projects)
    async with keys_in(tmp_path / "data", clock) as keys:
        clock.advance(2 * KEPT_MS)
        for project in projects:
            await keys.seal(project)
        await keys.tend()
        await keys.tend()
        assert keys.seen._unsealed == {}


async def _something(keys: Keys, rng: Random, model: Model, projects: list[int]) -> None:
    project = rng.choice(projects)
    kind = rng.choice(("append", "append", "append", "at once", "seal", "seal", "undone", "tend", "later", "lost"))
    ids = rng.sample(range(2000), rng.choice((1, 5, 40, 600)))
    if kind == "append":
        model.stored(project, ids, await keys.append(project, ids))
    elif kind == "at once":
        one, sealed, other = await asyncio.gather(
            keys.append(project, ids), keys.seal(project), keys.append(project, ids), return_exceptions=True
        )
        assert isinstance(one, set)
        assert isinstance(other, set)
        assert sealed is None
        assert not one & other
        model.stored(project, ids, one | other)
    elif kind == "seal":
        await keys.seal(project)
    elif kind == "undone":
        with pytest.raises(Conflict):
            await keys.seal(project, error=Conflict("undone"))
    elif kind == "tend":
        await keys.tend()
    elif kind == "later":
        for each in projects:  # a run is kept as long as its newest: sealed seldom, it keeps others longer
            await keys.seal(each)
        keys.clock.advance(rng.choice((1, 3_600_000, DAY_MS, 5 * DAY_MS)))
    else:
        await _lose(keys, project, ids)


async def _lose(keys: Keys, project: int, ids: list[int]) -> None:
    """An append that is undone."""

    with pytest.raises(KeyError):
        await keys.appender.append_events(project, events(*map(str, ids)), "a companion that nobody stores")
