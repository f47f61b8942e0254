"""Compaction: other segments, the same events."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from delta_server.core.errors import Unavailable
from delta_server.core.event_storage.segment_plan import SegmentInfo
from delta_server.storage.events.duckdb.instance import QuerySession
from delta_server.storage.events.segments import catalog, compact
from tests.storage.events.kept import Kept, kept, made
from tests.storage.opened import START_MS


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Kept]:
    async with kept(tmp_path) as opened:
        yield opened


async def fill(log: Kept, segments: int, events: int = 64, project: int | None = None) -> None:
    for number in range(segments):
        await log.append_events(made(events, first=number * events, at=START_MS + number * 100_000), project)
        await log.scheduler.seal(everything=True)


async def test_segments_become_larger_ones(log: Kept) -> None:
    await fill(log, 9)
    await log.append_events(made(3), log.other)
    before, others, version = await log.events(), await log.events(log.other), await log.version()
    assert len(await log.segments()) == 9
    assert await log.scheduler.run_maintenance() == 8 * 64
    assert [segment.events for segment in await log.segments()] == [512, 64]
    assert (await log.segments())[0].types == {"view": 512}
    assert await log.events() == before
    assert await log.events(log.other) == others
    assert await log.version() == version, "answers stay what they were"
    assert await log.scheduler.run_maintenance() == 0


async def test_what_is_not_in_the_rollups_yet_is_merged_apart(log: Kept) -> None:
    await fill(log, 4)
    await log.db.write(lambda tx: tx.run("UPDATE segment SET rolled = 1 WHERE id <= 2"))
    before = await log.segments()
    assert not await compact_once(log, before)
    assert await compact_once(log, before[:2]) == 128
    assert [segment.rolled for segment in await log.segments()] == [True, False, False]


async def test_everything_at_once_when_asked(log: Kept) -> None:
    await fill(log, 3)
    await log.append_events(made(5, first=9000), log.other)
    assert await log.scheduler.run_maintenance() == 0
    assert await log.scheduler.run_maintenance(log.project, everything=True, compacting=True) == 192
    assert [segment.events for segment in await log.segments()] == [192]
    assert await log.waiting() == 5, "of the other project"


async def test_a_segment_that_went_meanwhile_stops_it(log: Kept) -> None:
    await fill(log, 4)
    segments = await log.segments()
    new = await log.engine.run_background(log.project, lambda session: compact.merged(session, segments))
    assert new is not None
    await log.db.write(catalog.delete, log.project, [segments[1].id])
    before = await log.events()
    assert not await log.db.write(compact.replace, log.project, [segment.id for segment in segments], new)
    assert await compact_once(log, segments) == 0
    assert not await log.db.write(compact.replace, log.other, [segments[0].id], new), "another tenant's"
    assert await log.events() == before


async def test_a_crash_before_the_write_is_as_if_nothing_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with kept(tmp_path) as log:
        await fill(log, 5)
        before = await log.events()

        def full(*_: object) -> None:
            raise Unavailable("the disk is full")

        monkeypatch.setattr(catalog, "insert_segment", full)
        with pytest.raises(Unavailable):
            await log.scheduler.run_maintenance(log.project)
        monkeypatch.undo()
    async with kept(tmp_path, log.clock) as log:
        assert await log.events() == before
        assert await log.scheduler.run_maintenance() == 5 * 64
        assert await log.events() == before


async def test_many_tenders_and_sealers_at_once(log: Kept) -> None:
    await fill(log, 5)
    await log.append_events(made(100, first=9000))
    before = await log.events()
    await asyncio.gather(
        *(log.scheduler.run_maintenance(everything=True, compacting=True) for _ in range(3)), log.scheduler.seal()
    )
    assert await log.events() == before
    assert await log.waiting() == 0


async def compact_once(log: Kept, segments: list[SegmentInfo]) -> int:
    return await compact.merge(log.db, log.engine, log.project, segments)


async def test_a_file_that_could_not_be_written_is_not_kept(log: Kept) -> None:
    """Neither what was written of it before, nor its path. The next one is whole."""

    def fail(session: QuerySession) -> None:
        session.copy("SELECT CASE WHEN range < 300000 THEN range ELSE error('stop') END AS n FROM range(400000)")

    def write(session: QuerySession) -> bytes:
        return session.copy("SELECT range AS n FROM range(3)")

    for _ in range(3):
        with pytest.raises(Exception, match="stop"):
            await log.engine.run_background(log.project, fail)
        held = vars(log.engine._instances.smaller._files).values()
        assert [each for each in held if isinstance(each, dict) and each] == []
    assert (await log.engine.run_background(log.project, write))[:4] == b"PAR1"
