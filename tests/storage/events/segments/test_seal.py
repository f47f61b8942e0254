"""Sealing: what was in blocks is in segments, neither more nor less, whatever comes between."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from delta_server.core.errors import Conflict, DatabaseFailed, Unavailable
from delta_server.core.events.persons import PersonIds
from delta_server.core.times import DAY_MS
from delta_server.storage.database import Tx
from delta_server.storage.events.ingest import blocks
from delta_server.storage.events.ingest.dedup_index import DedupIndex, collect_keys
from delta_server.storage.events.segments import catalog, seal
from delta_server.storage.events.segments.catalog import WaitingBlocks
from delta_server.tasks.threads import ThreadPool
from tests.storage.events.kept import OPTIONS, Kept, kept, made
from tests.storage.opened import START_MS


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Kept]:
    async with kept(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("events", "raw_bytes", "waited_s", "due"),
    [
        (1, 1, 3599, False),
        (1, 1, 3600, True),
        (8191, 1, 15, False),
        (8192, 1, 14, False),
        (8192, 1, 15, True),
        (131_071, 1, 1, False),
        (131_072, 1, 0, True),
        (2000, 64 << 20, 0, True),
    ],
)
def test_when_sealing_is_due(events: int, raw_bytes: int, waited_s: int, due: bool) -> None:
    found = WaitingBlocks(1, events, raw_bytes, START_MS)
    options = msgspec.structs.replace(OPTIONS, seal_events=131_072)
    assert seal.is_due(found, options, START_MS + 1000 * waited_s) is due


def test_what_came_by_a_later_clock_is_due() -> None:
    """It was set back: what waits would wait until it shows that time again."""
    assert seal.is_due(WaitingBlocks(1, 1, 100, START_MS), OPTIONS, START_MS - 86_400_000)


async def test_what_is_not_due_waits(log: Kept) -> None:
    await log.append_events(made(63))
    assert await log.scheduler.seal() == 0
    await log.append_events(made(1, first=63))
    assert await log.scheduler.seal() == 64
    assert await log.waiting() == 0
    await log.append_events(made(1, first=64))
    assert await log.scheduler.seal() == 0
    log.clock.advance(3_600_000)
    assert await log.scheduler.seal() == 1


async def test_events_are_the_same_before_and_after(log: Kept) -> None:
    await log.append_events(made(100))
    await log.append_events(made(7, first=200, user="bob", at=START_MS - 5000))
    await log.append_events(made(3), log.other)
    before, others = await log.events(), await log.events(log.other)
    assert before.total() == 107
    assert await log.scheduler.seal(log.project, everything=True) == 107
    assert await log.events() == before
    assert await log.events(log.other) == others
    assert await log.waiting() == 3
    stats = await log.db.read(catalog.stats, log.project)
    assert (stats.sealed_events, stats.waiting_events) == (107, 0)
    assert (stats.first_at, stats.last_at) == (START_MS - 5000, START_MS + 99_000)
    assert 13_000 < stats.json_bytes < 15_000


async def test_a_segment_for_each_day_that_is_worth_it(log: Kept) -> None:
    await log.append_events(
        made(5, at=START_MS - 9000 * DAY_MS) + made(60, first=10) + made(5, at=START_MS + DAY_MS, first=80)
    )
    assert await log.scheduler.seal(everything=True) == 70
    found = await log.segments()
    assert [segment.events for segment in found] == [5, 60, 5]
    assert [segment.first_at for segment in found] == [START_MS - 9000 * DAY_MS, START_MS, START_MS + DAY_MS]
    assert found[1].last_at == START_MS + 59_000
    assert found[1].types == {"view": 60}


async def test_who_has_much_waiting_delays_the_others_by_one_segment(log: Kept) -> None:
    for first in range(0, 192, 64):
        await log.append_events(made(64, first=first))
    await log.append_events(made(64), log.other)
    assert await log.scheduler.seal() == 4 * 64
    rows = await log.db.read(lambda tx: tx.all("SELECT project FROM segment ORDER BY id"))
    assert [row[0] for row in rows] == [log.project, log.other, log.project, log.project]


async def test_duplicates_are_known_after_sealing_and_a_new_start(tmp_path: Path) -> None:
    async with kept(tmp_path) as log:
        await log.append_events(made(70))
        await log.scheduler.seal()
        assert await log.append_events(made(71)) == frozenset(range(70))
    async with kept(tmp_path, log.clock) as log:
        assert await log.append_events(made(72)) == frozenset(range(71))
        assert (await log.events()).total() == 72


async def test_appends_and_sealing_at_once_lose_and_double_nothing(log: Kept) -> None:
    done = asyncio.Event()

    async def seal_all_the_time() -> None:
        while not done.is_set():
            await log.scheduler.seal(everything=True)
            await asyncio.sleep(0)  # where nothing waits to be sealed it has not let others run

    sealing = asyncio.create_task(seal_all_the_time())
    for first in range(0, 600, 40):
        sent = made(40, first=first)
        await asyncio.gather(
            log.append_events(sent), *(log.append_events([event]) for event in made(5, first=10_000 + first))
        )
        assert await log.append_events(sent) == frozenset(range(40))
    done.set()
    await sealing
    ids = sorted(int(row[14]) for row in await log.events())
    assert ids == sorted([*range(600), *(10_000 + first + n for first in range(0, 600, 40) for n in range(5))])


async def test_a_failed_write_leaves_all_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with kept(tmp_path) as log:
        await log.append_events(made(80))
        before = await log.events()

        def full(*_: object) -> None:
            raise Unavailable("the disk is full")

        monkeypatch.setattr(catalog, "insert_segment", full)
        with pytest.raises(Unavailable):
            await log.scheduler.seal(log.project)
        assert await log.scheduler.seal() == 0, "of all projects' failures each is logged"
        assert await log.events() == before
        monkeypatch.undo()
        assert await log.scheduler.seal() == 0, "it rests for some seconds"
    async with kept(tmp_path, log.clock) as log:
        assert await log.append_events(made(80)) == frozenset(range(80))
        assert await log.scheduler.seal() == 80
        assert await log.events() == before


async def test_blocks_of_a_project_that_goes_are_not_sealed(log: Kept) -> None:
    await log.append_events(made(40))
    await log.append_events(made(40, first=40))
    ready = await log.engine.run_background(log.project, lambda session: seal.prepare(session, most_events=1000))
    assert ready is not None
    await log.db.write(lambda tx: tx.run("DELETE FROM event_block WHERE id = 1"))
    seen = DedupIndex(DAY_MS)
    keys = await collect_keys(log.db, ThreadPool(1, "cpu"), log.project, ready.last_id)
    with pytest.raises(Conflict, match="being deleted"):
        await log.db.write(seal.replace_blocks, log.project, ready, ready.segments, seen, keys)
    assert await log.waiting() == 40


async def test_a_block_that_lost_events_is_not_sealed(log: Kept) -> None:
    await log.append_events(made(64))
    await log.db.write(lambda tx: tx.run("UPDATE event_block SET events_count = 65"))
    with pytest.raises(DatabaseFailed, match="block"):
        await log.scheduler.seal(log.project)


def _damage(tx: Tx, *blocks: int) -> None:
    for block in blocks:
        tx.run("UPDATE event_block SET events = zeroblob(length(events)) WHERE id = ?", block)


@pytest.mark.parametrize("broken", [(1,), (3,), (5,), (1, 2), (2, 4)], ids=str)
async def test_a_damaged_block_stays_and_the_others_are_sealed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: tuple[int, ...]
) -> None:
    left = 200 - 40 * len(broken)
    async with kept(tmp_path) as log:
        for first in range(0, 200, 40):
            await log.append_events(made(40, first=first))
        await log.db.write(_damage, *broken)
        assert await log.scheduler.seal() == left
        assert await log.db.read(blocks.ids, log.project) == list(broken)
        assert sum(segment.events for segment in await log.segments()) == left
        assert len(caplog.records) == 1
        assert f"stay unsealed: {', '.join(map(str, broken))};" in caplog.text
        await log.append_events(made(10, first=200))
        assert await log.scheduler.seal() == 0, "what came since is not due because the damaged one is old"
    async with kept(tmp_path, log.clock) as log:
        assert await log.append_events(made(210)) == frozenset(range(210))
        assert await log.scheduler.seal(log.project, everything=True) == 10
        assert await log.append_events(made(210)) == frozenset(range(210))
        for _ in range(2):
            with pytest.raises(DatabaseFailed, match=f"waiting block {broken[0]} "):
                await log.scheduler.erase(log.project, PersonIds(("ann",)))


async def test_another_projects_damage_keeps_nobody_waiting(log: Kept) -> None:
    await log.append_events(made(64), log.other)
    await log.append_events(made(64, first=100))
    await log.db.write(_damage, 1)
    assert await log.scheduler.seal(everything=True) == 64
    assert await log.scheduler.seal(log.other, everything=True) == 0


async def test_a_segments_worth_at_a_time(log: Kept) -> None:
    for first in range(0, 200, 40):
        await log.append_events(made(40, first=first))
    assert await log.scheduler.seal() == 200
    assert [segment.events for segment in await log.segments()] == [80, 80, 40]
