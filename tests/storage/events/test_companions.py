"""What is stored with events is there exactly when they are."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from delta_server.core.errors import Conflict
from delta_server.storage.database import Database
from delta_server.storage.sqlite.connection import Tuning
from tests.storage.events.log_events import Note, events, noted, stored_ids
from tests.storage.events.stored import make_project
from tests.storage.events.test_append import log_on
from tests.storage.failing_disk import Disk, FailingVfs
from tests.storage.opened import FAST, FakeClock, opened


async def make_notes(db: Database) -> None:
    await db.write(lambda tx: tx.run("CREATE TABLE noted (name TEXT) STRICT"))


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("seed", range(6))
async def test_after_a_power_cut(tmp_path: Path, clock: FakeClock, seed: int) -> None:
    """Small calls share a block, large ones have their own: events and companion are there both, or neither."""
    rng = Random(seed)
    disk = Disk(rng)
    vfs = FailingVfs(f"companions-power-{seed}", disk)
    tuning = Tuning(vfs=vfs.name, page_size=1024, wal_pages=30, writer_cache_kib=64)
    calls = [(f"call {n}", rng.choice((1, 3, 50))) for n in range(100)]
    async with opened(tmp_path / "first", clock, tuning=tuning) as db, log_on(db, tmp_path, clock) as log:
        project = await db.write(make_project)
        await make_notes(db)
        disk.cut_at = disk.operations + rng.randrange(1, 150)
        for first in range(0, len(calls), 8):
            sent = [
                log.append_events(project, events(*(f"{name}, {n}" for n in range(count))), Note(name))
                for name, count in calls[first : first + 8]
            ]
            await asyncio.gather(*sent, return_exceptions=True)
        disk.cut()
    disk.save_survivors(tmp_path / "second")
    async with opened(tmp_path / "second", clock, tuning=FAST) as db, log_on(db, tmp_path, clock) as log:
        found = sorted(map(str, await stored_ids(log, project)))
        kept = set(noted(db))
        assert len(noted(db)) == len(kept)
        assert found == sorted(f"{name}, {n}" for name, count in calls if name in kept for n in range(count))


@pytest.mark.parametrize("size", [1, 100])
async def test_of_a_type_that_no_feature_declares(tmp_path: Path, clock: FakeClock, size: int) -> None:
    async with opened(tmp_path, clock) as db, log_on(db, tmp_path, clock) as log:
        project = await db.write(make_project)
        with pytest.raises(KeyError):
            await log.append_events(project, events(*map(str, range(size))), "nobody's")
        assert await stored_ids(log, project) == []


async def test_one_that_fails_among_many_small_calls_of_two_projects(tmp_path: Path, clock: FakeClock) -> None:
    async with opened(tmp_path, clock) as db, log_on(db, tmp_path, clock) as log:
        await make_notes(db)
        projects = [await db.write(make_project, name) for name in ("one", "other")]
        names = [f"{n}" for n in range(40)]
        failing = {"7", "20"}
        sent = [
            log.append_events(
                projects[int(name) % 2], events(name), Note(name, Conflict("no") if name in failing else None)
            )
            for name in names
        ]
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert {name for name, answer in zip(names, answers, strict=True) if isinstance(answer, Conflict)} == failing
        left = sorted(set(names) - failing)
        assert noted(db) == left
        assert sorted([str(id) for project in projects for id in await stored_ids(log, project)]) == left
