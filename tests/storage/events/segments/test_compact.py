"""Compaction: other segments, the same events."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from delta_server.core.errors import Unavailable
from delta_server.core.event_storage.segment_plan import Piece
from delta_server.storage.events.duckdb.instance import Reading
from delta_server.storage.events.segments import catalog, compact
from tests.storage.events.kept import Kept, kept, made
from tests.storage.opened import START_MS


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Kept]:
    async with kept(tmp_path) as opened:
        yield opened


async def fill(log: Kept, segments: int, events: int = 64, project: int | None = None) -> None:
    for number in range(segments):
        await log.append(made(events, first=number * events, at=START_MS + number * 100_000), project)
        await log.upkeep.seal(everything=True)


async def test_segments_become_larger_ones(log: Kept) -> None:
    await fill(log, 9)
    await log.append(made(3), log.other)
    before, others, version = await log.events(), await log.events(log.other), await log.version()
    assert len(await log.pieces()) == 9
    assert await log.upkeep.tend() == 8 * 64
    assert [piece.events for piece in await log.pieces()] == [512, 64]
    assert (await log.pieces())[0].types == {"view": 512}
    assert await log.events() == before
    assert await log.events(log.other) == others
    assert await log.version() == version, "answers stay what they were"
    assert await log.upkeep.tend() == 0


async def test_what_is_not_in_the_rollups_yet_is_merged_apart(log: Kept) -> None:
    await fill(log, 4)
    await log.db.write(lambda tx: tx.run("UPDATE segment SET rolled = 1 WHERE id <= 2"))
    before = await log.pieces()
    assert not await compact_once(log, before)
    assert await compact_once(log, before[:2]) == 128
    assert [piece.rolled for piece in await log.pieces()] == [True, False, False]


async def test_everything_at_once_when_asked(log: Kept) -> None:
    await fill(log, 3)
    await log.append(made(5, first=9000), log.other)
    assert await log.upkeep.tend() == 0
    assert await log.upkeep.tend(log.project, everything=True, compacting=True) == 192
    assert [piece.events for piece in await log.pieces()] == [192]
    assert await log.waiting() == 5, "of the other project"


async def test_a_segment_that_went_meanwhile_stops_it(log: Kept) -> None:
    await fill(log, 4)
    pieces = await log.pieces()
    new = await log.engine.tend(log.project, lambda reading: compact.merged(reading, pieces))
    assert new is not None
    await log.db.write(catalog.delete, log.project, [pieces[1].id])
    before = await log.events()
    assert not await log.db.write(compact.replace, log.project, [piece.id for piece in pieces], new)
    assert await compact_once(log, pieces) == 0
    assert not await log.db.write(compact.replace, log.other, [pieces[0].id], new), "another tenant's"
    assert await log.events() == before


async def test_a_crash_before_the_write_is_as_if_nothing_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with kept(tmp_path) as log:
        await fill(log, 5)
        before = await log.events()

        def full(*_: object) -> None:
            raise Unavailable("the disk is full")

        monkeypatch.setattr(catalog, "insert", full)
        with pytest.raises(Unavailable):
            await log.upkeep.tend(log.project)
        monkeypatch.undo()
    async with kept(tmp_path, log.clock) as log:
        assert await log.events() == before
        assert await log.upkeep.tend() == 5 * 64
        assert await log.events() == before


async def test_many_tenders_and_sealers_at_once(log: Kept) -> None:
    await fill(log, 5)
    await log.append(made(100, first=9000))
    before = await log.events()
    await asyncio.gather(*(log.upkeep.tend(everything=True, compacting=True) for _ in range(3)), log.upkeep.seal())
    assert await log.events() == before
    assert await log.waiting() == 0


async def compact_once(log: Kept, pieces: list[Piece]) -> int:
    return await compact.merge(log.db, log.engine, log.project, pieces)


async def test_a_file_that_could_not_be_written_is_not_kept(log: Kept) -> None:
    """Neither what was written of it before, nor its path. The next one is whole."""

    def fail(reading: Reading) -> None:
        reading.copy("SELECT CASE WHEN range < 300000 THEN range ELSE error('stop') END AS n FROM range(400000)")

    def write(reading: Reading) -> bytes:
        return reading.copy("SELECT range AS n FROM range(3)")

    for _ in range(3):
        with pytest.raises(Exception, match="stop"):
            await log.engine.tend(log.project, fail)
        held = vars(log.engine._shares.larger._files).values()
        assert [each for each in held if isinstance(each, dict) and each] == []
    assert (await log.engine.tend(log.project, write))[:4] == b"PAR1"
